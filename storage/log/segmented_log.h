#pragma once

// The log on disk: entries and hard state in segment files. Thread-free and blocking; LogWriter
// gives it a thread, the simulator runs it directly. Source of the rules: README.md beside this.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/fs/file_system.h"
#include "storage/log/entry_index.h"
#include "storage/log/log_store.h"
#include "storage/log/recovery.h"
#include "storage/log/segment.h"

namespace holdfast {

class SegmentedLog {
 public:
  struct Options {
    uint64_t segment_bytes = uint64_t{64} << 20;  // whole blocks, at least four
    uint64_t salt = 0;  // random; taken when the log is made, later the log's own is used
    // So much of the newest log stays though it is not needed: a follower that was away finds its
    // entries here, and needs no snapshot. For one that reads right now (LogWrite::wanted_from)
    // up to kWantedFactor times as much.
    uint64_t keep_bytes = 0;
    // Asked, again and again, while the disk is too full for a new segment; to be answered when it
    // is worth another try. False, or nobody to ask: the write fails with kNoSpace.
    std::function<bool()> make_room = nullptr;
  };
  static constexpr uint64_t kWantedFactor = 4;
  // While room is short. A batch that needs more gets it.
  static constexpr uint64_t kThriftySegmentBytes = uint64_t{1} << 20;
  struct Opened {
    std::unique_ptr<SegmentedLog> log;
    Recovered recovered;
  };

  // Makes the log if there is none. What was recovered is synced before this returns: a batch may
  // have been written by a process that ended before its sync. Fails without having changed
  // anything with kCorrupt (synced bytes are damaged or missing) or kInvalid (a newer format).
  static Result<Opened> open(FileSystem& fs, std::string directory, Options options);
  // For a look at a log that no process uses: changes nothing, and of what it gives only read() may
  // be called. Fails as open does, and with kNotFound if there is no log.
  static Result<Opened> open_to_read(FileSystem& fs, std::string directory);

  // All of `writes` as one batch: after a crash all of it is there, or nothing. Then the caller
  // must sync() before the next write. Appended entries follow the last one, or the position of a
  // restart.
  // After a failed write, sync or marker the log must not be used again, nor the process go on.
  Result<> write(std::span<const LogWrite> writes);
  Result<> sync();
  // To be called when nothing more is to be written for a while after a sync: tells a later
  // opening that the last batch was synced, so that damage to it is not taken for a torn tail.
  // Itself not synced, and overwritten by the next batch.
  Result<> write_marker();

  // Gives up the oldest segments that neither the newest LogWrite nor Options::keep_bytes asks to
  // keep, never the current one, and tells their files, which the caller removes: a crash before
  // that only keeps them longer. What was written must be synced. To be called after each sync.
  std::vector<std::string> let_go();
  // Removes them in their order. May run on another thread, beside every other call.
  Result<> remove(const std::vector<std::string>& files) const;

  // Room is short, or not any more: while it is, nothing is kept for followers, no spare is wanted,
  // and new segments are small.
  void be_thrifty(bool thrifty) { thrifty_ = thrifty; }

  // Entries from order.first on, at least one; kNotFound if it is not in the log.
  Result<std::vector<EntryPtr>> read(const LoadOrder& order);

  // The number of the segment that is written now, and whether enough of it is used that it is
  // time to make the file of the next; else the write that needs one makes it.
  uint64_t segment() const { return current_.header().number; }
  bool wants_spare() const { return !thrifty_ && end_ > current_.header().bytes / 4; }
  // May run on another thread, beside every other call. After a failure it may be tried again.
  Result<> prepare_spare() const;

 private:
  SegmentedLog(FileSystem& fs, std::string directory, Options options, WalkedLog walked);

  struct Loading {
    LogIndex next;
    LogIndex last;
    size_t bytes_left;
    std::vector<EntryPtr> entries;
  };

  static uint64_t body_bytes(std::span<const LogWrite> writes);
  void add(const LogWrite& write);
  Term term_at(LogIndex index) const;
  uint64_t oldest() const { return current_.header().number - older_ends_.size(); }
  uint64_t newest_written() const;
  uint64_t oldest_to_keep() const;
  Result<> begin_segment(uint64_t batch_bytes);
  Result<Segment> make_segment(SegmentHeader header, uint64_t bytes_least);
  Result<> read_run(Loading& loading);
  Result<Segment*> segment_of(uint64_t number);

  FileSystem& fs_;
  const std::string directory_;
  const Options options_;

  Segment current_;
  uint64_t end_;  // in current_: where the next batch goes
  bool synced_ = true;
  bool thrifty_ = false;
  HardState hard_state_;
  EntryIndex entries_;
  std::vector<TermRun> terms_;  // of the entries
  LogPosition before_;          // the entry before the first of `terms_`
  // Where each segment before current_ ends, oldest first; those that were let go are not here.
  std::deque<uint64_t> older_ends_;
  LogIndex drop_before_;  // of the newest write
  LogIndex wanted_from_;
  BatchBuffer batch_;
  std::optional<Segment> older_;  // the one that was last read
};

}  // namespace holdfast
