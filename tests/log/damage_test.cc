// Every byte of a small log is damaged or cut off, and each time the outcome is the documented
// one: never a synced batch lost in silence.

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/codec.h"
#include "tests/log/log_fixture.h"

namespace holdfast {
namespace {

using Files = std::map<std::string, std::string>;

// A log of two segments: batches of one block and of several, hard states, a cut; synced.
struct SmallLog {
  enum class Ending { kMarker, kNoMarker };

  explicit SmallLog(Ending end) : ending(end) {
    SimFileSystem fs(1);
    KeptLog kept(fs);
    const auto keep = [&](LogWrite write) {
      kept.keep({std::move(write)});
      batch_at.push_back(kept.kept());
    };
    keep({.ticket = {1},
          .hard_state = HardState{{2}, {9}},
          .restart_after = {},
          .cut_from = {},
          .append = {},
          .drop_before = {},
          .wanted_from = {}});
    keep(KeptLog::entries(1, 3, 2, 1500));
    keep(KeptLog::entries(4, 5, 2));
    LogWrite cut = KeptLog::entries(5, 6, 3, 1900);
    cut.cut_from = LogIndex{5};
    keep(cut);
    if (end == Ending::kMarker) {
      EXPECT_TRUE(kept.log().write_marker());
    }
    files = fs.files();
    EXPECT_EQ(files.size(), 2u);
  }

  const LogContent& all() const { return batch_at.back(); }
  const LogContent& all_but_the_last() const { return batch_at.at(batch_at.size() - 2); }

