#pragma once

// What clients asked, and what they were told: the only thing that the oracle knows of a run beside
// the log that was committed.

#include <optional>
#include <string>
#include <vector>

#include "storage/base/clock.h"
#include "storage/kv/command.h"
#include "storage/kv/engine.h"
#include "storage/kv/reply.h"

namespace holdfast::sim {

enum class Outcome {
  kWaiting,
  kOk,
  kRefused,  // certainly nothing happened
  kUnknown,  // it may have happened, or may yet
};

enum class ActKind { kChange, kRead, kLocalRead, kPastRead };

struct Operation {
  uint64_t client = 0;
  ActKind kind = ActKind::kRead;
  std::string key;
  std::optional<Command>
      command;  // of a change; none: of members, and such that no leader makes it
  NodeId node;
  uint64_t life = 0;  // of the node
  RequestId request;
  Instant called;
  Instant returned;
  Outcome outcome = Outcome::kWaiting;
  Reply reply;               // of a change
  Revision revision;         // that the answer reflects
  std::optional<Row> found;  // by a read
};

using History = std::vector<Operation>;

}  // namespace holdfast::sim
