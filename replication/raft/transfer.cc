// Planned change of leader (dissertation, section 3.10). The leader takes no more changes, lets the
// target catch up, and tells it to stand. Changes that arrive meanwhile wait: here as not given to
// anybody, and those of followers as held. If the target leads, they go to it; if the deadline
// passes, this leader goes on with them. So no client sees more than a pause.

#include <utility>

#include "replication/raft/raft.h"

namespace holdfast::raft {

void Raft::transfer_leader(NodeId target) {
  if (LeaderRole* const leader = std::get_if<LeaderRole>(&role_)) {
    if (!leader->handover) start_handover(*leader, target);
  } else if (const NodeId leader_elsewhere = known_leader()) {
    send(leader_elsewhere, HandOverRequest{target});
  }
}

void Raft::start_handover(LeaderRole& leader, NodeId target) {
  const auto fit = [&](NodeId voter) {
    const auto found = leader.followers.find(voter);
    return found != leader.followers.end() &&
           now_ - found->second.last_contact < config_.election_timeout;
  };
  if (!target) {
    for (const NodeId voter : members().voters()) {
      if (fit(voter) &&
          (!target || leader.followers.at(voter).match > leader.followers.at(target).match))
        target = voter;
    }
  }
  if (!target || !members().votes(target) || !fit(target)) return;
  leader.handover =
      Handover{.target = target, .deadline = now_ + config_.election_timeout, .held = {}};
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
  Handover ended = *std::exchange(leader.handover, std::nullopt);
  for (auto& [from, forward] : ended.held) append_forward(from, std::move(forward));
}

void Raft::on_take_over(NodeId from) {
  if (known_leader() == from && from != config_.self && members().votes(config_.self))
    start_election(VotePhase::kVote, Cause::kHandedOver);
}

}  // namespace holdfast::raft
