// Changes: begun here, or passed on by a follower.
//
// A change is given to the leader of one term, at most once in that term. The log's terms never
// fall, so when an entry of a later term is committed here and the change has not been seen, it
// never will be: it can be given to the new leader, and its client sees only a pause. Unless it was
// lost on its way and one that was given behind it was not: then it would take effect too late.

#include <algorithm>

#include "replication/raft/raft.h"
#include "storage/base/check.h"

namespace holdfast::raft {

std::vector<RequestId> Forward::requests() const {
  std::vector<RequestId> ids;
  ids.reserve(proposals.size());
  for (const ForwardedProposal& proposal : proposals) ids.push_back(proposal.request);
  return ids;
}

size_t Forward::bytes() const {
  size_t sum = 0;
  for (const ForwardedProposal& proposal : proposals)
    sum += proposal.payload.size() + LogEntry::kOverheadBytes;
  return sum;
}

void Raft::propose(Propose&& propose) {
  for (Proposal& proposal : propose.proposals) {
    const size_t bytes = proposal.payload.size() + LogEntry::kOverheadBytes;
    if (!takes_requests() || overloaded(bytes)) {
      output_.refused.push_back({proposal.request, takes_requests() ? RefusalReason::kOverloaded
                                                                    : RefusalReason::kFenced});
      continue;
    }
    const auto [place, is_new] = pending_.emplace(
        proposal.request,
        Pending{proposal.deadline, now_, {}, std::move(proposal.payload), proposal.kind});
    CHECK(is_new, "request {} is not new", proposal.request.value);
    pending_bytes_ += bytes;
    unsent_.insert(proposal.request);
    traces_.open(proposal.request, proposal.tracing);
  }
}

bool Raft::overloaded(size_t more_bytes) const {
  // Entries not yet applied stay in the window, beside at most `window_bytes_max` of older ones.
  return pending_bytes_ + more_bytes > config_.proposals_bytes_max ||
         log_.window_bytes() > config_.proposals_bytes_max + config_.window_bytes_max;
}

void Raft::send_proposals() {
  if (unsent_.empty()) return;
  // Changes of one client take effect in order: none overtakes one whose fate is still open.
  if (given_before_ > 0) return;
  const NodeId leader = known_leader();
  if (!leader) return;
  if (leader != config_.self) return forward_proposals(leader);
  if (std::get<LeaderRole>(role_).handover) return;
  std::vector<AskedChange> asked;
  for (const RequestId request : unsent_) {
    Pending& pending = pending_.at(request);
    pending.term = hard_state_.term;
    pending.place = ++given_;
    if (pending.kind == EntryKind::kMembers) {
      asked.push_back({config_.self, request, pending.payload});
    } else {
      const LogIndex index =
          append_as_leader(pending.kind, {config_.self, request}, pending.payload);
      traces_.give(request, now_, false, index);
    }
  }
  unsent_.clear();
  for (AskedChange& change : asked) ask_change(std::move(change));
}

void Raft::forward_proposals(NodeId leader) {
  std::vector<ForwardedProposal> batch;
  size_t bytes = 0;
  const auto send_batch = [&] {
    if (batch.empty()) return;
    send(leader, Forward{run_, ++forwards_sent_, std::exchange(batch, {})});
    bytes = 0;
  };
  for (const RequestId request : unsent_) {
    Pending& pending = pending_.at(request);
    pending.term = hard_state_.term;
    pending.place = ++given_;
    bytes += pending.payload.size();
    traces_.give(request, now_, true, {});
    batch.push_back({request, pending.payload, pending.kind});
    if (bytes >= config_.append_bytes_max) send_batch();
  }
  send_batch();
  unsent_.clear();
}

void Raft::on_forward(NodeId from, Term given, Forward&& forward) {
  // Only whoever led that term, in the life in which it did, knows that a change was not taken. A
  // refusal by anyone else could be of a message whose first copy was: no answer then.
  if (given != taken_.term) return;
  uint64_t& newest = taken_.newest[{from, forward.run}];
  // A message that comes twice, or that a later one overtook, is not appended: the first would
  // double a change, the second would turn the order around. Its origin answers "unknown".
  if (forward.number <= newest) return;
  newest = forward.number;
  LeaderRole* const leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr)
    return refuse_forward(from, given, ForwardRefusal::kNotLeader, forward.requests());
  if (!leader->handover) return append_forward(from, std::move(forward));
  const size_t bytes = forward.bytes();
  if (leader->handover->held_bytes + bytes > config_.proposals_bytes_max)
    return refuse_forward(from, given, ForwardRefusal::kOverloaded, forward.requests());
  leader->handover->held_bytes += bytes;
  leader->handover->held.emplace_back(from, std::move(forward));
}

