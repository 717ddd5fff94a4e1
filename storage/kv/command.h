#pragma once

// What clients ask of the state machine, and its encoding as a log entry's payload. Encoded once,
// on the io thread where the request came in; the encoding is protobuf (command.proto), since it
// must survive rolling upgrades.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/kv/bond.h"

namespace holdfast {

inline constexpr size_t kKeyBytesMax = 4096;
// What one entry may change: keys, and the sum of their bytes.
inline constexpr uint64_t kRangeKeysMax = 100'000;
inline constexpr uint64_t kRangeBytesMax = 16 << 20;

// If-Match and If-None-Match, as the state machine decides them (RFC 9110, section 13.1).
struct Condition {
  enum class Kind { kMatch, kNoneMatch };
  Kind kind = Kind::kMatch;
  bool any = false;                 // `*`: any existing row
  std::vector<Revision> revisions;  // the listed ETags
  friend bool operator==(const Condition&, const Condition&) = default;
};

// `mod_revision` is 0 for a key that does not exist.
bool holds(const Condition& condition, Revision mod_revision);

struct PutCommand {
  std::string key;
  std::string value;
  std::vector<Condition> conditions;  // all must hold
  LeaseId lease;                      // that the key ends with; 0: none
  uint64_t ttl_ms = 0;                // a time of its own, where it has no lease; 0: none
  friend bool operator==(const PutCommand&, const PutCommand&) = default;
};

struct DeleteCommand {
  std::string key;
  std::vector<Condition> conditions;
  friend bool operator==(const DeleteCommand&, const DeleteCommand&) = default;
};

// Keys in [start, end), byte order; an empty `end` means to the last key.
struct DeleteRangeCommand {
  std::string start;
  std::string end;
  friend bool operator==(const DeleteRangeCommand&, const DeleteRangeCommand&) = default;
};

// A node tells all others where clients reach it.
struct AnnounceCommand {
  NodeId node;
  std::string client_url;
  friend bool operator==(const AnnounceCommand&, const AnnounceCommand&) = default;
};

struct GrantLeaseCommand {
  LeaseId id;  // drawn by who proposes it
  uint64_t ttl_ms = 0;
  friend bool operator==(const GrantLeaseCommand&, const GrantLeaseCommand&) = default;
};

struct KeepLeaseAliveCommand {
  LeaseId id;
  friend bool operator==(const KeepLeaseAliveCommand&, const KeepLeaseAliveCommand&) = default;
};

// Its keys are deleted.
struct RevokeLeaseCommand {
  LeaseId id;
  friend bool operator==(const RevokeLeaseCommand&, const RevokeLeaseCommand&) = default;
};

// The leader, for nobody: what is due by the entry's cluster time ends, a bounded number of keys.
struct ExpireCommand {
  friend bool operator==(const ExpireCommand&, const ExpireCommand&) = default;
};

struct Command {
  std::variant<PutCommand, DeleteCommand, DeleteRangeCommand, AnnounceCommand, GrantLeaseCommand,
               KeepLeaseAliveCommand, RevokeLeaseCommand, ExpireCommand>
      act;
  friend bool operator==(const Command&, const Command&) = default;
};

// Keys must be within bounds: a command that nobody could decode must never reach the log.
Bytes encode_command(Command command);
// kInvalid: not a command, or one from a later version (an unknown field is refused, not skipped).
Result<Command> decode_command(std::string_view bytes);

}  // namespace holdfast
