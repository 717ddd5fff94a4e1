// Which segments a log gives up, and when.

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/log/log_fixture.h"

namespace holdfast {
namespace {

LogWrite hard_state() {
  LogWrite write{};
  write.hard_state = HardState{{3}, {9}};
  return write;
}

// The files that hold entries of `log`'s directory, by number.
std::vector<std::string> segments(const SimFileSystem& fs) {
  std::vector<std::string> names = *fs.list("log");
  std::erase_if(names, [](const std::string& name) { return !name.starts_with("segment-"); });
  return names;
}

TEST(LetGo, WholeSegmentsThatNobodyNeeds) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.keep({hard_state()});
  for (uint64_t index = 1; index < 40; ++index) kept.append(index, index, index / 7 + 1, 1500);
  const size_t before = segments(fs).size();
  EXPECT_TRUE(kept.let_go(1).empty());
  const std::vector<std::string> files = kept.let_go(20);
  EXPECT_GT(files.size(), 2U);
  ASSERT_TRUE(kept.log().remove(files));
  EXPECT_EQ(segments(fs).size(), before - files.size());
  EXPECT_EQ(kept.log().read({{1}, {1}, {40}, 1000}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(kept.log().read({{1}, {20}, {20}, 1000})->front()->index, LogIndex{20});
  kept.reopen();
  EXPECT_GT(kept.recovered().before.index, LogIndex{10});
  EXPECT_LT(kept.recovered().before.index, LogIndex{20});
  kept.append(40, 40, 9);
  // All of it may go but the segment that is written now, which has the hard state.
  ASSERT_TRUE(kept.log().remove(kept.let_go(1000)));
  EXPECT_EQ(segments(fs).size(), 1U);
  kept.reopen();
  EXPECT_EQ(kept.recovered().hard_state, (HardState{{3}, {9}}));
  EXPECT_EQ(kept.recovered().last, (LogPosition{{9}, {40}}));
}

// Holds a hard state and an entry in a first segment that is exactly full: the marker begins the
// next one, which has no batch.
void fill_one_segment(KeptLog& kept) {
  kept.keep({hard_state()});
  const size_t rest = kSmallSegment - 2 * kLogBlockBytes;
  kept.append(1, 1, 1, rest - BatchHeader::kBytes - 2 * kRecordHeaderBytes);
  ASSERT_TRUE(kept.log().write_marker());
  ASSERT_EQ(kept.log().segment(), 2U);
}

TEST(LetGo, ASegmentWithoutABatchDoesNotHoldTheHardStateAlone) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  fill_one_segment(kept);
  EXPECT_TRUE(kept.let_go(1000).empty());
}

TEST(LetGo, NorDoTwoSegmentsWithoutABatch) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  fill_one_segment(kept);
  // A batch larger than the second begins a third, and the power fails before it is synced.
  const LogWrite lost = KeptLog::entries(2, 2, 1, 2 * kSmallSegment);
  ASSERT_TRUE(kept.log().write(std::span(&lost, 1)));
  ASSERT_EQ(kept.log().segment(), 3U);
  const std::string path = segment_path("log", 3);
  std::string bytes = fs.files().at(path);
  std::fill(bytes.begin() + kLogBlockBytes, bytes.end(), '\0');
  fs.place(path, bytes);
  kept.reopen();
  EXPECT_TRUE(kept.let_go(1000).empty());
}

TEST(LetGo, ACutIsUnderstoodWithoutTheSegmentThatItCuts) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  for (uint64_t index = 1; index < 20; ++index) kept.append(index, index, 2, 1500);
  LogWrite cut = KeptLog::entries(11, 12, 3, 3000);
  cut.cut_from = LogIndex{11};
  kept.keep({cut});
  for (uint64_t index = 13; index < 20; ++index) kept.append(index, index, 3, 1500);
  // Entry 10 went with its segment, so the cut comes where nothing is left to be cut.
  ASSERT_TRUE(kept.log().remove(kept.let_go(11)));
  kept.reopen();
  EXPECT_EQ(kept.recovered().before, (LogPosition{{2}, {10}}));
  EXPECT_EQ(kept.recovered().terms, (std::vector<TermRun>{{{11}, {3}}}));
}

// Twenty full segments, three entries each: 1 to 3 in the first one.
constexpr uint64_t kSegments = 20;
constexpr uint64_t kEntries = 3 * kSegments;

SegmentedLog::Options keeping(uint64_t segments) {
  SegmentedLog::Options options = kSmall;
  options.keep_bytes = segments * kSmallSegment;
  return options;
}

void fill(KeptLog& kept) {
  for (uint64_t index = 1; index <= kEntries; ++index) kept.append(index, index, 1, 3000);
  ASSERT_EQ(kept.log().segment(), kSegments);
}

// How many of the twenty are given up.
size_t let_go_of(uint64_t keep_segments, uint64_t drop_before, uint64_t wanted_from) {
  SimFileSystem fs(1);
  KeptLog kept(fs, keeping(keep_segments));
  fill(kept);
  const std::vector<std::string> files = kept.let_go(drop_before, wanted_from);
  EXPECT_TRUE(kept.let_go(drop_before, wanted_from).empty()) << "once is enough";
  EXPECT_TRUE(kept.log().remove(files));
  kept.reopen();
  EXPECT_EQ(kept.recovered().before.index, LogIndex{3 * files.size()});
  return files.size();
}

