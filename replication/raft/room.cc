// Disks that fill up. Each node says with its heartbeat replies whether its own is short of room;
// the leader judges whether the group may grow, and says so with its heartbeats: the nodes refuse
// growing changes where they come in, before they are proposed. Nothing here is a promise: what was
// proposed a moment ago is taken, and the marks leave room for it.

#include <utility>

#include "replication/raft/raft.h"

namespace holdfast::raft {
namespace {

// How many election timeouts the next attempt to hand over for want of room waits for: while one
// lasts, changes wait.
constexpr int kYieldPatience = 10;

}  // namespace

// Voters that can be relied on for more: in contact, and not short of room.
size_t Raft::voters_with_room() const {
  const LeaderRole& leader = std::get<LeaderRole>(role_);
  size_t count = 0;
  for (const NodeId voter : members().voters()) {
    const auto found = leader.followers.find(voter);
    const bool has_room = found == leader.followers.end()
                              ? !room_.is_short
                              : !found->second.short_of_room && is_in_contact(found->second);
    if (has_room) ++count;
  }
  return count;
}

// The leader's own disk counts whatever the others have: every change passes it. A follower that is
// short is left to fall behind, unless a majority needs it.
bool Raft::refuses_growth() const {
  if (const FollowerRole* follower = std::get_if<FollowerRole>(&role_))
    return follower->leader_refuses_growth;
  const LeaderRole* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return false;
  if (room_.is_short) return true;
  bool any_is_short = false;
  for (const auto& [id, follower] : leader->followers)
    any_is_short |= follower.short_of_room && members().votes(id);
  return any_is_short && voters_with_room() * 2 <= members().voters().size();
}

// Where a majority has room, one of it leads on, and nothing need be refused.
void Raft::yield_to_room() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  if (!room_.is_short || leader.handover || now_ < leader.next_yield) return;
  if (voters_with_room() * 2 <= members().voters().size()) return;
  const NodeId target = fittest_successor(Among::kThoseWithRoom);
  if (target && !leader.followers.at(target).has_said_what_it_lacks()) return;
  leader.next_yield = now_ + kYieldPatience * config_.election_timeout;
  if (target) start_handover(leader, target, HandoverCause::kNoRoom);
}

}  // namespace holdfast::raft
