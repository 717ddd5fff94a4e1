// How the members change, and what the log may let go of.

#include <algorithm>

#include <fmt/format.h>

#include "replication/raft/print.h"
#include "tests/sim/invariants.h"

namespace holdfast::sim {

// A leader appends a list of members only when it has committed an entry of its own term, and the
// list before: else two lists may have majorities that do not meet.
void Invariants::one_change_of_members(NodeId id, const LogWrite& write) {
  Node& node = nodes_.at(id);
  if (write.restart_after || (write.cut_from && *write.cut_from <= node.members_at))
    node.members_at = {};
  for (const EntryPtr& entry : write.append) {
    if (entry->kind != EntryKind::kMembers) continue;
    const raft::Status status = node.raft->status();
    const bool leads = status.role == raft::Role::kLeader && status.term == entry->term;
    if (leads && node.raft->log().term_at(status.commit) != status.term)
      fail("one change of members at a time",
           fmt::format("node {} changes the members at {} before it has committed anything in its "
                       "term",
                       id.value, raft::to_text(entry->position())));
    if (leads && node.members_at > status.commit)
      fail("one change of members at a time",
           fmt::format("node {} changes the members at {} while the change at {} is not committed",
                       id.value, raft::to_text(entry->position()), node.members_at.value));
    node.members_at = entry->index;
  }
}

// An id that was removed is a member no more, whatever comes.
void Invariants::note_members(const LogEntry& committed) {
  if (committed.kind != EntryKind::kMembers) return;
  const raft::Members members = raft::decode_members(committed.payload.view()).value();
  for (const NodeId id : removed_)
    if (members.find(id) != nullptr || !members.was_removed(id))
      fail("the removed never come back",
           fmt::format("node {} was removed, and is in the list at {} again, or forgotten",
                       id.value, raft::to_text(committed.position())));
  removed_ = members.removed;
}

void Invariants::only_the_removed_leave(NodeId id, const raft::Status& status) {
  if (status.removed && !std::ranges::binary_search(removed_, id))
    fail("only the removed leave",
         fmt::format("node {} takes itself for removed, and no committed list says so", id.value));
}

void Invariants::log_reaches_back(NodeId id, const LogWrite& write) {
  const LogIndex durable = nodes_.at(id).durable;
  if (write.drop_before > durable + 1)
    fail("the log reaches back to the durable state",
         fmt::format("node {} lets go of what is before {}, durable is {}", id.value,
                     write.drop_before.value, durable.value));
}

}  // namespace holdfast::sim