  Ending ending;
  Files files;
  std::vector<LogContent> batch_at;  // the content after each batch
};

struct Outcome {
  std::optional<Error> error;
  LogContent content;
  std::optional<TornTail> torn_tail;
  bool files_changed;
};

Outcome open_with(const Files& files) {
  SimFileSystem fs(1);
  for (const auto& [path, bytes] : files) fs.place(path, bytes);
  auto opened = SegmentedLog::open(fs, "log", kSmall);
  Outcome outcome{};
  outcome.files_changed = fs.files() != files;
  if (opened) {
    outcome.content = content_of(*opened->log, opened->recovered);
    outcome.torn_tail = opened->recovered.torn_tail;
  } else {
    outcome.error = opened.error();
  }
  return outcome;
}

void expect_corrupt(const Files& files, const std::string& named, const std::string& where) {
  const Outcome outcome = open_with(files);
  ASSERT_TRUE(outcome.error) << where;
  EXPECT_EQ(outcome.error->code, ErrorCode::kCorrupt) << where;
  EXPECT_THAT(outcome.error->message, testing::HasSubstr(named)) << where;
  EXPECT_FALSE(outcome.files_changed) << where;
}

// Where the batches lie, read from the undamaged files.
struct Extent {
  uint64_t offset;
  uint64_t used_end;  // of header and records; padding follows
  uint64_t end;
};
std::vector<Extent> extents(const Files& files, uint64_t number) {
  SimFileSystem fs(1);
  for (const auto& [path, bytes] : files) fs.place(path, bytes);
  const auto segment = Segment::open(fs, "log", number);
  std::vector<Extent> all;
  uint64_t at = kLogBlockBytes;
  for (auto batch = *segment->read_batch(at); batch; batch = *segment->read_batch(at)) {
    all.push_back({at, at + BatchHeader::kBytes + batch->header.body_bytes, batch->end()});
    at = batch->end();
  }
  return all;
}

// Flips a bit of each byte of `path` and compares with what `expected` says of that byte.
enum class Expected { kUnharmed, kTornNothingLost, kTornLastLost, kCorrupt };
void flip_every_byte(const SmallLog& log, const std::string& path,
                     const std::function<Expected(uint64_t)>& expected) {
  Files files = log.files;
  for (uint64_t at = 0; at < kSmallSegment; ++at) {
    const std::string where = path + " byte " + std::to_string(at);
    char& byte = files.at(path).at(at);
    const char was = byte;
    byte = static_cast<char>(was ^ (1 << (at % 8)));
    const Expected want = expected(at);
    if (want == Expected::kCorrupt) {
      expect_corrupt(files, path, where);
    } else {
      const Outcome outcome = open_with(files);
      ASSERT_FALSE(outcome.error) << where << ": " << outcome.error->message;
      const bool lost = want == Expected::kTornLastLost;
      EXPECT_EQ(outcome.content, lost ? log.all_but_the_last() : log.all()) << where;
      EXPECT_EQ(outcome.torn_tail.has_value(), want != Expected::kUnharmed) << where;
      EXPECT_EQ(outcome.torn_tail ? outcome.torn_tail->file : path, path) << where;
    }
    byte = was;
    if (testing::Test::HasFailure()) return;
  }
}

bool in_segment_header(uint64_t at) {
  return at < 72;
}

TEST(LogDamage, AFlippedByteInAnEarlierSegmentIsCorruption) {
  const SmallLog log(SmallLog::Ending::kNoMarker);
  const std::vector<Extent> batches = extents(log.files, 1);
  ASSERT_GE(batches.size(), 2u);
  flip_every_byte(log, kFirst, [&](uint64_t at) {
    const bool hit = std::ranges::any_of(
        batches, [&](const Extent& b) { return at >= b.offset && at < b.used_end; });
    return hit || in_segment_header(at) ? Expected::kCorrupt : Expected::kUnharmed;
  });
}

TEST(LogDamage, AFlippedByteInTheLastSegmentWithoutMarker) {
  const SmallLog log(SmallLog::Ending::kNoMarker);
  const std::vector<Extent> batches = extents(log.files, 2);
  ASSERT_EQ(batches.size(), 2u);
  flip_every_byte(log, kSecond, [&](uint64_t at) {
    if (in_segment_header(at)) return Expected::kCorrupt;
    if (at >= batches[0].offset && at < batches[0].used_end) return Expected::kCorrupt;
    // Nothing behind it tells whether it had been synced.
    if (at >= batches[1].offset && at < batches[1].used_end) return Expected::kTornLastLost;
    return at < batches[1].end ? Expected::kUnharmed : Expected::kTornNothingLost;
  });
}

TEST(LogDamage, AFlippedByteInTheLastSegmentWithMarker) {
  const SmallLog log(SmallLog::Ending::kMarker);
  std::vector<Extent> batches = extents(log.files, 2);
  ASSERT_EQ(batches.size(), 3u);
  const Extent marker = batches.back();
  batches.pop_back();
  flip_every_byte(log, kSecond, [&](uint64_t at) {
    const bool hit = std::ranges::any_of(
        batches, [&](const Extent& b) { return at >= b.offset && at < b.used_end; });
    if (hit || in_segment_header(at)) return Expected::kCorrupt;
    const bool marker_hit = at >= marker.offset && at < marker.used_end;
    return marker_hit || at >= marker.end ? Expected::kTornNothingLost : Expected::kUnharmed;
  });
}

TEST(LogDamage, AFileCutShortAnywhereIsCorruption) {
  const SmallLog log(SmallLog::Ending::kMarker);
  for (const std::string& path : {kFirst, kSecond}) {
    Files files = log.files;
    for (uint64_t bytes = kSmallSegment; bytes-- > 0;) {
      files.at(path).resize(bytes);
      expect_corrupt(files, path, path + " cut at " + std::to_string(bytes));
      if (testing::Test::HasFailure()) return;
    }
  }
}

// The last batch was being written and only its first bytes arrived.
void write_every_prefix(SmallLog::Ending ending) {
  const SmallLog log(ending);
  SimFileSystem fs(1);
  for (const auto& [path, bytes] : log.files) fs.place(path, bytes);
  auto opened = SegmentedLog::open(fs, "log", kSmall);
  ASSERT_TRUE(opened);
  const LogWrite write = KeptLog::entries(7, 9, 3, 30);
  ASSERT_TRUE(opened->log->write(std::span(&write, 1)));
  const std::string after = fs.files().at(kSecond);
  const std::string before = log.files.at(kSecond);
  LogContent with = log.all();
  with.apply(write);
  const auto [first, unused] = std::ranges::mismatch(before, after);
  const uint64_t start =
      static_cast<uint64_t>(first - before.begin()) / kLogBlockBytes * kLogBlockBytes;
  const uint64_t used = BatchHeader::kBytes + 3 * (kRecordHeaderBytes + 30);
  for (uint64_t arrived = 0; arrived <= used; ++arrived) {
    Files files = log.files;
    files.at(kSecond).replace(start, arrived, after, start, arrived);
    const Outcome outcome = open_with(files);
    ASSERT_FALSE(outcome.error) << arrived << ": " << outcome.error->message;
    EXPECT_EQ(outcome.content, arrived == used ? with : log.all()) << arrived;
    if (testing::Test::HasFailure()) return;
  }
}

TEST(LogDamage, AnUnsyncedBatchCutAnywhereIsDroppedWhole) {
  write_every_prefix(SmallLog::Ending::kNoMarker);
  write_every_prefix(SmallLog::Ending::kMarker);
}

TEST(LogDamage, ATornTailIsReportedOnceAndClearedAway) {
  SmallLog log(SmallLog::Ending::kNoMarker);
  const Extent last = extents(log.files, 2).back();
  log.files.at(kSecond).at(last.offset + 40) ^= 1;
  SimFileSystem fs(1);
  for (const auto& [path, bytes] : log.files) fs.place(path, bytes);
  const auto first = SegmentedLog::open(fs, "log", kSmall);
  ASSERT_TRUE(first && first->recovered.torn_tail);
  EXPECT_EQ(first->recovered.torn_tail->offset, last.offset);
  EXPECT_EQ(first->recovered.torn_tail->bytes, last.end - last.offset);
  fs.crash();  // what opening changed is durable
  const auto second = SegmentedLog::open(fs, "log", kSmall);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->recovered.torn_tail);
}

// Entries from index 2 on, of the given terms, each in a block of its own; the first one's block
// holds the batch's header as well.
LogWrite entries_in_blocks(const std::vector<uint64_t>& terms) {
  LogWrite write{};
  for (const uint64_t term : terms) {
    const size_t header_bytes = write.append.empty() ? BatchHeader::kBytes : 0;
    write.append.push_back(make_entry(write.append.size() + 2, term,
                                      kLogBlockBytes - kRecordHeaderBytes - header_bytes));
  }
  return write;
}

// The first segment after `write` over the log in `bytes`, unsynced.
std::string written_over(const std::string& bytes, const LogWrite& write) {
  SimFileSystem fs(1);
  fs.place(kFirst, bytes);
  const auto opened = SegmentedLog::open(fs, "log", kSmall);
  EXPECT_TRUE(opened && opened->log->write(std::span(&write, 1)));
  return fs.files().at(kFirst);
}

const SegmentedLog::Options kLarger{.segment_bytes = 16 * kLogBlockBytes, .salt = 5};

// Every mixture, block by block, of a batch of terms 1 and one of `terms` written at its place.
void mix_batches(const std::vector<uint64_t>& terms) {
  SimFileSystem fs(1);
  KeptLog kept(fs, kLarger);
  kept.append(1, 1, 1);
  const std::string before = fs.files().at(kFirst);
  const std::string torn = written_over(before, entries_in_blocks({1, 1, 1}));
  const std::string over = written_over(before, entries_in_blocks(terms));
  const uint64_t start = 2 * kLogBlockBytes;
  for (int mixture = 0; mixture < 8; ++mixture) {
    std::string mixed = torn;
    for (uint64_t block = 0; block < 3; ++block) {
      const uint64_t at = start + block * kLogBlockBytes;
      if ((mixture >> block & 1) != 0) mixed.replace(at, kLogBlockBytes, over, at, kLogBlockBytes);
    }
    const Outcome outcome = open_with({{kFirst, mixed}});
    ASSERT_FALSE(outcome.error) << outcome.error->message;
    const bool pure = mixture == 0 || mixture == 7;
    EXPECT_EQ(outcome.content.entries.size(), pure ? 4u : 1u) << mixture;
    EXPECT_EQ(outcome.torn_tail.has_value(), !pure) << mixture;
  }
}

TEST(LogDamage, AMixtureOfTwoBatchesIsNoBatch) {
  mix_batches({2, 2, 2});
  mix_batches({1, 2, 2});  // the first record is the same, and the header says what follows it
}

TEST(LogDamage, WhatATornBatchLeftBehindAShorterOneIsNotPartOfTheLog) {
  SimFileSystem fs(1);
  KeptLog kept(fs, kLarger);
  kept.append(1, 1, 1);
  const uint64_t start = 2 * kLogBlockBytes;
  const std::string torn = written_over(fs.files().at(kFirst), entries_in_blocks({1, 1, 1}));
  std::string headless = torn;
  headless.replace(start, kLogBlockBytes, kLogBlockBytes, '\0');
  std::string shorter = written_over(headless, KeptLog::entries(2, 2, 3, 10));
  // As if the clearing had never reached the disk.
  const uint64_t behind = start + kLogBlockBytes;
  shorter.replace(behind, 2 * kLogBlockBytes, torn, behind, 2 * kLogBlockBytes);
  const Outcome outcome = open_with({{kFirst, shorter}});
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  ASSERT_EQ(outcome.content.entries.size(), 2u);
  EXPECT_EQ(outcome.content.entries.back().term, Term{3});
}

TEST(LogDamage, ALengthBeyondTheFileIsNotBelieved) {
  const SmallLog log(SmallLog::Ending::kNoMarker);
  for (const uint64_t body_bytes : {2 * kSmallSegment, uint64_t{1} << 60, UINT64_MAX}) {
    std::string place;
    put_fixed(place, kSmall.salt);
    put_fixed(place, uint64_t{2});
    put_fixed(place, extents(log.files, 2).back().end);
    std::string header = "BTCH";
    put_fixed(header, uint32_t{1});
    put_fixed(header, body_bytes);
    put_fixed(header, uint64_t{0});
    put_fixed(header, checksum(header, checksum(place)));
    Files files = log.files;
    files.at(kSecond).replace(extents(log.files, 2).back().end, header.size(), header);
    const Outcome outcome = open_with(files);
    ASSERT_FALSE(outcome.error) << outcome.error->message;
    EXPECT_EQ(outcome.content, log.all());
    EXPECT_TRUE(outcome.torn_tail);
  }
}

TEST(LogDamage, AFileOfAnotherPlaceOrAnotherLogNeverPasses) {
  const SmallLog log(SmallLog::Ending::kNoMarker);
  // A file under another's name.
  expect_corrupt({{kFirst, log.files.at(kFirst)}, {kSecond, log.files.at(kFirst)}}, kSecond,
                 "renamed");
  // The same file of another log.
  SimFileSystem fs(1);
  KeptLog other(fs, {.segment_bytes = kSmallSegment, .salt = 78});
  other.append(1, 3, 2, 3000);
  other.append(4, 5, 2, 3000);
  expect_corrupt({{kFirst, log.files.at(kFirst)}, {kSecond, fs.files().at(kSecond)}}, kSecond,
                 "another log");
  // Another file's batches, under a header of the right place: as if a file had been used before.
  const auto reused = [&](const std::string& batches) {
    std::string bytes = log.files.at(kSecond).substr(0, kLogBlockBytes);
    return bytes + batches.substr(kLogBlockBytes);
  };
  for (const std::string& batches : {log.files.at(kFirst), fs.files().at(kSecond)}) {
    const Outcome outcome = open_with({{kFirst, log.files.at(kFirst)}, {kSecond, reused(batches)}});
    ASSERT_FALSE(outcome.error) << outcome.error->message;
    EXPECT_EQ(outcome.content, log.batch_at.at(1));
    EXPECT_TRUE(outcome.torn_tail);
  }
}

TEST(LogDamage, ABatchAtAnotherOffsetNeverPasses) {
  SmallLog log(SmallLog::Ending::kNoMarker);
  const Extent first = extents(log.files, 2).front();
  const Extent last = extents(log.files, 2).back();
  ASSERT_EQ(first.end - first.offset, kLogBlockBytes);
  std::string& bytes = log.files.at(kSecond);
  bytes.replace(last.offset, kLogBlockBytes, bytes, first.offset, kLogBlockBytes);
  const Outcome outcome = open_with(log.files);
  ASSERT_FALSE(outcome.error);
  EXPECT_EQ(outcome.content, log.all_but_the_last());
}

TEST(LogDamage, AMissingSegmentIsCorruption) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  while (kept.log().segment() < 4) {
    const uint64_t next = kept.kept().entries.size() + 1;
    kept.append(next, next, 1, 3000);
  }
  for (const uint64_t missing : {uint64_t{2}, uint64_t{3}}) {
    Files files = fs.files();
    const std::string path = segment_path("log", missing);
    files.erase(path);
    expect_corrupt(files, path, path);
  }
  // The oldest may have been dropped: whoever opens the log sees where it begins.
  Files files = fs.files();
  files.erase(segment_path("log", 1));
  const Outcome outcome = open_with(files);
  ASSERT_FALSE(outcome.error);
  EXPECT_NE(outcome.content.before, LogPosition{});
}

