#pragma once

// A small log on the simulated disk, and what it must hold.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "storage/log/segmented_log.h"
#include "tests/sim/sim_file_system.h"

namespace holdfast {

inline constexpr uint64_t kSmallSegment = 4 * kLogBlockBytes;
inline const SegmentedLog::Options kSmall{.segment_bytes = kSmallSegment, .salt = 77};
inline const std::string kFirst = "log/segment-0000000000000001.log";
inline const std::string kSecond = "log/segment-0000000000000002.log";

inline EntryPtr make_entry(uint64_t index, uint64_t term, size_t payload_bytes = 100) {
  std::string payload(payload_bytes, static_cast<char>('a' + (index + 7 * term) % 26));
  return std::make_shared<const LogEntry>(LogEntry{.index = {index},
                                                   .term = {term},
                                                   .kind = EntryKind::kCommand,
                                                   .origin = {{7}, {index * 1000}},
                                                   .payload = Bytes(std::move(payload)),
                                                   .stamp = {index * 3, index * 5}});
}

// What a log says, or should say.
struct LogContent {
  HardState hard_state;
  LogPosition before;
  std::vector<LogEntry> entries;

  LogIndex last() const { return entries.empty() ? before.index : entries.back().index; }
  void apply(const LogWrite& write) {
    if (write.hard_state) hard_state = *write.hard_state;
    if (write.restart_after) {
      before = *write.restart_after;
      entries.clear();
    }
    if (write.cut_from)
      std::erase_if(entries, [&](const LogEntry& e) { return e.index >= *write.cut_from; });
    for (const EntryPtr& entry : write.append) entries.push_back(*entry);
  }
  // Entries below `first` may have been dropped.
  void forget_before(LogIndex first) {
    while (!entries.empty() && before.index + 1 < first) {
      before = entries.front().position();
      entries.erase(entries.begin());
    }
  }
  friend bool operator==(const LogContent& a, const LogContent& b) {
    return a.hard_state == b.hard_state && a.before == b.before &&
           std::ranges::equal(a.entries, b.entries, [](const LogEntry& x, const LogEntry& y) {
             return x.index == y.index && x.term == y.term && x.kind == y.kind &&
                    x.origin == y.origin && x.payload == y.payload && x.stamp == y.stamp;
           });
  }
};

inline void PrintTo(const LogContent& content, std::ostream* out) {
  *out << "term " << content.hard_state.term.value << " vote " << content.hard_state.vote.value
       << " after " << content.before.index.value << '@' << content.before.term.value << " entries";
  for (const LogEntry& e : content.entries) *out << ' ' << e.index.value << '@' << e.term.value;
}

// Reads everything back, and compares what recovery said with what is read.
inline LogContent content_of(SegmentedLog& log, const Recovered& recovered) {
  LogContent content{.hard_state = recovered.hard_state, .before = recovered.before, .entries = {}};
  LogIndex next = recovered.before.index + 1;
  while (next <= recovered.last.index) {
    const auto some = log.read(
        {.destination = {1}, .first = next, .last = recovered.last.index, .bytes_max = 1000});
    if (!some) {
      ADD_FAILURE() << some.error().message;
      return content;
    }
    for (const EntryPtr& entry : *some) {
      EXPECT_EQ(entry->index, next);
      content.entries.push_back(*entry);
      next = next + 1;
    }
  }
  std::vector<TermRun> terms;
  for (const LogEntry& entry : content.entries)
    if (terms.empty() || terms.back().term != entry.term)
      terms.push_back({.first = entry.index, .term = entry.term});
  EXPECT_EQ(recovered.terms, terms);
  EXPECT_EQ(recovered.last,
            content.entries.empty() ? content.before : content.entries.back().position());
  return content;
}

// A log that writes and syncs, and remembers what it was told.
class KeptLog {
 public:
  explicit KeptLog(FileSystem& fs, SegmentedLog::Options options = kSmall)
      : fs_(fs), options_(std::move(options)) {
    reopen();
  }

  // What was recovered is checked against what was kept.
  void reopen() {
    log_.reset();
    auto opened = SegmentedLog::open(fs_, "log", options_);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(opened->log);
    recovered_ = std::move(opened->recovered);
    kept_.forget_before(recovered_.before.index + 1);
    EXPECT_EQ(content_of(*log_, recovered_), kept_);
  }

  void keep(const std::vector<LogWrite>& writes) {
    write_unsynced(writes);
    ASSERT_TRUE(log_->sync());
  }
  void write_unsynced(const std::vector<LogWrite>& writes) {
    for (const LogWrite& write : writes) kept_.apply(write);
    const auto written = log_->write(writes);
    ASSERT_TRUE(written) << written.error().message;
  }
  // One batch of entries `first` to `last`, synced.
  void append(uint64_t first, uint64_t last, uint64_t term, size_t payload_bytes = 100) {
    keep({entries(first, last, term, payload_bytes)});
  }
  static LogWrite entries(uint64_t first, uint64_t last, uint64_t term,
                          size_t payload_bytes = 100) {
    LogWrite write{.ticket = {last},
                   .hard_state = {},
                   .restart_after = {},
                   .cut_from = {},
                   .append = {},
                   .drop_before = {},
                   .wanted_from = {}};
    for (uint64_t index = first; index <= last; ++index)
      write.append.push_back(make_entry(index, term, payload_bytes));
    return write;
  }

  // Says what is needed, and answers the files that are let go.
  std::vector<std::string> let_go(uint64_t drop_before, uint64_t wanted_from = 0) {
    LogWrite needs{};
    needs.drop_before = {drop_before};
    needs.wanted_from = {wanted_from};
    write_unsynced({needs});
    return log_->let_go();
  }

  SegmentedLog& log() { return *log_; }
  const Recovered& recovered() const { return recovered_; }
  const LogContent& kept() const { return kept_; }

 private:
  FileSystem& fs_;
  const SegmentedLog::Options options_;
  std::unique_ptr<SegmentedLog> log_;
  Recovered recovered_{};
  LogContent kept_;
};

}  // namespace holdfast
