#include "tests/sim/invariants.h"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

#include "replication/raft/print.h"
#include "replication/raft/quorum.h"

namespace holdfast::sim {
namespace {

bool same_entry(const LogEntry& a, const LogEntry& b) {
  return a.kind == b.kind && a.origin == b.origin && a.payload == b.payload && a.stamp == b.stamp;
}

}  // namespace

Invariants::Invariants(const std::vector<NodeId>& nodes, raft::Config limits) : widest_(limits) {
  for (const NodeId node : nodes) nodes_[node].limits = limits;
}

void Invariants::runs_with(NodeId node, const raft::Config& limits) {
  nodes_[node].limits = limits;
  widest_.append_bytes_max = std::max(widest_.append_bytes_max, limits.append_bytes_max);
  widest_.in_flight_bytes_max = std::max(widest_.in_flight_bytes_max, limits.in_flight_bytes_max);
}

void Invariants::fail(std::string rule, std::string detail) {
  if (!violation_) violation_ = Violation{std::move(rule), std::move(detail)};
}

void Invariants::carry_out(const LogWrite& write, Disk& disk) {
  if (write.hard_state) disk.hard_state = *write.hard_state;
  if (write.restart_after) begin_behind(*write.restart_after, disk);
  if (write.cut_from && write.cut_from->value <= disk.terms.size())
    disk.terms.resize(write.cut_from->value - 1);
  for (const EntryPtr& entry : write.append) disk.terms.push_back(entry->term);
}

// What a state holds counts as what the log held.
void Invariants::begin_behind(LogPosition position, Disk& disk) {
  disk.terms.clear();
  if (position.index.value > committed_.size())
    return fail("a state holds what is committed",
                fmt::format("a log begins behind {}, which is not", raft::to_text(position)));
  for (uint64_t i = 0; i < position.index.value; ++i) disk.terms.push_back(committed_[i].term);
}

bool Invariants::holds(const Disk& disk, const raft::Recovered& found) {
  if (disk.hard_state != found.hard_state || disk.terms.size() != found.last.value) return false;
  const uint64_t before = found.before.index.value;
  if (before > 0 && disk.terms[before - 1] != found.before.term) return false;
  std::vector<raft::TermRun> runs;
  for (uint64_t i = before; i < disk.terms.size(); ++i)
    if (runs.empty() || runs.back().term != disk.terms[i])
      runs.push_back({LogIndex{i + 1}, disk.terms[i]});
  return runs == found.runs;
}

// A crash may keep any number of the writes that were not synced, from the first on, and each
// whole or not at all.
void Invariants::started(NodeId id, const raft::Recovered& found, const raft::Raft& raft) {
  Node& node = nodes_[id];
  node.raft = &raft;
  // It was installed, and the log did not say so yet.
  const bool begins_anew = found.before == node.installed && node.installed.index == found.last;
  const auto keeps_term = [&] {
    const HardState of_state{found.before.term, {}};
    const HardState& on_disk = node.disk.hard_state;
    return on_disk == found.hard_state ||
           (found.hard_state == of_state && on_disk.term < of_state.term);
  };
  while (!holds(node.disk, found) && !(begins_anew && keeps_term())) {
    if (node.disk.unsynced.empty()) {
      fail("recovered log", fmt::format("node {} found term {} and entries up to {} on its disk, "
                                        "which is nothing that was written",
                                        id.value, found.hard_state.term.value, found.last.value));
      return;
    }
    carry_out(node.disk.unsynced.front(), node.disk);
    node.disk.unsynced.pop_front();
    ++unsynced_kept_;
  }
  if (begins_anew) {
    begin_behind(found.before, node.disk);
    node.disk.hard_state = found.hard_state;
  }
  unsynced_lost_ += node.disk.unsynced.size();
  node.disk.unsynced.clear();
  if (found.applied < node.durable)
    fail("nothing goes back", fmt::format("node {} restarts with applied {}, {} was durable",
                                          id.value, found.applied.value, node.durable.value));
  node.members_at =
      found.newer_members.empty() ? found.members_index : found.newer_members.back()->index;
  node.given = found.applied;
  // What begins behind the log's beginning and is yet to be sent holds nothing.
  node.durable = found.lacks_state ? LogIndex{} : found.applied;
  node.seen = {.term = found.hard_state.term,
               .vote = found.hard_state.vote,
               .commit = found.applied,
               .applied = found.applied,
               .current_as_of = {}};
  weigh(node);
  node.voters = raft.members().voters();
  node.asked.clear();
  node.asked_bytes = node.applying_bytes = 0;
}

// What it promised in elections is there; its entries may be any that were ever written, in their
// order.
void Invariants::lost_entries(NodeId id, const raft::Recovered& found) {
  Node& node = nodes_[id];
  Disk& disk = node.disk;
  if (node.acknowledged.size() < disk.terms.size()) node.acknowledged = disk.terms;
  // A state that was put in use brings its term, whatever became of the writes that tell of it.
  const bool is_of_state = found.before.term > disk.hard_state.term &&
                           found.hard_state == HardState{found.before.term, {}};
  while (disk.hard_state != found.hard_state && !disk.unsynced.empty()) {
    if (disk.unsynced.front().hard_state) disk.hard_state = *disk.unsynced.front().hard_state;
    disk.unsynced.pop_front();
  }
  if (is_of_state) disk.hard_state = found.hard_state;
  if (disk.hard_state != found.hard_state)
    fail("damage hides no promise",
         fmt::format("node {} found the vote for {} in term {} on its damaged disk, which is not "
                     "the newest",
                     id.value, found.hard_state.vote.value, found.hard_state.term.value));
  disk.unsynced.clear();
  begin_behind(found.before, disk);
  for (size_t i = 0; i < found.runs.size(); ++i) {
    const LogIndex end = i + 1 < found.runs.size() ? found.runs[i + 1].first : found.last + 1;
    for (LogIndex at = found.runs[i].first; at < end; at = at + 1) {
      if (!written_.contains({found.runs[i].term, at}))
        fail("recovered log", fmt::format("node {} found entry {} on its damaged disk, which "
                                          "nobody wrote",
                                          id.value, at.value));
      disk.terms.push_back(found.runs[i].term);
    }
  }
}

void Invariants::lost_state(NodeId id) {
  nodes_[id].durable = {};
  nodes_[id].installed = {};
}

void Invariants::weigh(Node& node) const {
  node.bytes_upto = {0};
  for (const Term term : node.disk.terms) {
    const LogPosition at{term, LogIndex{node.bytes_upto.size()}};
    const auto found = written_.find(at);  // else only a state holds it: it is never in memory
    const size_t bytes = found == written_.end() ? 0 : found->second.entry->bytes();
    node.bytes_upto.push_back(node.bytes_upto.back() + bytes);
  }
}

void Invariants::crashed(NodeId id) {
  nodes_[id].raft = nullptr;
}

void Invariants::begun(NodeId id, const HardState& hard_state, const EntryPtr& first) {
  Node& node = nodes_[id];
  node.disk.hard_state = hard_state;
  if (!first) return;
  node.disk.terms = {first->term};
  node.members_at = first->index;
  written_.emplace(first->position(), Written{first, {}});
  largest_entry_ = std::max(largest_entry_, first->bytes());
}

void Invariants::submitted(NodeId id, const LogWrite& write) {
  log_matching(id, write);
  one_change_of_members(id, write);
  log_reaches_back(id, write);
  Node& node = nodes_[id];
  if (write.cut_from && *write.cut_from <= node.seen.commit)
    fail("committed never changes", fmt::format("node {} cuts from {}, {} was committed", id.value,
                                                write.cut_from->value, node.seen.commit.value));
  if (write.restart_after) node.bytes_upto.assign(write.restart_after->index.value + 1, 0);
  if (write.cut_from && write.cut_from->value < node.bytes_upto.size())
    node.bytes_upto.resize(write.cut_from->value);
  if (node.raft != nullptr)
    for (const EntryPtr& entry : write.append)
      node.bytes_upto.push_back(node.bytes_upto.back() + entry->bytes());
  node.disk.unsynced.push_back(write);
}

void Invariants::persisted(NodeId id, WriteTicket upto) {
  Disk& disk = nodes_[id].disk;
  while (!disk.unsynced.empty() && disk.unsynced.front().ticket <= upto) {
    carry_out(disk.unsynced.front(), disk);
    disk.unsynced.pop_front();
  }
}

void Invariants::loaded(const std::vector<EntryPtr>& entries) {
  for (const EntryPtr& entry : entries) {
    const auto found = written_.find(entry->position());
    if (found == written_.end() || !same_entry(*found->second.entry, *entry))
      fail("recovered log", fmt::format("entry {} was read back and is not what was written",
                                        raft::to_text(entry->position())));
  }
}

// The term of the entry that the first of `write` follows in the file: it is in the writes that
// wait, or on the disk.
std::optional<Term> Invariants::term_before(const Node& node, const LogWrite& write) const {
  const LogIndex at = write.append.front()->index - 1;
  if (at.value == 0) return Term{};
  if (write.restart_after)
    return write.restart_after->index == at ? std::optional(write.restart_after->term)
                                            : std::nullopt;
  for (const LogWrite& waits : std::views::reverse(node.disk.unsynced)) {
    for (const EntryPtr& earlier : waits.append)
      if (earlier->index == at) return earlier->term;
    if (waits.restart_after && waits.restart_after->index == at) return waits.restart_after->term;
  }
  if (at.value <= node.disk.terms.size()) return node.disk.terms[at.value - 1];
  return std::nullopt;
}

void Invariants::log_matching(NodeId id, const LogWrite& write) {
  for (const EntryPtr& entry : write.append) {
    largest_entry_ = std::max(largest_entry_, entry->bytes());
    const std::optional<Term> before = &entry == &write.append.front()
                                           ? term_before(nodes_[id], write)
                                           : std::optional((*(&entry - 1))->term);
    if (!before) {
      fail("log matching", fmt::format("node {} writes {} behind a gap", id.value,
                                       raft::to_text(entry->position())));
      return;
    }
    const auto [found, is_new] = written_.emplace(entry->position(), Written{entry, *before});
    if (is_new) {
      stamps_never_fall(*entry, *before);
      continue;
    }
    if (found->second.previous != *before || !same_entry(*found->second.entry, *entry))
      fail("log matching",
           fmt::format("node {} writes another entry {}, or behind one of term {} instead of {}",
                       id.value, raft::to_text(entry->position()), before->value,
                       found->second.previous.value));
  }
}

void Invariants::stepped(NodeId id, Instant now, std::optional<Instant> current_as_of) {
  const raft::Raft& raft = *nodes_.at(id).raft;
  const raft::Status status = raft.status();
  one_leader_per_term(id, status);
  order_of_indexes(id, status);
  nothing_goes_back(id, status);
  committed_never_changes(id, status, now);
  time_goes_on(id, now, current_as_of);
  cluster_clock_is_not_ahead(id, status, now);
  currency_is_true(id, status, current_as_of);
  limits_hold(id, status);
  bytes_add_up(id, status);
  only_the_removed_leave(id, status);
  nodes_.at(id).voters = raft.members().voters();
  if (!status.quarantined) nodes_.at(id).acknowledged.clear();
}

void Invariants::committed_never_changes(NodeId id, const raft::Status& status, Instant now) {
  Node& node = nodes_.at(id);
  const LogIndex first = node.seen.commit + 1;
  node.seen.commit = std::max(node.seen.commit, status.commit);
  const size_t known = committed_.size();
  for (LogIndex at = first; at <= status.commit; at = at + 1) {
    const std::optional<Term> term = node.raft->log().term_at(at);
    const bool in_state = at < node.raft->log().before().index && at.value <= committed_.size();
    if (in_state) continue;
    if (!term) return fail("order of indexes", "an entry is committed that is not in the log");
    if (at.value <= committed_.size()) {
      if (committed_[at.value - 1].term != *term)
        return fail("committed never changes",
                    fmt::format("node {} commits {}, committed was term {}", id.value,
                                raft::to_text(LogPosition{*term, at}),
                                committed_[at.value - 1].term.value));
    } else {
      committed_.push_back({*term, status.term, now});
      note_members(*written_.at({*term, at}).entry);
    }
  }
  if (committed_.size() > known) {
    // Log matching carries both back to the entries before the last.
    committed_is_on_a_quorum(id, LogIndex{committed_.size()});
    later_leaders_have(LogIndex{committed_.size()});
  }
}

void Invariants::currency_is_true(NodeId id, const raft::Status& status,
                                  std::optional<Instant> current_as_of) {
  if (!current_as_of) return;
  const auto later = std::ranges::lower_bound(committed_, *current_as_of, {}, &Committed::seen_at);
  const LogIndex known{static_cast<uint64_t>(later - committed_.begin())};
  if (status.applied < known)
    fail("currency is true", fmt::format("node {} has applied {}, and {} was committed before the "
                                         "moment as of which it calls itself current",
                                         id.value, status.applied.value, known.value));
}

bool Invariants::is_on_a_quorum(LogIndex index, const std::vector<NodeId>& voters) const {
  const auto is_in = [&](const std::vector<Term>& terms) {
    return terms.size() >= index.value &&
           terms[index.value - 1] == committed_[index.value - 1].term;
  };
  // What was acknowledged and is lost since counts: whoever lost it helps nobody lead without it.
  const auto holds = [&](NodeId voter) {
    return is_in(nodes_.at(voter).disk.terms) || is_in(nodes_.at(voter).acknowledged);
  };
  return static_cast<size_t>(std::ranges::count_if(voters, holds)) >= raft::majority(voters.size());
}

// Of the voters in the list of the leader, which knows first that it is committed. It may have
// changed the list behind the entry in the same step.
void Invariants::committed_is_on_a_quorum(NodeId leader, LogIndex index) {
  const Node& node = nodes_.at(leader);
  if (is_on_a_quorum(index, node.voters) || is_on_a_quorum(index, node.raft->members().voters()))
    return;
  fail("committed is on a quorum of disks",
       fmt::format("node {} committed entry {} without a majority of {} voters", leader.value,
                   index.value, node.voters.size()));
}

void Invariants::sent(const raft::Envelope& envelope) {
  term_before_message(envelope);
  vote_before_promise(envelope);
  vote_for_a_whole_log(envelope);
  if (const auto* appended = std::get_if<raft::Appended>(&envelope.body))
    entries_before_promise(envelope, appended->match);
}

void Invariants::entries_before_promise(const raft::Envelope& envelope, LogIndex match) {
  const Node& node = nodes_[envelope.from];
  // Up to where a state was installed the state keeps the promise.
  if (match <= node.installed.index) return;
  const bool is_there = match.value <= node.disk.terms.size();
  // In the term of the promise the log does not change below it; later it may.
  const bool same_term = node.raft->status().term == envelope.term;
  const bool is_the_same = !is_there || !same_term || match.value == 0 ||
                           node.raft->log().term_at(match) == node.disk.terms[match.value - 1];
  if (!is_there || !is_the_same)
    fail("no promise before its write",
         fmt::format("{}: the disk holds {} entries", raft::to_text(envelope),
                     node.disk.terms.size()));
}

void Invariants::applied(NodeId id, const std::vector<EntryPtr>& entries, uint64_t state_hash) {
  Node& node = nodes_.at(id);
  for (const EntryPtr& entry : entries) {
    if (entry->index != node.given + 1 || entry->index > committed() ||
        committed_[entry->index.value - 1].term != entry->term)
      fail("committed never changes",
           fmt::format("node {} applies {} behind {}", id.value, raft::to_text(entry->position()),
                       node.given.value));
    node.given = entry->index;
    node.applying_bytes -= entry->bytes();
  }
  const auto [known, is_new] = state_hashes_.emplace(node.given, state_hash);
  if (known->second != state_hash)
    fail("equal applied index, equal state",
         fmt::format("node {} at {} has the hash {:x}, another had {:x}", id.value,
                     node.given.value, state_hash, known->second));
}

void Invariants::installed(NodeId id, LogPosition position, uint64_t state_hash) {
  Node& node = nodes_.at(id);
  const bool is_committed = position.index.value <= committed_.size() &&
                            committed_[position.index.value - 1].term == position.term;
  const auto [known, is_new] = state_hashes_.emplace(position.index, state_hash);
  if (!is_committed || known->second != state_hash)
    fail("a state holds what is committed",
         fmt::format("node {} installs {}: {}", id.value, raft::to_text(position),
                     is_committed ? "another had another hash there" : "that is not committed"));
  const bool had_none = node.raft->status().awaits_state;
  if (had_none ? position.index < node.given : position.index <= node.given)
    fail("nothing goes back", fmt::format("node {} installs {}, it had applied {}", id.value,
                                          raft::to_text(position), node.given.value));
  node.given = position.index;
  node.installed = position;
  durable(id, position.index);
}

void Invariants::durable(NodeId id, LogIndex upto) {
  Node& node = nodes_.at(id);
  if (upto < node.durable || upto > node.given)
    fail("nothing goes back", fmt::format("node {}: durable {} became {}, applied is {}", id.value,
                                          node.durable.value, upto.value, node.given.value));
  node.durable = std::max(node.durable, upto);
}

std::vector<EntryPtr> Invariants::committed_entries() const {
  std::vector<EntryPtr> entries;
  for (uint64_t i = 0; i < committed_.size(); ++i)
    entries.push_back(written_.at({committed_[i].term, LogIndex{i + 1}}).entry);
  return entries;
}

}  // namespace holdfast::sim
