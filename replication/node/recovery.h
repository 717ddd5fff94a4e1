#pragma once

// Makes what Raft starts from out of what lies on disk: the log, and the state that it has been
// applied to. Blocking; at start only.

#include <optional>

#include "replication/raft/raft.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/log/segmented_log.h"

namespace holdfast {

// The first entry of a cluster's log, equal on all its members: who they are. It may be there
// already, from a start that ended before the cluster's id was noted.
Result<> write_first_entry(const Recovered& on_disk, SegmentedLog& log,
                           const raft::Members& members);

// The first write of a log that begins empty, to be filled by the cluster that this node joins. It
// may be there already, as above.
Result<> write_first_hard_state(const Recovered& on_disk, SegmentedLog& log);

// A log without one is not what a member had: it was lost.
inline bool was_begun(const Recovered& on_disk) {
  return static_cast<bool>(on_disk.hard_state.term);
}

// What damage has taken from this node.
struct Lost {
  bool entries = false;  // the log ends earlier than it did
  bool state = false;    // it was dropped, to be made anew
  bool members = false;  // whom the state named is not known: the list given for it is a guess
};

// Where the log must be made to begin: a state that was installed just before a crash may be ahead
// of its log, or beside it; so may any state be of a log that lost entries. Nothing: the log leads
// to the state. kCorrupt: neither.
Result<std::optional<LogPosition>> restart_needed(const Recovered& on_disk,
                                                  const KvStateMachine& machine,
                                                  const Lost& lost = {});

// `known_members` count as long as neither the state nor the log hold any. Makes the log begin
// where that is needed; fails as restart_needed does.
Result<raft::Recovered> recover_replica(const Recovered& on_disk, SegmentedLog& log,
                                        const KvStateMachine& machine,
                                        const raft::Members& known_members, const Lost& lost = {});

}  // namespace holdfast
