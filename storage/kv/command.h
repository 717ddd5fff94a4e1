#pragma once

// What clients ask of the state machine, and its encoding as a log entry's payload. Encoded once,
// on the io thread where the request came in; the encoding is protobuf (command.proto), since it
// must survive rolling upgrades.

#include <array>
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
// What one key that an answer shows counts for, beside the bytes of it and of its value.
inline constexpr uint64_t kItemBytes = 64;
// What one transaction may read: bytes of keys and values, and kItemBytes for each key that its
// answer shows. A largest value fits.
inline constexpr uint64_t kReadBytesMax = (8 << 20) + kKeyBytesMax + kItemBytes;
// Compares, and operations of either outcome.
inline constexpr size_t kOperationsMax = 10'000;
inline constexpr size_t kOnceKeyBytesMax = 128;
// A lock's name is bounded as a key is.
inline constexpr size_t kLockOwnerBytesMax = 256;

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
  bool prev = false;                  // the answer has what was replaced
  friend bool operator==(const PutCommand&, const PutCommand&) = default;
};

struct DeleteCommand {
  std::string key;
  std::vector<Condition> conditions;
  bool prev = false;  // the answer has what was deleted
  friend bool operator==(const DeleteCommand&, const DeleteCommand&) = default;
};

// Keys in [start, end), byte order; an empty `end` means to the last key.
struct DeleteRangeCommand {
  std::string start;
  std::string end;
  friend bool operator==(const DeleteRangeCommand&, const DeleteRangeCommand&) = default;
};

struct GetOperation {
  std::string key;
  friend bool operator==(const GetOperation&, const GetOperation&) = default;
};

struct ScanOperation {
  std::string start;
  std::string end;
  uint64_t limit = kRangeKeysMax;  // 1 to kRangeKeysMax
  bool reverse = false;
  bool keys_only = false;
  bool count_only = false;
  friend bool operator==(const ScanOperation&, const ScanOperation&) = default;
};

// Puts and deletes in a transaction have no conditions of their own.
using Operation =
    std::variant<PutCommand, DeleteCommand, DeleteRangeCommand, GetOperation, ScanOperation>;

// Of a key that does not exist every number is 0, and no relation to a value holds.
struct Compare {
  enum class Target : uint8_t {
    kExists = 1,
    kValue,
    kVersion,
    kCreateRevision,
    kModRevision,
    kLease,
  };
  enum class Relation : uint8_t {
    kEqual = 1,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
  };
  std::string key;
  Target target = Target::kExists;
  Relation relation = Relation::kEqual;
  uint64_t number = 0;  // to compare with; of kExists: 1 or 0
  std::string value;    // of kValue
  friend bool operator==(const Compare&, const Compare&) = default;
};

// All operations of one list, in order, as one revision: `then` if all compares hold. Or none.
struct TransactionCommand {
  std::vector<Compare> compares;
  std::vector<Operation> then;
  std::vector<Operation> otherwise;
  friend bool operator==(const TransactionCommand&, const TransactionCommand&) = default;
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

// If nobody has the lock: whoever asks has it for as long as the lease lives, which is granted with
// it.
struct AcquireLockCommand {
  std::string name;
  std::string owner;  // what the holder calls itself, to be shown to others; may be empty
  LeaseId lease;      // drawn by who proposes it
  uint64_t ttl_ms = 0;
  friend bool operator==(const AcquireLockCommand&, const AcquireLockCommand&) = default;
};

// As KeepLeaseAliveCommand, of the lease by which the lock is held under this token.
struct KeepLockAliveCommand {
  std::string name;
  uint64_t token = 0;
  friend bool operator==(const KeepLockAliveCommand&, const KeepLockAliveCommand&) = default;
};

// As RevokeLeaseCommand, of that lease.
struct ReleaseLockCommand {
  std::string name;
  uint64_t token = 0;
  friend bool operator==(const ReleaseLockCommand&, const ReleaseLockCommand&) = default;
};

// The leader, for nobody: what is due by the entry's cluster time ends, a bounded number of keys.
struct ExpireCommand {
  friend bool operator==(const ExpireCommand&, const ExpireCommand&) = default;
};

// The history floor rises: to `floor`, or, where there is none, to what `keep_history` allows at
// the entry's time on the cluster's clock.
struct CompactCommand {
  std::optional<Revision> floor;
  friend bool operator==(const CompactCommand&, const CompactCommand&) = default;
};

// Of the replicated settings those that are named; within the bounds of Settings.
struct SettingsCommand {
  std::optional<uint64_t> keep_history_ms;
  friend bool operator==(const SettingsCommand&, const SettingsCommand&) = default;
};

// Every replica notes the hash of its state behind this entry.
struct HashCheckCommand {
  friend bool operator==(const HashCheckCommand&, const HashCheckCommand&) = default;
};

// What one replica noted at the check of entry `index`.
struct HashReportCommand {
  NodeId node;
  LogIndex index;
  uint64_t hash = 0;
  friend bool operator==(const HashReportCommand&, const HashReportCommand&) = default;
};

// A client's own name for a change, so that it is made once however often it is sent.
struct Once {
  using Fingerprint = std::array<uint64_t, 2>;
  std::string key;          // 1 to kOnceKeyBytesMax bytes
  Fingerprint fingerprint;  // of all that the client asked
  friend bool operator==(const Once&, const Once&) = default;
};

struct Command {
  std::variant<PutCommand, DeleteCommand, DeleteRangeCommand, AnnounceCommand, TransactionCommand,
               GrantLeaseCommand, KeepLeaseAliveCommand, RevokeLeaseCommand, ExpireCommand,
               CompactCommand, SettingsCommand, HashCheckCommand, HashReportCommand,
               AcquireLockCommand, KeepLockAliveCommand, ReleaseLockCommand>
      act;
  std::optional<Once> once = std::nullopt;
  friend bool operator==(const Command&, const Command&) = default;
};

// Keys must be within bounds: a command that nobody could decode must never reach the log.
Bytes encode_command(Command command);
// kInvalid: not a command, or one from a later version (an unknown field is refused, not skipped).
Result<Command> decode_command(std::string_view bytes);

}  // namespace holdfast
