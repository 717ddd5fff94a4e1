#include "storage/log/segmented_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/log/log_fixture.h"

namespace holdfast {
namespace {

LogWrite hard_state(uint64_t term, uint64_t vote) {
  return {.ticket = {1},
          .hard_state = HardState{{term}, {vote}},
          .restart_after = {},
          .cut_from = {},
          .append = {},
          .drop_before = {},
          .wanted_from = {}};
}

LogWrite cut(uint64_t from, LogWrite write = {}) {
  write.cut_from = LogIndex{from};
  return write;
}

std::vector<uint64_t> indexes(const std::vector<EntryPtr>& entries) {
  std::vector<uint64_t> all;
  for (const EntryPtr& entry : entries) all.push_back(entry->index.value);
  return all;
}

TEST(SegmentedLog, AFreshLogIsEmptyAndSaysThatItWasMade) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  EXPECT_TRUE(kept.recovered().fresh);
  EXPECT_EQ(kept.recovered().last, (LogPosition{}));
  kept.reopen();
  EXPECT_FALSE(kept.recovered().fresh);
  EXPECT_FALSE(kept.recovered().torn_tail);
}

TEST(SegmentedLog, HoldsWhatWasWrittenOverReopening) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.keep({hard_state(3, 9)});
  kept.append(1, 3, 3);
  kept.keep({KeptLog::entries(4, 4, 4, 0), hard_state(4, 0), KeptLog::entries(5, 6, 5)});
  kept.reopen();
  EXPECT_EQ(kept.recovered().terms, (std::vector<TermRun>{{{1}, {3}}, {{4}, {4}}, {{5}, {5}}}));
  kept.append(7, 7, 5);
  kept.reopen();
}

TEST(SegmentedLog, CutsEntriesAndGoesOnFromThere) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.append(1, 5, 1);
  kept.keep({cut(4, KeptLog::entries(4, 6, 2))});
  kept.reopen();
  // Cuts and appends in one batch take effect in their order.
  kept.keep({KeptLog::entries(7, 9, 2), cut(8), KeptLog::entries(8, 8, 3),
             cut(8, KeptLog::entries(8, 10, 4))});
  kept.reopen();
  EXPECT_EQ(kept.recovered().last, (LogPosition{{4}, {10}}));
}

LogWrite restart(uint64_t term, uint64_t index, LogWrite write = {}) {
  write.restart_after = LogPosition{{term}, {index}};
  return write;
}

TEST(SegmentedLog, StartsAgainBehindAnyPosition) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.keep({hard_state(7, 2), KeptLog::entries(1, 5, 1)});
  kept.keep({restart(6, 900, KeptLog::entries(901, 903, 7))});
  kept.reopen();
  EXPECT_EQ(kept.recovered().before, (LogPosition{{6}, {900}}));
  kept.keep({cut(901)});
  kept.reopen();
  EXPECT_EQ(kept.recovered().last, (LogPosition{{6}, {900}}));
  kept.keep({KeptLog::entries(901, 902, 8), restart(8, 902), KeptLog::entries(903, 903, 8)});
  kept.reopen();
  EXPECT_EQ(kept.recovered().last, (LogPosition{{8}, {903}}));
}

TEST(SegmentedLog, GoesOverManySegments) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  for (uint64_t index = 1; index < 40; ++index) kept.append(index, index, index / 7 + 1, 1500);
  EXPECT_GT(kept.log().segment(), 10u);
  kept.reopen();
  kept.keep({cut(5, KeptLog::entries(5, 6, 9))});
  kept.reopen();
}

TEST(SegmentedLog, ABatchLargerThanASegmentGetsOneOfItsOwn) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.append(1, 1, 1);
  kept.append(2, 40, 1, 3000);
  kept.append(41, 41, 1, 5 * kSmallSegment);
  kept.append(42, 42, 1);
  EXPECT_EQ(kept.log().segment(), 4u);
  kept.reopen();
}

TEST(SegmentedLog, EverySegmentRepeatsTheHardState) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.keep({hard_state(5, 2)});
  while (kept.log().segment() < 3)
    kept.append(kept.kept().entries.size() + 1, kept.kept().entries.size() + 1, 5, 3000);
  const auto segment = Segment::open(fs, "log", 3);
  ASSERT_TRUE(segment);
  const auto batch = segment->read_batch(kLogBlockBytes);
  ASSERT_TRUE(batch && *batch);
  const auto record = (*batch)->records().next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->type, RecordType::kHardState);
  EXPECT_EQ(record->term, Term{5});
  EXPECT_EQ(record->origin.node, NodeId{2});
}

TEST(SegmentedLog, ReadsFromTheMiddleWithinBounds) {
  SimFileSystem fs(1);
  KeptLog kept(fs, {.segment_bytes = 1 << 20, .salt = 1});
  kept.append(1, 400, 1, 2000);  // several runs in one batch
  kept.append(401, 402, 2, 10);
  const auto read = [&](uint64_t first, uint64_t last, size_t bytes) {
    return indexes(*kept.log().read(
        {.destination = {1}, .first = {first}, .last = {last}, .bytes_max = bytes}));
  };
  EXPECT_THAT(read(399, 402, 1 << 20), testing::ElementsAre(399, 400, 401, 402));
  EXPECT_THAT(read(399, 401, 1 << 20), testing::ElementsAre(399, 400, 401));
  EXPECT_THAT(read(200, 402, 1), testing::ElementsAre(200));
  EXPECT_THAT(read(200, 402, 2 * 2080), testing::ElementsAre(200, 201));
  EXPECT_THAT(read(200, 402, 2 * 2080 - 1), testing::ElementsAre(200));
  EXPECT_EQ(read(1, 402, SIZE_MAX).size(), 402u);
  EXPECT_THAT(read(402, 999, 1 << 20), testing::ElementsAre(402));
  const auto beyond =
      kept.log().read({.destination = {1}, .first = {403}, .last = {403}, .bytes_max = 1});
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::kNotFound);
}

