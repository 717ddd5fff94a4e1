#include "replication/raft/raft_log.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "storage/base/check.h"

namespace holdfast::raft {

RaftLog::RaftLog(LogPosition before, std::vector<TermRun> runs, LogIndex last)
    : before_(before), runs_(std::move(runs)), last_(last), persisted_(last) {
  CHECK(runs_.empty() == (last == before.index));
  CHECK(runs_.empty() || (runs_.front().first > before.index && runs_.back().first <= last));
}

std::optional<Term> RaftLog::term_at(LogIndex index) const {
  if (index == before_.index) return before_.term;
  if (index < before_.index || index > last_) return std::nullopt;
  return std::prev(std::ranges::upper_bound(runs_, index, {}, &TermRun::first))->term;
}

LogPosition RaftLog::last_agreeable(LogPosition at) const {
  LogIndex end = std::min(at.index, last_);
  for (const TermRun& run : std::views::reverse(runs_)) {
    if (run.first > end) continue;
    if (run.term <= at.term) return {run.term, end};
    end = run.first - 1;
  }
  return before_.index <= at.index && before_.term <= at.term ? before_ : LogPosition{};
}

LogWrite& RaftLog::open_write() {
  if (!open_)
    open_ = LogWrite{.ticket = next_ticket_,
                     .hard_state = {},
                     .restart_after = {},
                     .cut_from = {},
                     .append = {},
                     .drop_before = {}};
  return *open_;
}

void RaftLog::append(EntryPtr entry) {
  CHECK(entry->index == last_ + 1, "appending {} behind {}", entry->index.value, last_.value);
  CHECK(entry->term >= term_of_last());
  if (runs_.empty() || entry->term > term_of_last()) runs_.push_back({entry->index, entry->term});
  last_ = entry->index;
  window_bytes_ += entry->bytes();
  open_write().append.push_back(entry);
  window_.push_back(std::move(entry));
}

void RaftLog::cut_from(LogIndex first) {
  CHECK(first > before_.index && first <= last_, "cutting from {} of {}", first.value, last_.value);
  LogWrite& write = open_write();
  // Entries of the open write were not handed out yet: they vanish, and only what was handed out
  // before needs a cut in the file.
  while (!write.append.empty() && write.append.back()->index >= first) write.append.pop_back();
  const LogIndex handed_out = in_flight_.empty() ? persisted_ : in_flight_.back().last;
  if (first <= handed_out) write.cut_from = std::min(write.cut_from.value_or(first), first);

  while (!window_.empty() && window_.back()->index >= first) {
    window_bytes_ -= window_.back()->bytes();
    window_.pop_back();
  }
  while (!runs_.empty() && runs_.back().first >= first) runs_.pop_back();
  last_ = first - 1;
  // What a write in flight will have made durable beyond the cut no longer counts: a later append
  // at the same index is another entry (the ABA hazard of asynchronous log writes).
  persisted_ = std::min(persisted_, last_);
  for (WriteInFlight& in_flight : in_flight_) in_flight.last = std::min(in_flight.last, last_);
}

void RaftLog::restart_after(LogPosition position) {
  LogWrite& write = open_write();
  write.restart_after = position;
  write.cut_from.reset();
  write.append.clear();
  window_.clear();
  window_bytes_ = 0;
  runs_.clear();
  before_ = position;
  last_ = position.index;
  // The state vouches for it: a recovery that finds the old log restarts it there too.
  persisted_ = position.index;
  for (WriteInFlight& in_flight : in_flight_) in_flight.last = LogIndex{};
}

// A recovery that finds the state ahead of the log restarts the log there.
void RaftLog::vouched_for(LogIndex upto) {
  CHECK(upto <= last_);
  persisted_ = std::max(persisted_, upto);
}

void RaftLog::set_hard_state(HardState state) {
  open_write().hard_state = state;
}

void RaftLog::set_needs(LogIndex drop_before, LogIndex wanted_from) {
  drop_before_ = std::max(drop_before_, drop_before);
  wanted_from_ = wanted_from;
}

std::optional<LogWrite> RaftLog::take_write() {
  if (!open_) return std::nullopt;
  open_->drop_before = drop_before_;
  open_->wanted_from = wanted_from_;
  in_flight_.push_back({next_ticket_, last_});
  next_ticket_ = next_ticket_ + 1;
  return std::exchange(open_, std::nullopt);
}

void RaftLog::on_persisted(WriteTicket ticket) {
  CHECK(ticket < next_ticket_ && ticket >= persisted_ticket_);
  persisted_ticket_ = ticket;
  while (!in_flight_.empty() && in_flight_.front().ticket <= ticket) {
    persisted_ = std::max(persisted_, in_flight_.front().last);
    in_flight_.pop_front();
  }
}

std::optional<std::vector<EntryPtr>> RaftLog::entries(LogIndex first, LogIndex last,
                                                      size_t bytes_max) const {
  if (window_.empty() || first < window_.front()->index) return std::nullopt;
  std::vector<EntryPtr> found;
  size_t bytes = 0;
  for (uint64_t at = first - window_.front()->index; at < window_.size(); ++at) {
    const EntryPtr& entry = window_[at];
    if (entry->index > last) break;
    bytes += entry->bytes();
    if (!found.empty() && bytes > bytes_max) break;
    found.push_back(entry);
  }
  return found;
}

void RaftLog::shrink_window(LogIndex upto, size_t bytes_max) {
  const LogIndex keep_from = std::min(upto, persisted_) + 1;
  while (window_bytes_ > bytes_max && !window_.empty() && window_.front()->index < keep_from) {
    window_bytes_ -= window_.front()->bytes();
    window_.pop_front();
  }
}

}  // namespace holdfast::raft
