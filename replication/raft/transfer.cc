// Planned change of leader (dissertation, section 3.10). The leader takes no more changes, lets the
// target catch up, and tells it to stand. Changes that arrive meanwhile wait: here as not given to
// anybody, and those of followers as held. If the target leads, they go to it; if the deadline
// passes, this leader goes on with them. So no client sees more than a pause.

#include <tuple>
#include <utility>

#include "replication/raft/raft.h"

namespace holdfast::raft {
namespace {

// All that it lacks is on its way.
bool is_nearly_there(const Follower& follower, const RaftLog& log) {
  return follower.next > log.last().index;
}

}  // namespace

void Raft::transfer_leader(NodeId target) {
  if (LeaderRole* const leader = std::get_if<LeaderRole>(&role_)) {
    if (!leader->handover) start_handover(*leader, target, HandoverCause::kAsked);
  } else if (const NodeId leader_elsewhere = known_leader()) {
    send(leader_elsewhere, HandOverRequest{target});
  }
}

void Raft::start_handover(LeaderRole& leader, NodeId target, HandoverCause cause) {
  if (!target) target = fittest_successor(Among::kAll);
  const auto found = leader.followers.find(target);
  if (found == leader.followers.end() || !is_fit(target, found->second)) return;
  leader.handover = Handover{
      .target = target, .cause = cause, .deadline = now_ + config_.election_timeout, .held = {}};
}

bool Raft::is_in_contact(const Follower& follower) const {
  return follower.heard && now_ - follower.last_contact < config_.election_timeout;
}

// To lead, once it has all entries, which the log can still bring it.
bool Raft::is_fit(NodeId id, const Follower& follower) const {
  return members().votes(id) && is_in_contact(follower) && !follower.quarantined &&
         !follower.lacks_state && !std::holds_alternative<Snapshotting>(follower.progress) &&
         log_.term_at(follower.match);
}

// Rather one that soon has everything, then one whose disk has room, then the one with the longest
// log; none: nobody is fit.
NodeId Raft::fittest_successor(Among among) const {
  const LeaderRole& leader = std::get<LeaderRole>(role_);
  NodeId fittest;
  std::tuple<bool, bool, LogIndex> best;
  for (const auto& [id, follower] : leader.followers) {
    if (!is_fit(id, follower)) continue;
    if (among == Among::kThoseWithRoom && follower.short_of_room) continue;
    const std::tuple fitness(is_nearly_there(follower, log_), !follower.short_of_room,
                             follower.match);
    if (fittest && fitness <= best) continue;
    fittest = id;
    best = fitness;
  }
  return fittest;
}

// As soon as it has everything, and again with every round of heartbeats: messages may be lost.
void Raft::tell_target() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  if (!leader.handover || leader.handover->told_in == leader.round) return;
  const auto target = leader.followers.find(leader.handover->target);
  if (target == leader.followers.end() || target->second.match < log_.last().index) return;
  leader.handover->told_in = leader.round;
  send(target->first, TakeOver{});
}

void Raft::end_handover_if_late() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  if (!leader.handover || now_ < leader.handover->deadline) return;
  // It cannot go on as before: the others are to choose without it.
  if (fenced_) return become_follower(hard_state_.term, {});
  Handover ended = *std::exchange(leader.handover, std::nullopt);
  if (ended.before_removal) {
    reject_change(leader.asked_changes.front(),
                  "the leader cannot be removed: no other voter took over from it in time");
    leader.asked_changes.pop_front();
  }
  for (auto& [from, forward] : ended.held) append_forward(from, std::move(forward));
}

// Its log was the longest, and nobody could be elected without it; but it serves nothing. While a
// change of leader is on, changes wait: it begins when all that the target lacks is on its way.
void Raft::hand_over_for_want_of_state() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  if (!awaits_state_ || leader.handover) return;
  const NodeId target = fittest_successor(Among::kAll);
  if (!target) return;
  const Follower& follower = leader.followers.at(target);
  if (follower.has_said_what_it_lacks() && is_nearly_there(follower, log_))
    start_handover(leader, target, HandoverCause::kNoState);
}

void Raft::on_take_over(NodeId from) {
  if (known_leader() == from && from != config_.self && may_stand())
    start_election(VotePhase::kVote, Cause::kHandedOver);
}

}  // namespace holdfast::raft