TEST(SegmentedLog, ReadsTheNewEntriesWhereOldOnesWereCut) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.append(1, 6, 1);
  kept.keep({cut(3, KeptLog::entries(3, 6, 2))});
  const auto all =
      kept.log().read({.destination = {1}, .first = {1}, .last = {6}, .bytes_max = SIZE_MAX});
  ASSERT_TRUE(all);
  std::vector<uint64_t> terms;
  for (const EntryPtr& entry : *all) terms.push_back(entry->term.value);
  EXPECT_THAT(terms, testing::ElementsAre(1, 1, 2, 2, 2, 2));
}

TEST(SegmentedLog, DamageThatComesLaterIsSeenWhenItIsRead) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.append(1, 3, 1);
  std::string bytes = fs.files().at("log/segment-0000000000000001.log");
  bytes[kLogBlockBytes + BatchHeader::kBytes + kRecordHeaderBytes + 5] ^= 1;
  const auto file = fs.open("log/segment-0000000000000001.log");
  ASSERT_TRUE((*file)->write_at(0, bytes));
  const auto read =
      kept.log().read({.destination = {1}, .first = {1}, .last = {3}, .bytes_max = 1 << 20});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().message, testing::HasSubstr("segment-0000000000000001.log"));
}

TEST(SegmentedLog, ASpareIsTakenForTheNextSegment) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  EXPECT_FALSE(kept.log().wants_spare());
  kept.append(1, 1, 1, 3000);
  EXPECT_TRUE(kept.log().wants_spare());
  ASSERT_TRUE(kept.log().prepare_spare());
  ASSERT_TRUE(kept.log().prepare_spare());  // there is one already
  EXPECT_TRUE(fs.files().contains("log/spare.log"));
  kept.append(2, 4, 1, 4000);
  EXPECT_EQ(kept.log().segment(), 2u);
  EXPECT_FALSE(fs.files().contains("log/spare.log"));
  ASSERT_TRUE(kept.log().prepare_spare());
  kept.reopen();
  EXPECT_TRUE(fs.files().contains("log/spare.log"));
}

TEST(SegmentedLog, ASpareOfAnotherSizeIsThrownAway) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  fs.place("log/spare.log", std::string(8 * kSmallSegment, '\0'));
  kept.append(1, 1, 1, 2 * kLogBlockBytes + 2000);
  kept.append(2, 2, 1, 3000);
  EXPECT_EQ(kept.log().segment(), 2u);
  EXPECT_EQ(fs.files().at("log/segment-0000000000000002.log").size(), kSmallSegment);
  EXPECT_FALSE(fs.files().contains("log/spare.log"));
}

TEST(SegmentedLog, FilesThatWereBeingMadeAreRemoved) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.append(1, 1, 1);
  fs.place("log/spare.log.new", "half");
  fs.place("log/segment-0000000000000002.log.new", "half");
  kept.reopen();
  EXPECT_EQ(fs.files().size(), 1u);
}

TEST(SegmentedLog, AMarkerIsOverwrittenByTheNextBatch) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.append(1, 1, 1);
  ASSERT_TRUE(kept.log().write_marker());
  kept.reopen();
  kept.append(2, 2, 1);
  ASSERT_TRUE(kept.log().write_marker());
  kept.append(3, 3, 1, 10);  // fills the segment: the marker after it begins the next
  ASSERT_TRUE(kept.log().write_marker());
  EXPECT_EQ(kept.log().segment(), 2u);
  kept.reopen();
  kept.append(4, 4, 1);
  kept.reopen();
  EXPECT_FALSE(kept.recovered().torn_tail);
}

TEST(SegmentedLog, NothingToWriteIsNoBatch) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.append(1, 1, 1);
  const auto before = fs.files();
  kept.keep({LogWrite{}});
  EXPECT_EQ(fs.files(), before);
  kept.reopen();
}

TEST(SegmentedLog, ALookChangesNothingNotEvenATornTail) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.keep({hard_state(3, 9)});
  kept.append(1, 3, 3);
  const std::string path = segment_path("log", 1);
  std::string bytes = fs.files().at(path);
  bytes[3 * kLogBlockBytes] = 'x';  // behind the two batches: a write that did not end
  fs.place(path, bytes);
  fs.place("log/segment-0000000000000002.log.new", "being made");
  const auto before = fs.files();

  const auto opened = SegmentedLog::open_to_read(fs, "log");
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->recovered.torn_tail);
  EXPECT_EQ(content_of(*opened->log, opened->recovered), kept.kept());
  EXPECT_EQ(fs.files(), before);
}

TEST(SegmentedLog, ALookMakesNoLog) {
  SimFileSystem fs(1);
  const auto opened = SegmentedLog::open_to_read(fs, "log");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(fs.files().empty());
}

TEST(SegmentedLogDeathTest, TwoBatchesWithoutASyncBetweenAreRefused) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.write_unsynced({KeptLog::entries(1, 1, 1)});
  EXPECT_DEATH(kept.write_unsynced({KeptLog::entries(2, 2, 1)}), "before the one before it");
  EXPECT_DEATH((void)kept.log().write_marker(), "before the batch that it vouches for");
}

}  // namespace
}  // namespace holdfast
