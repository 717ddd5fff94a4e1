#pragma once

// Makes what Raft starts from out of what lies on disk: the log, and the state that it has been
// applied to. Blocking; at start only.

#include "replication/raft/raft.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/log/segmented_log.h"

namespace holdfast {

// The first entry of a cluster's log, equal on all its members: who they are. It may be there
// already, from a start that ended before the cluster's id was noted.
Result<> write_first_entry(const Recovered& on_disk, SegmentedLog& log,
                           const raft::Members& members);

Result<raft::Recovered> recover_replica(const Recovered& on_disk, SegmentedLog& log,
                                        const KvStateMachine& machine);

}  // namespace holdfast
