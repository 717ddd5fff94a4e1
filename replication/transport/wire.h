#pragma once

// Messages as bytes on a connection between peers. Each is a frame (frame.h) around a protobuf
// message (wire.proto).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "replication/raft/message.h"
#include "storage/base/ids.h"
#include "storage/base/result.h"

namespace holdfast {

struct Hello {
  uint32_t protocol = 1;
  ClusterId cluster;  // none: not formed or joined yet
  NodeId node;
  std::string name;
  std::string peer_address;  // as it wants to be reached
  // Not 0: this connection carries a snapshot from the leader of this term, and no messages.
  Term snapshot_term = {};
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct PeerMessage {
  ClusterId cluster;
  GroupId group;
  raft::Envelope envelope;
};

inline constexpr uint32_t kPeerProtocol = 1;
inline constexpr size_t kFramePartBytesMax = 64 << 20;

void encode_hello(const Hello& hello, std::string& out);
void encode_message(const PeerMessage& message, std::string& out);

// Takes the first frame from `bytes`. Nothing: more bytes are needed. An error ends the
// connection: what follows cannot be found.
Result<std::optional<Hello>> take_hello(std::string_view& bytes);
Result<std::optional<PeerMessage>> take_message(std::string_view& bytes);

}  // namespace holdfast
