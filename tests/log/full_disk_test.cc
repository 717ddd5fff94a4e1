// The log on a disk that others fill.

#include <gtest/gtest.h>

#include "tests/log/log_fixture.h"

namespace holdfast {
namespace {

uint64_t used(const SimFileSystem& fs) {
  uint64_t bytes = 0;
  for (const auto& [path, content] : fs.files()) bytes += content.size();
  return bytes;
}

// Entries until the current segment is full, one batch each.
uint64_t fill_segment(KeptLog& kept, uint64_t next) {
  for (const uint64_t segment = kept.log().segment(); kept.log().segment() == segment; ++next)
    kept.append(next, next, 1, 1000);
  return next;
}

TEST(FullDisk, AWriteFailsWhereNobodyMakesRoom) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  fs.limit(used(fs) + kLogBlockBytes);
  Result<> written;
  for (uint64_t index = 1; written; ++index) {
    const std::vector<LogWrite> writes{KeptLog::entries(index, index, 1, 1000)};
    written = kept.log().write(writes);
    ASSERT_TRUE(!written || kept.log().sync());
  }
  EXPECT_EQ(written.error().code, ErrorCode::kNoSpace);
}

TEST(FullDisk, ASegmentIsMadeWhenThereIsRoomForIt) {
  SimFileSystem fs(1);
  int asked = 0;
  SegmentedLog::Options options = kSmall;
  options.make_room = [&] {
    if (++asked == 3) fs.limit(UINT64_MAX);
    return true;
  };
  KeptLog kept(fs, options);
  fs.limit(used(fs) + kLogBlockBytes);
  const uint64_t next = fill_segment(kept, 1);
  EXPECT_EQ(asked, 3);
  kept.append(next, next, 1);
  kept.reopen();
  EXPECT_EQ(kept.recovered().last.index, LogIndex{next});
  const std::vector<std::string> names = *fs.list("log");
  for (const std::string& name : names) EXPECT_FALSE(name.ends_with(".new")) << name;
}

TEST(FullDisk, ACrashWhileThereIsNoRoomLosesNothing) {
  SimFileSystem fs(1);
  SegmentedLog::Options options = kSmall;
  options.make_room = [] { return false; };
  KeptLog kept(fs, options);
  kept.append(1, 3, 1);
  fs.limit(used(fs) + kLogBlockBytes);
  uint64_t index = 4;
  for (; kept.log().segment() == 1; ++index) {
    const std::vector<LogWrite> writes{KeptLog::entries(index, index, 1, 1000)};
    if (!kept.log().write(writes)) break;
    ASSERT_TRUE(kept.log().sync());
  }
  fs.crash();
  const auto opened = SegmentedLog::open(fs, "log", options);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->recovered.last.index, LogIndex{index - 1});
}

TEST(FullDisk, HalfASpareDoesNotStay) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  fs.limit(used(fs) + 2 * kLogBlockBytes);
  const Result<> made = kept.log().prepare_spare();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(fs.space("log")->free, 2 * kLogBlockBytes);
  fs.limit(UINT64_MAX);
  EXPECT_TRUE(kept.log().prepare_spare());
}

TEST(FullDisk, HalfASegmentDoesNotStayWhileRoomIsWaitedFor) {
  SimFileSystem fs(1);
  uint64_t free_meanwhile = 0;
  SegmentedLog::Options options = kSmall;
  options.make_room = [&] {
    free_meanwhile = fs.space("log")->free;
    fs.limit(UINT64_MAX);
    return true;
  };
  KeptLog kept(fs, options);
  fs.limit(used(fs) + 2 * kLogBlockBytes);
  fill_segment(kept, 1);
  EXPECT_EQ(free_meanwhile, 2 * kLogBlockBytes);
}

TEST(FullDisk, AThriftyLogKeepsNothingForOthers) {
  SimFileSystem fs(1);
  SegmentedLog::Options options = kSmall;
  options.keep_bytes = 100 * kSmallSegment;
  KeptLog kept(fs, options);
  uint64_t next = 1;
  for (int i = 0; i < 5; ++i) next = fill_segment(kept, next);
  EXPECT_TRUE(kept.let_go(next, 1).empty());
  kept.log().be_thrifty(true);
  ASSERT_TRUE(kept.log().remove(kept.let_go(next, 1)));
  EXPECT_EQ(fs.list("log")->size(), 1U);
  EXPECT_FALSE(kept.log().wants_spare());
  kept.reopen();
  kept.append(next, next, 1);
}

TEST(FullDisk, AThriftyLogMakesSmallSegments) {
  SimFileSystem fs(1);
  SegmentedLog::Options options = kSmall;
  options.segment_bytes = 4 * SegmentedLog::kThriftySegmentBytes;
  KeptLog kept(fs, options);
  const uint64_t most = SegmentedLog::kThriftySegmentBytes / 2;
  kept.log().be_thrifty(true);
  uint64_t next = 1;
  const auto fill = [&] {
    for (const uint64_t segment = kept.log().segment(); kept.log().segment() == segment; ++next)
      kept.append(next, next, 1, most);
  };
  fill();
  const uint64_t before = used(fs);
  fill();
  EXPECT_EQ(used(fs) - before, SegmentedLog::kThriftySegmentBytes);
  kept.log().be_thrifty(false);
  fill();
  EXPECT_EQ(used(fs) - before, 5 * SegmentedLog::kThriftySegmentBytes);
  // A batch that is larger than that gets a segment of its own size.
  kept.log().be_thrifty(true);
  kept.append(next, next, 1, 5 * SegmentedLog::kThriftySegmentBytes);
  kept.reopen();
}

}  // namespace
}  // namespace holdfast
