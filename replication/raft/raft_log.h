#pragma once

// The log as Raft sees it: the terms of all entries, the newest entries themselves, what waits to
// be written, and how far it is on disk. Pure; owned by Raft.
//
//   before │ first ─────────── window_first ─────────── persisted ─────────── last
//                  on disk only            in memory              being written
//
// What is at `before` and earlier is in the state alone, and committed.

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "storage/log/log_entry.h"

namespace holdfast::raft {

// Entries from `first` on have this term, until the next run begins.
struct TermRun {
  LogIndex first;
  Term term;
  friend bool operator==(const TermRun&, const TermRun&) = default;
};

class RaftLog {
 public:
  // What lies on disk: entries behind `before` up to `last`, described by their term runs.
  RaftLog(LogPosition before, std::vector<TermRun> runs, LogIndex last);

  LogPosition last() const { return {term_of_last(), last_}; }
  LogIndex persisted() const { return persisted_; }
  LogPosition before() const { return before_; }
  // The term at `index`, `before` included; nothing beyond the last, and earlier than `before`.
  std::optional<Term> term_at(LogIndex index) const;
  // The last position at or before `at.index` whose term is at most `at.term`: where two logs may
  // still agree. Nothing of it is in this log: index 0.
  LogPosition last_agreeable(LogPosition at) const;

  void append(EntryPtr entry);    // at last + 1
  void cut_from(LogIndex first);  // first > 0
  // All entries are void: the state holds everything up to `position`, on disk, and the next entry
  // follows it.
  void restart_after(LogPosition position);
  // The state holds everything up to `upto`, on disk, and the log has it too, if only in memory.
  void vouched_for(LogIndex upto);
  void set_hard_state(HardState state);
  // Goes along with the next write: see LogWrite.
  void set_needs(LogIndex drop_before, LogIndex wanted_from);

  // The ticket of the newest write that was or will be asked for: when it is persisted, so is
  // everything done to the log until now.
  WriteTicket newest_ticket() const {
    return {open_ ? next_ticket_.value : next_ticket_.value - 1};
  }
  std::optional<LogWrite> take_write();
  void on_persisted(WriteTicket ticket);
  WriteTicket persisted_ticket() const { return persisted_ticket_; }

  // Entries from `first` up to `last`, at least one and then at most `bytes_max`. Nothing: they
  // are not in memory and must be loaded.
  std::optional<std::vector<EntryPtr>> entries(LogIndex first, LogIndex last,
                                               size_t bytes_max) const;
  // Lets go of the oldest entries in memory, up to `upto` at most, until `bytes_max` are held.
  void shrink_window(LogIndex upto, size_t bytes_max);
  size_t window_bytes() const { return window_bytes_; }

 private:
  struct WriteInFlight {
    WriteTicket ticket;
    LogIndex last;  // persisted once the ticket is
  };

  Term term_of_last() const { return runs_.empty() ? before_.term : runs_.back().term; }
  LogWrite& open_write();

  LogPosition before_;
  std::vector<TermRun> runs_;
  LogIndex last_;
  LogIndex persisted_;
  std::deque<EntryPtr> window_;  // the entries up to last_, without a gap
  size_t window_bytes_ = 0;
  std::optional<LogWrite> open_;
  WriteTicket next_ticket_{1};
  WriteTicket persisted_ticket_;
  std::deque<WriteInFlight> in_flight_;
  LogIndex drop_before_;
  LogIndex wanted_from_;
};

}  // namespace holdfast::raft
