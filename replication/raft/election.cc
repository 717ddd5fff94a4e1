// Elections: pre-vote (dissertation, section 9.6), votes, stickiness and check-quorum (4.2.3, 6.2).

#include "replication/raft/quorum.h"
#include "replication/raft/raft.h"
#include "storage/base/check.h"

namespace holdfast::raft {

void Raft::reset_election_timer() {
  election_deadline_ =
      now_ + random_.between(config_.election_timeout, 2 * config_.election_timeout);
}

// When a leader's process is gone, its followers do not wait for its silence. They rise one after
// the other, so that two of them do not split the votes; each gives those before it this long.
constexpr Duration kTurnWhenGone = std::chrono::milliseconds(8);

void Raft::on_peer_gone(NodeId peer) {
  const FollowerRole* const follower = std::get_if<FollowerRole>(&role_);
  if (follower == nullptr || follower->leader != peer || leader_gone_in_ == hard_state_.term)
    return;
  leader_gone_in_ = hard_state_.term;
  become_follower(hard_state_.term, {});
  heard_leader_.reset();
  Duration turn{};
  for (const NodeId voter : members().voters())
    if (voter != peer && voter < config_.self) turn += kTurnWhenGone;
  election_deadline_ = std::min(election_deadline_, now_ + turn);
}

void Raft::start_election(VotePhase phase, Cause cause) {
  reset_election_timer();
  if (!may_stand()) return become_follower(hard_state_.term, {});
  take_back_reads();
  role_ = CandidateRole{phase, {}};
  if (phase == VotePhase::kVote) {
    set_hard_state({hard_state_.term + 1, config_.self});
    count_given_before();
  }
  const Term term = phase == VotePhase::kPreVote ? hard_state_.term + 1 : hard_state_.term;
  for (const NodeId voter : members().voters())
    if (voter != config_.self)
      send(voter, VoteRequest{phase, term, log_.last(), cause == Cause::kHandedOver});
  count_votes();
}

// Until the list without it is committed, a voter may be needed: nobody else may hold that list,
// and nobody be elected without the vote of who does (dissertation, section 4.2.2).
bool Raft::may_stand() const {
  // What neither the state nor an entry tells is the time that the cluster's clock goes on from.
  if (awaits_state_ && log_.last() == log_.before()) return false;
  // A majority of a list that is out of date may share nobody with one of the list that counts.
  if (awaits_state_ && membership_.is_guess()) return false;
  return membership_.may_vote(config_.self, commit_) && !removed_ && !fenced_ &&
         !quarantine_.is_on() && !installing_;
}

bool Raft::hears_leader() const {
  if (is_leader()) return !lost_majority();
  return heard_leader_ && now_ - *heard_leader_ < config_.election_timeout;
}

void Raft::on_vote_request(NodeId from, const VoteRequest& request) {
  // Whoever lost entries does not know who lacks them.
  const bool up_to_date = request.last >= log_.last() && !quarantine_.is_on();
  // By what is committed: a list that may still be taken back ends nobody's membership.
  if (membership_.at(commit_).was_removed(from))
    return send(from, VoteReply{request.phase, request.term, false, true});
  if (hears_leader() && !request.handed_over) {
    // Whoever asks is cut off from a leader that we hear: its wish deposes nobody, and its term is
    // not adopted.
    send(from, VoteReply{request.phase, request.term, false});
    return;
  }
  if (request.phase == VotePhase::kPreVote) {
    const bool granted = request.term > hard_state_.term && up_to_date;
    // It will not be elected without us, and we will not wait for it to find out.
    if (!up_to_date && leader_gone_in_ == hard_state_.term)
      election_deadline_ = std::min(election_deadline_, now_);
    send(from, VoteReply{request.phase, request.term, granted});
    return;
  }
  if (request.term > hard_state_.term) become_follower(request.term, {});
  const bool free = !hard_state_.vote || hard_state_.vote == from;
  const bool granted = request.term == hard_state_.term && free && up_to_date && !is_leader();
  if (granted) {
    if (!hard_state_.vote) set_hard_state({request.term, from});
    // Else pre-votes that are still on their way would let us depose whom we vote for.
    if (std::holds_alternative<CandidateRole>(role_)) become_follower(request.term, {});
    reset_election_timer();
  }
  send_when_persisted(from, VoteReply{request.phase, request.term, granted});
}

void Raft::on_vote_reply(NodeId from, const VoteReply& reply) {
  removed_ = removed_ || reply.removed;
  CandidateRole* candidate = std::get_if<CandidateRole>(&role_);
  if (candidate == nullptr || candidate->phase != reply.phase || !reply.granted) return;
  const Term stands_for =
      reply.phase == VotePhase::kPreVote ? hard_state_.term + 1 : hard_state_.term;
  if (reply.term != stands_for) return;
  candidate->granted.insert(from);
  count_votes();
}

void Raft::count_votes() {
  const CandidateRole& candidate = std::get<CandidateRole>(role_);
  size_t votes = 0;
  const std::vector<NodeId> voters = members().voters();
  for (const NodeId voter : voters) {
    if (voter == config_.self) {
      // One's own vote counts, like any other, when it is on disk; a pre-vote needs no disk.
      const bool given =
          candidate.phase == VotePhase::kPreVote || hard_state_ticket_ <= log_.persisted_ticket();
      votes += given ? 1 : 0;
    } else {
      votes += candidate.granted.contains(voter) ? 1 : 0;
    }
  }
  if (votes < majority(voters.size())) return;
  // Something may have come about since it stood.
  if (!may_stand()) return become_follower(hard_state_.term, {});
  if (candidate.phase == VotePhase::kPreVote) {
    start_election(VotePhase::kVote, Cause::kSilence);
  } else {
    become_leader();
  }
}

void Raft::become_leader() {
  CHECK(hard_state_.vote == config_.self);
  CHECK(may_stand());
  role_ = LeaderRole{.since = now_};
  stamps_.lead_from(now_);
  follow_members();
  taken_ = {hard_state_.term, {}};
  // An entry of the own term: earlier ones commit only through it (Raft, section 5.4.2), and reads
  // wait for it (dissertation, section 6.4).
  const LogIndex first = append_as_leader(EntryKind::kBarrier, {}, {});
  std::get<LeaderRole>(role_).first_of_term = first;
  // If one is due sooner it stays so: leaders that follow each other fast keep nobody from the
  // deadline of a request.
  if (heartbeat_deadline_ <= now_) heartbeat_deadline_ = now_ + config_.heartbeat;
}

bool Raft::lost_majority() const {
  const LeaderRole& leader = std::get<LeaderRole>(role_);
  std::vector<Instant> contacts;
  for (const NodeId voter : members().voters()) {
    const auto found = leader.followers.find(voter);
    contacts.push_back(found == leader.followers.end() ? now_ : found->second.last_contact);
  }
  return now_ - reached_by_majority(contacts) > config_.election_timeout;
}

}  // namespace holdfast::raft
