#pragma once

// Messages as bytes on a connection between peers.
//
//   frame   = magic:u32 message_bytes:u32 entries:u32 payload_bytes:u32 checksum:u64
//             message head* payload*
//   head    = payload_bytes:u32 kind:u8 term:u64 index:u64 origin_node:u64 origin_request:u64
//             payload_checksum:u64
//
// Little-endian. `checksum` (XXH3) covers message and heads; each payload has its own, which was
// made with the entry and stays with it in every log. `message` is protobuf (wire.proto).

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
