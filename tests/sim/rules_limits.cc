// Positions, times and bytes of one node: their order, that they never fall, and their bounds.

#include <algorithm>

#include <fmt/format.h>

#include "replication/raft/print.h"
#include "tests/sim/invariants.h"
#include "tests/sim/plan.h"

namespace holdfast::sim {

void Invariants::order_of_indexes(NodeId id, const raft::Status& status) {
  const Node& node = nodes_.at(id);
  if (status.applied > std::min(status.commit, status.persisted) ||
      status.persisted > status.last.index || status.commit > status.last.index)
    fail("order of indexes",
         fmt::format("node {}: applied ≤ min(commit, persisted) ≤ last does not hold: {}", id.value,
                     raft::to_text(status)));
  // What a node believes to be on its disk is there, in the log or in a state that was installed.
  if (status.persisted <= node.installed.index) return;
  const std::vector<Term>& terms = node.disk.terms;
  const uint64_t at = status.persisted.value;
  if (at > terms.size() || (at > 0 && node.raft->log().term_at(status.persisted) != terms[at - 1]))
    fail("order of indexes",
         fmt::format("node {} counts {} as persisted, its disk does not hold it", id.value, at));
}

void Invariants::nothing_goes_back(NodeId id, const raft::Status& status) {
  Seen& seen = nodes_.at(id).seen;
  const bool other_vote = status.term == seen.term && seen.vote && status.vote != seen.vote;
  if (status.term < seen.term || other_vote || status.commit < seen.commit ||
      status.applied < seen.applied)
    fail("nothing goes back",
         fmt::format("node {}: term {}, vote {}, commit {}, applied {} became {}, vote {}",
                     id.value, seen.term.value, seen.vote.value, seen.commit.value,
                     seen.applied.value, raft::to_text(status), status.vote.value));
  seen.term = std::max(seen.term, status.term);
  seen.vote = status.vote;
  seen.applied = std::max(seen.applied, status.applied);
}

// The moment as of which a node is current never falls in one life, nor lies ahead.
void Invariants::time_goes_on(NodeId id, Instant now, std::optional<Instant> current_as_of) {
  Seen& seen = nodes_.at(id).seen;
  if (now < seen.at ||
      (seen.current_as_of && (!current_as_of || *current_as_of < *seen.current_as_of)) ||
      (current_as_of && *current_as_of > now))
    fail("time goes on",
         fmt::format("node {}: a moment of its own falls, or lies ahead", id.value));
  seen.at = now;
  seen.current_as_of = current_as_of;
}

// Each written entry is known, with what it follows; a log that begins behind a state is not.
void Invariants::stamps_never_fall(const LogEntry& entry, Term before) {
  const auto previous = written_.find({before, entry.index - 1});
  if (previous == written_.end()) return;
  const Stamp& earlier = previous->second.entry->stamp;
  if (entry.stamp.cluster_ms < earlier.cluster_ms || entry.stamp.wall_ms < earlier.wall_ms)
    fail("stamps never fall", fmt::format("entry {} bears an earlier one than the entry before it",
                                          raft::to_text(entry.position())));
}

// It only goes on while somebody leads, at that node's pace: it cannot get ahead of the run's own
// time by more than the fastest clock does.
void Invariants::cluster_clock_is_not_ahead(NodeId id, const raft::Status& status, Instant now) {
  const uint64_t run_ms =
      static_cast<uint64_t>(now.time_since_epoch() / std::chrono::milliseconds(1));
  if (status.cluster_ms > run_ms * kFastestPermille / 1000 + 1)
    fail("the cluster's clock is not ahead",
         fmt::format("node {} shows {} ms after {} ms", id.value, status.cluster_ms, run_ms));
}

void Invariants::limits_hold(NodeId id, const raft::Status& status) {
  const Node& node = nodes_.at(id);
  const raft::Config& own = node.limits;
  // A limit is looked at before one more is taken, and that one may be an entry of any size.
  const size_t one_more = std::max(widest_.append_bytes_max, largest_entry_) + largest_entry_;
  const auto within = [&](const char* what, size_t bytes, size_t most) {
    if (bytes > most)
      fail("limits hold",
           fmt::format("node {}: {} bytes of {}, at most {} may be", id.value, bytes, what, most));
  };
  within("changes that wait", status.proposals_bytes, own.proposals_bytes_max);
  // Entries are let go when they are on disk, so those of the appends in flight come on top: as
  // many as their leader may send. Who begins to lead appends all that waits with it besides.
  within("entries in memory", node.raft->log().window_bytes(),
         2 * own.proposals_bytes_max + own.window_bytes_max + widest_.in_flight_bytes_max +
             2 * one_more);
  within("entries being applied", node.applying_bytes, own.apply_bytes_max + one_more);
  for (const raft::FollowerStatus& follower : status.followers)
    within("appends in flight", follower.in_flight_bytes, own.in_flight_bytes_max + one_more);
}

// Sums that are kept by adding and taking away, made anew from what came in and went out: one that
// leaked would in the end refuse everything.
void Invariants::bytes_add_up(NodeId id, const raft::Status& status) {
  Node& node = nodes_.at(id);
  if (status.proposals_bytes != node.asked_bytes)
    fail("bytes add up", fmt::format("node {} counts {} bytes of changes that wait, there are {}",
                                     id.value, status.proposals_bytes, node.asked_bytes));
  for (const raft::FollowerStatus& follower : status.followers)
    if (follower.match == status.last.index && follower.in_flight_bytes > 0)
      fail("bytes add up",
           fmt::format("node {} counts {} bytes in flight to {}, who has everything", id.value,
                       follower.in_flight_bytes, follower.id.value));
  // The window is a row of the last entries.
  const size_t window = node.raft->log().window_bytes();
  const std::vector<size_t>& upto = node.bytes_upto;
  if (window > upto.back() || !std::ranges::binary_search(upto, upto.back() - window))
    fail("bytes add up", fmt::format("node {} counts {} bytes of entries in memory, no row of its "
                                     "last entries has so many",
                                     id.value, window));
}

void Invariants::asked(NodeId id, const raft::Propose& changes) {
  Node& node = nodes_.at(id);
  for (const raft::Proposal& change : changes.proposals) {
    const size_t bytes = change.payload.size() + LogEntry::kOverheadBytes;
    node.asked_bytes += bytes;
    node.asked.emplace(change.request, bytes);
  }
}

void Invariants::settle(NodeId id, RequestId request) {
  Node& node = nodes_.at(id);
  const auto found = node.asked.find(request);
  if (found == node.asked.end())
    return;  // a read, or settled before: refused as unknown, then seen
  node.asked_bytes -= found->second;
  node.asked.erase(found);
}

void Invariants::given(NodeId id, const std::vector<EntryPtr>& entries) {
  for (const EntryPtr& entry : entries) {
    nodes_.at(id).applying_bytes += entry->bytes();
    if (entry->origin.node == id) settle(id, entry->origin.request);
  }
}

}  // namespace holdfast::sim