// A segment's bytes, as another version would have written their header.
void set_version(std::string& bytes, char version) {
  bytes[8] = version;
  const uint64_t sum = checksum(std::string_view(bytes).substr(0, 64));
  bytes.replace(64, sizeof sum, reinterpret_cast<const char*>(&sum), sizeof sum);
}

TEST(LogDamage, AnOlderFormatIsRead) {
  const SmallLog log(SmallLog::Ending::kNoMarker);
  Files files = log.files;
  set_version(files.at(kSecond), 1);  // the only one so far
  EXPECT_FALSE(open_with(files).error);
}

TEST(LogDamage, ANewerFormatIsRefusedAndNotTakenForDamage) {
  const SmallLog log(SmallLog::Ending::kNoMarker);
  Files files = log.files;
  set_version(files.at(kSecond), 2);
  const Outcome outcome = open_with(files);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::kInvalid);
  EXPECT_THAT(outcome.error->message,
              testing::HasSubstr("format version 2, and this program reads versions up to 1: start "
                                 "the newer program that wrote it"));
  EXPECT_THAT(outcome.error->message, testing::HasSubstr(kSecond));
  EXPECT_FALSE(outcome.files_changed);
}

TEST(LogDamage, TheMessageSaysWhereAndAfterWhichEntry) {
  SmallLog log(SmallLog::Ending::kMarker);
  const Extent batch = extents(log.files, 2).front();
  log.files.at(kSecond).at(batch.offset + 50) ^= 1;
  const Outcome outcome = open_with(log.files);
  ASSERT_TRUE(outcome.error);
  EXPECT_THAT(outcome.error->message, testing::HasSubstr("at byte 4096, after entry 3"));
}

}  // namespace
}  // namespace holdfast