void Raft::append_forward(NodeId from, Forward&& forward) {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  std::vector<RequestId> refused;
  for (ForwardedProposal& proposal : forward.proposals) {
    if (proposal.kind == EntryKind::kMembers) {
      ask_change({from, proposal.request, std::move(proposal.payload)});
      continue;
    }
    if (overloaded(proposal.payload.size() + LogEntry::kOverheadBytes)) {
      refused.push_back(proposal.request);
      continue;
    }
    const LogIndex index = append_as_leader(EntryKind::kCommand, {from, proposal.request},
                                            std::move(proposal.payload));
    const auto follower = leader.followers.find(from);
    if (follower != leader.followers.end()) follower->second.awaits_commit = index;
  }
  if (!refused.empty())
    refuse_forward(from, hard_state_.term, ForwardRefusal::kOverloaded, std::move(refused));
}

void Raft::refuse_forward(NodeId to, Term given, ForwardRefusal reason,
                          std::vector<RequestId> requests) {
  send(to, ForwardRefused{reason, given, std::move(requests), {}});
}

void Raft::on_forward_refused(const ForwardRefused& refused) {
  for (const RequestId request : refused.requests) {
    const auto found = pending_.find(request);
    if (found == pending_.end() || found->second.term != refused.given) continue;
    if (refused.reason == ForwardRefusal::kNotLeader) {
      found->second.term = {};
      found->second.since = now_;
      unsent_.insert(request);
    } else {
      const RefusalReason reason = refused.reason == ForwardRefusal::kOverloaded
                                       ? RefusalReason::kOverloaded
                                       : RefusalReason::kRejected;
      output_.refused.push_back({request, reason, refused.detail});
      pending_bytes_ -= found->second.bytes();
      pending_.erase(found);
    }
  }
  count_given_before();
  FollowerRole* follower = std::get_if<FollowerRole>(&role_);
  if (follower != nullptr && refused.given == hard_state_.term &&
      refused.reason == ForwardRefusal::kNotLeader)
    follower->leader = {};
}

// Called for every committed entry, in log order, before it is applied.
void Raft::resolve(const LogEntry& committed) {
  if (committed.term > emitted_term_) take_back_proposals(committed.term);
  if (committed.origin.node != config_.self) return;
  const auto found = pending_.find(committed.origin.request);
  if (found == pending_.end()) return;  // timed out, or of this node before its restart
  CHECK(found->second.term == committed.term, "request {} was given in term {} and is in {}",
        committed.origin.request.value, found->second.term.value, committed.term.value);
  if (found->second.term < hard_state_.term) --given_before_;
  note_in_log(found->second);
  if (auto trace = traces_.settle(committed.origin.request, now_)) output_.traces.push_back(*trace);
  pending_bytes_ -= found->second.bytes();
  pending_.erase(found);
}

void Raft::take_back_proposals(Term before) {
  for (auto item = pending_.begin(); item != pending_.end();) {
    auto& [request, pending] = *item;
    if (!pending.term || pending.term >= before) {
      ++item;
    } else if (pending.kind == EntryKind::kCommand && pending.place < in_log_) {
      output_.refused.push_back({request, RefusalReason::kOvertaken});
      pending_bytes_ -= pending.bytes();
      item = pending_.erase(item);
    } else {
      pending.term = {};
      pending.since = now_;
      unsent_.insert(request);
      ++item;
    }
  }
  count_given_before();
}

// Changes of members have no order among the others.
void Raft::note_in_log(const Pending& pending) {
  if (pending.kind == EntryKind::kCommand) in_log_ = std::max(in_log_, pending.place);
}

void Raft::count_given_before() {
  given_before_ = static_cast<size_t>(std::ranges::count_if(pending_, [this](const auto& item) {
    return item.second.term && item.second.term < hard_state_.term;
  }));
}

void Raft::expire_pending() {
  bool removed = false;
  for (auto item = pending_.begin(); item != pending_.end();) {
    const auto& [request, pending] = *item;
    const bool waits = !pending.term;
    const bool late = now_ >= pending.deadline;
    if (!late && !(waits && gave_up_on_leader(pending.since))) {
      ++item;
      continue;
    }
    output_.refused.push_back(
        {request, waits ? RefusalReason::kNoLeader : RefusalReason::kUnknown});
    if (!waits) note_in_log(pending);
    unsent_.erase(request);
    pending_bytes_ -= pending.bytes();
    item = pending_.erase(item);
    removed = true;
  }
  if (removed) count_given_before();
}

}  // namespace holdfast::raft
