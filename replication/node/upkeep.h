#pragma once

// What the state needs of the group from time to time, and nobody asks for: that what has come to
// its end goes. The leader proposes it. Thread-free; called by the replica's shell after turns of
// the replica, now and then, and by the simulator.

#include <cstdint>
#include <optional>

#include "replication/raft/status.h"
#include "storage/state_machine.h"

namespace holdfast {

class Upkeep {
 public:
  // Of the machine only what any thread may call is used.
  explicit Upkeep(const StateMachine& machine) : machine_(machine) {}

  // The payload of an entry to propose now, without anybody who waits for its answer. Nothing: this
  // node does not lead, nothing is due, the last one is still on its way, or it was applied only
  // just now: whatever its work took, the others get as much time. `status` is of a moment after
  // what this gave back the last time was handed to the replica.
  std::optional<Bytes> due(Instant now, const raft::Status& status);

 private:
  struct Proposed {
    Term term;
    Instant at;
    std::optional<LogIndex> through;  // applied up to here, it is applied or was refused
  };
  // Whether nothing proposed before is on its way.
  bool is_over(Instant now, const raft::Status& status);

  const StateMachine& machine_;
  std::optional<Proposed> proposed_;
  Instant not_before_ = Instant::min();
};

}  // namespace holdfast
