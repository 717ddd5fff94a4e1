// The power fails anywhere, again and again: what was synced is there, and of what was not, each
// batch is there whole or not at all.

#include <gtest/gtest.h>

#include "tests/log/log_fixture.h"

namespace holdfast {
namespace {

class Crashes {
 public:
  explicit Crashes(uint64_t seed) : random_(seed), fs_(seed) {}

  void run(int lives) {
    for (int life = 0; life < lives && !testing::Test::HasFailure(); ++life) live(life);
  }
  uint64_t torn_tails() const { return torn_tails_; }
  uint64_t lost_batches() const { return lost_batches_; }
  uint64_t dropped_files() const { return dropped_files_; }

 private:
  // From one opening to the next end of the process or of the power.
  void live(int life) {
    if (random_.chance(0.3)) fs_.lose_power_after(random_.below(12));
    SegmentedLog::Options options = kSmall;
    options.keep_bytes = kSmallSegment * random_.below(4);
    auto opened = SegmentedLog::open(fs_, "log", options);
    if (!opened) {
      ASSERT_EQ(opened.error().code, ErrorCode::kIo) << life << ": " << opened.error().message;
      fs_.crash();
      all_seen_ = false;
      return;
    }
    if (opened->recovered.torn_tail) ++torn_tails_;
    fs_.lose_power_after(UINT64_MAX);
    const LogContent found = content_of(*opened->log, opened->recovered);
    const LogIndex first = std::min(found.before.index + 1, dropped_before_);
    maybe_.forget_before(first);
    synced_.forget_before(first);
    if (found != maybe_) {
      ASSERT_FALSE(all_seen_) << "life " << life;
      ASSERT_EQ(found, synced_) << "life " << life;
      ++lost_batches_;
    }
    synced_ = maybe_ = found;
    if (random_.chance(0.9)) fs_.lose_power_after(random_.below(40));
    const bool alive = work(*opened->log);
    // The process may end without the power, also in the middle of an act: then what was written
    // is seen, though perhaps not yet durable.
    const bool power_fails = random_.chance(0.7);
    if (power_fails) fs_.crash();
    fs_.lose_power_after(UINT64_MAX);
    all_seen_ = alive && !power_fails;
  }

  // False: an act failed, with the power or with the process.
  bool work(SegmentedLog& log) {
    for (uint64_t turns = random_.below(20); turns > 0; --turns) {
      std::vector<LogWrite> writes;
      for (uint64_t n = random_.between(1, 3); n > 0; --n) writes.push_back(draw_write());
      if (!log.write(writes)) return false;
      if (turns == 1 && random_.chance(0.5)) return true;  // written, never synced
      if (!log.sync()) return false;
      synced_ = maybe_;
      if (random_.chance(0.2) && !log.write_marker()) return false;
      if (random_.chance(0.2) && !log.prepare_spare()) return false;
      if (random_.chance(0.2)) {
        LogWrite needs{};
        needs.drop_before = {random_.between(1, maybe_.last().value + 2)};
        if (random_.chance(0.5)) needs.wanted_from = {random_.below(needs.drop_before.value + 1)};
        if (!log.write(std::span(&needs, 1))) return false;
        const std::vector<std::string> files = log.let_go();
        if (!files.empty()) dropped_before_ = std::max(dropped_before_, needs.drop_before);
        dropped_files_ += files.size();
        if (!log.remove(files)) return false;
      }
    }
    return true;
  }

  LogWrite draw_write() {
    LogWrite write{};
    if (random_.chance(0.3)) write.hard_state = HardState{{++term_}, {random_.below(3)}};
    if (random_.chance(0.1)) {
      write.restart_after = LogPosition{{term_}, {maybe_.last().value + random_.below(9)}};
      maybe_.apply({.ticket = {},
                    .hard_state = {},
                    .restart_after = write.restart_after,
                    .cut_from = {},
                    .append = {},
                    .drop_before = {},
                    .wanted_from = {}});
    }
    uint64_t next = maybe_.last().value + 1;
    const uint64_t first = std::max(maybe_.before.index + 1, dropped_before_).value;
    if (first < next && random_.chance(0.2)) {
      next = random_.between(first, next - 1);
      write.cut_from = LogIndex{next};
    }
    const size_t payload_bytes = random_.chance(0.1) ? 9000 : 600;
    for (uint64_t n = random_.below(5); n > 0; --n, ++next)
      write.append.push_back(make_entry(next, term_, random_.below(payload_bytes)));
    maybe_.apply(write);
    return write;
  }

  Random random_;
  SimFileSystem fs_;
  bool all_seen_ = false;
  LogContent synced_;  // must be there
  LogContent maybe_;   // with the batch that was not synced
  uint64_t term_ = 1;
  LogIndex dropped_before_;  // what may be gone
  uint64_t dropped_files_ = 0;
  uint64_t torn_tails_ = 0;
  uint64_t lost_batches_ = 0;
};

TEST(LogCrash, WhatWasSyncedIsThereAndTheRestIsWholeOrGone) {
  uint64_t torn_tails = 0;
  uint64_t lost_batches = 0;
  uint64_t dropped_files = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Crashes crashes(seed);
    crashes.run(30);
    torn_tails += crashes.torn_tails();
    lost_batches += crashes.lost_batches();
    dropped_files += crashes.dropped_files();
    if (HasFailure()) return;
  }
  EXPECT_GT(torn_tails, 100u);  // the rare paths were taken
  EXPECT_GT(lost_batches, 100u);
  EXPECT_GT(dropped_files, 100u);
}

// At each act in turn: of making the first segment, writing, and making the next ones.
TEST(LogCrash, ACrashAtEveryActOfMakingASegmentLeavesAWholeLog) {
  for (uint64_t acts = 0; acts < 60; ++acts) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      SimFileSystem fs(seed);
      LogContent synced;
      LogContent maybe;
      fs.lose_power_after(acts);
      if (auto opened = SegmentedLog::open(fs, "log", kSmall)) {
        for (uint64_t index = 1; index < 12; ++index) {
          const LogWrite write = KeptLog::entries(index, index, 1, 3000);
          maybe.apply(write);
          if (index % 3 == 0 && !opened->log->prepare_spare()) break;
          if (!opened->log->write(std::span(&write, 1)) || !opened->log->sync()) break;
          synced = maybe;
        }
      }
      fs.crash();
      auto again = SegmentedLog::open(fs, "log", kSmall);
      ASSERT_TRUE(again) << acts << " " << seed << ": " << again.error().message;
      const LogContent found = content_of(*again->log, again->recovered);
      EXPECT_TRUE(found == synced || found == maybe) << acts << " " << seed;
    }
  }
}

// A batch that was seen at an opening may have been counted on; it must not vanish afterwards.
TEST(LogCrash, WhatWasRecoveredIsDurable) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimFileSystem fs(seed);
    KeptLog kept(fs);
    kept.append(1, 1, 1);
    kept.write_unsynced({KeptLog::entries(2, 2, 1)});
    kept.reopen();  // the process ended, the power did not
    fs.crash();
    kept.reopen();
  }
}

}  // namespace
}  // namespace holdfast
