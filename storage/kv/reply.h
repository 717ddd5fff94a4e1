#pragma once

// What the state machine answers to one command: data, in memory only, for the node where the
// request began.

#include <cstdint>

#include "storage/base/ids.h"

namespace holdfast {

enum class ReplyStatus : uint8_t {
  kOk,
  kPreconditionFailed,  // a condition did not hold; nothing changed
  kRangeTooLarge,       // the range holds more than one entry may change; nothing changed
  kLeaseNotFound,       // there is no such lease, or it has ended; nothing changed
  kLeaseExists,         // one of that id is there; nothing changed
};

struct Reply {
  ReplyStatus status = ReplyStatus::kOk;
  Revision revision{};   // of the store after this command
  bool created = false;  // a put made a key that was not there
  uint64_t deleted = 0;  // how many keys a delete removed
  Revision current{};    // kPreconditionFailed: the key's mod_revision, 0 where it does not exist

  uint64_t ttl_ms = 0;  // of a lease that was granted or kept alive
  // A lease is revoked, but not all of its keys are deleted yet: the rest goes in later revisions.
  bool unfinished = false;

  friend bool operator==(const Reply&, const Reply&) = default;
};

}  // namespace holdfast