constexpr uint64_t kAll = 1000;  // beyond the log
constexpr uint64_t kNobody = 0;

TEST(LetGo, TheNewestLogStaysUpToTheLimit) {
  EXPECT_EQ(let_go_of(0, kAll, kNobody), 19u);
  EXPECT_EQ(let_go_of(1, kAll, kNobody), 19u);
  EXPECT_EQ(let_go_of(4, kAll, kNobody), 16u);
  EXPECT_EQ(let_go_of(19, kAll, kNobody), 1u);
  EXPECT_EQ(let_go_of(20, kAll, kNobody), 0u);
  EXPECT_EQ(let_go_of(UINT64_MAX / kSmallSegment, kAll, kNobody), 0u);
}

TEST(LetGo, NothingThatTheStateMayStillNeed) {
  EXPECT_EQ(let_go_of(0, 0, kNobody), 0u);
  EXPECT_EQ(let_go_of(0, 3, kNobody), 0u);
  EXPECT_EQ(let_go_of(0, 4, kNobody), 1u);
  EXPECT_EQ(let_go_of(4, 20, kNobody), 6u);
  EXPECT_EQ(let_go_of(4, 20, 50), 6u);
}

TEST(LetGo, WhatAFollowerReadsStaysUpToFourTimesTheLimit) {
  EXPECT_EQ(let_go_of(4, kAll, 25), 8u) << "entry 25 is the first of the ninth";
  EXPECT_EQ(let_go_of(4, kAll, 27), 8u);
  EXPECT_EQ(let_go_of(4, kAll, 58), 16u) << "the limit holds for what nobody reads";
  EXPECT_EQ(let_go_of(4, kAll, kAll), 16u);
  EXPECT_EQ(let_go_of(4, kAll, 13), 4u);
  EXPECT_EQ(let_go_of(4, kAll, 12), 4u) << "too far behind: sixteen segments are enough";
  EXPECT_EQ(let_go_of(4, kAll, 1), 4u);
  EXPECT_EQ(let_go_of(0, kAll, 1), 19u);
}

TEST(LetGo, AsTheLogGrowsItsOldestPartGoes) {
  SimFileSystem fs(1);
  KeptLog kept(fs, keeping(4));
  for (uint64_t index = 1; index <= kEntries; ++index) {
    LogWrite write = KeptLog::entries(index, index, 1, 3000);
    write.drop_before = {index};
    kept.keep({write});
    ASSERT_TRUE(kept.log().remove(kept.log().let_go()));
    EXPECT_LE(segments(fs).size(), 5u);
    if (index % 7 == 0) kept.reopen();
  }
  EXPECT_EQ(segments(fs).size(), 4u);
  kept.reopen();
}

TEST(LetGo, TheSizesAreKnownAfterAStart) {
  SimFileSystem fs(1);
  KeptLog kept(fs, keeping(4));
  fill(kept);
  kept.reopen();
  EXPECT_EQ(kept.let_go(kAll, kNobody).size(), 16u);
}

TEST(LetGo, WhatIsVoidGoesAtOnce) {
  SimFileSystem fs(1);
  KeptLog kept(fs, keeping(kSegments));
  fill(kept);
  LogWrite restart = KeptLog::entries(501, 501, 2);
  restart.restart_after = LogPosition{{2}, {500}};
  kept.keep({restart});
  ASSERT_TRUE(kept.log().remove(kept.log().let_go()));
  EXPECT_EQ(segments(fs).size(), 1u);
  kept.reopen();
  EXPECT_EQ(kept.recovered().before, (LogPosition{{2}, {500}}));
}

TEST(LetGo, ACrashBetweenRemovalsLeavesNoGap) {
  constexpr size_t kFiles = 16;
  size_t partly = 0;
  for (uint64_t acts = 0; acts <= 2 * kFiles; ++acts) {
    for (const bool power_fails : {false, true}) {
      SCOPED_TRACE(testing::Message() << acts << " acts, power fails: " << power_fails);
      SimFileSystem fs(acts + 1);
      KeptLog kept(fs, keeping(4));
      fill(kept);
      const std::vector<std::string> files = kept.let_go(kAll, kNobody);
      ASSERT_EQ(files.size(), kFiles);
      fs.lose_power_after(acts);
      EXPECT_EQ(kept.log().remove(files).has_value(), acts == 2 * kFiles);
      if (power_fails) fs.crash();
      fs.lose_power_after(UINT64_MAX);
      kept.reopen();
      EXPECT_EQ(kept.recovered().last.index, LogIndex{kEntries});
      const size_t left = segments(fs).size();
      if (left > 4 && left < kSegments) ++partly;
      // What stayed is found, and let go again.
      EXPECT_EQ(kept.let_go(kAll, kNobody).size(), left - 4);
    }
  }
  EXPECT_GT(partly, 20u);
}

}  // namespace
}  // namespace holdfast
