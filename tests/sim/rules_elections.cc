// Who leads, who voted for whom, and what had to be on disk before it was said.

#include <fmt/format.h>

#include "replication/raft/print.h"
#include "tests/sim/invariants.h"

namespace holdfast::sim {

void Invariants::one_leader_per_term(NodeId id, const raft::Status& status) {
  if (status.role != raft::Role::kLeader) return;
  const auto [leader, is_new] = leaders_.emplace(status.term, id);
  if (leader->second != id)
    fail("one leader per term", fmt::format("nodes {} and {} in term {}", leader->second.value,
                                            id.value, status.term.value));
  if (is_new) leader_completeness(id, *nodes_.at(id).raft, status.term);
}

void Invariants::leader_completeness(NodeId id, const raft::Raft& raft, Term term) {
  for (uint64_t i = 0; i < committed_.size(); ++i) {
    const Term entry = committed_[i].term;
    if (LogIndex{i + 1} < raft.log().before().index) continue;  // in its state
    if (term <= committed_[i].seen_in || raft.log().term_at(LogIndex{i + 1}) == entry) continue;
    return fail("leader completeness",
                fmt::format("node {} leads term {} without the committed entry {}", id.value,
                            term.value, raft::to_text(LogPosition{entry, {i + 1}})));
  }
}

void Invariants::later_leaders_have(LogIndex index) {
  const Committed& entry = committed_[index.value - 1];
  for (const auto& [id, node] : nodes_) {
    if (node.raft == nullptr) continue;
    const raft::Status status = node.raft->status();
    if (status.role == raft::Role::kLeader && status.term > entry.seen_in &&
        index >= node.raft->log().before().index && node.raft->log().term_at(index) != entry.term)
      fail("leader completeness",
           fmt::format("node {} leads term {} while {} is committed without it", id.value,
                       status.term.value, raft::to_text(LogPosition{entry.term, index})));
  }
}

void Invariants::term_before_message(const raft::Envelope& envelope) {
  const Term synced = nodes_[envelope.from].disk.hard_state.term;
  if (envelope.term > synced)
    fail("no promise before its write",
         fmt::format("{}: the term on disk is {}", raft::to_text(envelope), synced.value));
}

// A candidate's log does not grow while it stands.
void Invariants::vote_for_a_whole_log(const raft::Envelope& envelope) {
  const auto* reply = std::get_if<raft::VoteReply>(&envelope.body);
  if (reply == nullptr || reply->phase != raft::VotePhase::kVote || !reply->granted) return;
  const raft::Raft* voter = nodes_.at(envelope.from).raft;
  const raft::Raft* candidate = nodes_.at(envelope.to).raft;
  if (voter == nullptr || candidate == nullptr) return;
  const raft::Status stands = candidate->status();
  if (stands.role != raft::Role::kCandidate || stands.term != reply->term) return;
  const raft::Status votes = voter->status();
  // While the vote waited for the disk, somebody else won, and this is its entry.
  if (votes.last.term == reply->term) return;
  if (votes.vote == envelope.to && votes.term == reply->term && stands.last < votes.last)
    fail("a vote goes to a log that lacks nothing",
         fmt::format("{}: the voter's log ends at {}, the candidate's at {}",
                     raft::to_text(envelope), raft::to_text(votes.last),
                     raft::to_text(stands.last)));
}

void Invariants::vote_before_promise(const raft::Envelope& envelope) {
  HardState promised{envelope.term, {}};
  if (const auto* reply = std::get_if<raft::VoteReply>(&envelope.body)) {
    if (reply->phase != raft::VotePhase::kVote || !reply->granted) return;
    promised = {reply->term, envelope.to};
    const raft::Raft* const voter = nodes_.at(envelope.from).raft;
    if (voter != nullptr && voter->status().quarantined)
      fail("who lost entries does not vote", raft::to_text(envelope));
  } else if (const auto* request = std::get_if<raft::VoteRequest>(&envelope.body)) {
    if (request->phase != raft::VotePhase::kVote) return;
    promised = {request->term, envelope.from};
  } else {
    return;
  }
  // A later vote on the disk is as good: it is the promise of a later term.
  const HardState& disk = nodes_[envelope.from].disk.hard_state;
  if (disk != promised && disk.term <= promised.term)
    fail("no promise before its write",
         fmt::format("{}: on disk is the vote for {} in term {}", raft::to_text(envelope),
                     disk.vote.value, disk.term.value));
  one_vote_per_term(envelope.from, promised.term, promised.vote);
}

void Invariants::one_vote_per_term(NodeId node, Term term, NodeId vote) {
  const auto [given, is_new] = votes_.emplace(std::pair(node, term), vote);
  if (given->second != vote)
    fail("one vote per term", fmt::format("node {} votes for {} and {} in term {}", node.value,
                                          given->second.value, vote.value, term.value));
}

}  // namespace holdfast::sim
