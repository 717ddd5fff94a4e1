#pragma once

// What the state machine answers to one command: data for the node where the request began, and
// kept in the state where the client gave the change a name of its own (idempotency.h).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/kv/bond.h"
#include "storage/kv/engine.h"

namespace holdfast {

// The numbers are part of the agreed state: none is ever given another meaning.
enum class ReplyStatus : uint8_t {
  kOk = 0,
  // Nothing changed under any of these:
  kPreconditionFailed = 1,  // a condition did not hold
  kRangeTooLarge = 2,       // it passes or changes more than one entry may
  kLeaseNotFound = 3,       // there is no such lease, or it has ended
  kLeaseExists = 4,         // one of that id is there
  kReadTooLarge = 5,        // it reads more than one transaction may
  kRevisionTooNew = 6,      // a compaction up to a revision that is not there yet
  kOnceMismatch = 7,        // the client's name for it stands for another change
  kOnceFull = 8,            // there is no room to keep the answer
  kAnswerTooLarge = 9,      // the answer is larger than one that is kept may be
  kLockHeld = 10,           // somebody else has the lock
};

// Whether it is kept under the client's name for the change: what was asked has been decided, and
// stays so. After any other answer the same may be asked again.
constexpr bool is_kept(ReplyStatus status) {
  return status == ReplyStatus::kOk || status == ReplyStatus::kPreconditionFailed ||
         status == ReplyStatus::kLeaseNotFound;
}

// One key as an answer shows it. Hashes are left out: they are 0.
struct Item {
  std::string key;
  Row row;
  friend bool operator==(const Item&, const Item&) = default;
};

// What one operation of a transaction did or found.
struct OperationResult {
  enum class Kind : uint8_t { kPut, kDelete, kGet, kScan };
  Kind kind = Kind::kPut;
  bool created = false;     // kPut: the key was not there
  bool wants_prev = false;  // kPut, kDelete of one key: `items` has what was there
  uint64_t deleted = 0;     // kDelete: how many keys
  std::vector<Item> items;  // kGet: one if the key is there; kScan: in order
  bool keys_only = false;   // kScan: `items` have no values
  bool count_only = false;  // kScan: no items
  uint64_t count = 0;       // kScan: how many keys it found, up to its limit
  bool more = false;        // kScan: there are others behind them
  friend bool operator==(const OperationResult&, const OperationResult&) = default;
};

struct Reply {
  ReplyStatus status = ReplyStatus::kOk;
  Revision revision{};   // of the store after this command
  bool created = false;  // a put made a key that was not there
  uint64_t deleted = 0;  // how many keys a delete removed
  Revision current{};    // kPreconditionFailed: the key's mod_revision, 0 where it does not exist
  bool wants_prev = false;  // a put or a delete was to say what it took away
  std::optional<Row> prev = std::nullopt;

  uint64_t ttl_ms = 0;  // of a lease that was granted or kept alive
  // A lease is revoked, but not all of its keys are deleted yet: the rest goes in later revisions.
  bool unfinished = false;
  LeaseId lease = {};  // that was granted; kLeaseNotFound: the one that is not there
  uint64_t token = 0;  // of a lock that was acquired or kept alive; kLockHeld: its holder's

  bool succeeded = false;                     // of a transaction: its compares hold
  std::vector<OperationResult> results = {};  // one for each operation, in order
  uint32_t refused = 0;  // not kOk: which operation was refused, from 1; 0: a compare

  // Not kept:
  bool replayed = false;  // it is an earlier answer to the same change
  // kOnceFull: after so long the first of those that are kept goes; kLockHeld: what is left of the
  // lease by which it is held.
  uint64_t retry_ms = 0;
  std::string owner = {};  // kLockHeld: what its holder calls itself

  friend bool operator==(const Reply&, const Reply&) = default;
};

// As bytes, the same on every machine: they are part of the agreed state. Its status is one that is
// kept.
std::string encode_reply(const Reply& reply);
Result<Reply> decode_reply(std::string_view bytes);  // kCorrupt: they cannot be read

// What these bytes come to, beside those of keys and values: for the reply with its `prev`, for
// each of its results, and for each of their items.
inline constexpr uint64_t kReplyHeadBytes = 87;
inline constexpr uint64_t kResultHeadBytes = 22;
inline constexpr uint64_t kItemHeadBytes = 40;

}  // namespace holdfast
