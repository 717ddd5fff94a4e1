// What becomes of a damaged log whose entries others have: it ends before the damage, the node
// knows that it does, also after a power loss in the middle, and no promise of an election is lost.

#include "storage/log/quarantine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/log/log_fixture.h"

namespace holdfast {
namespace {

using Files = std::map<std::string, std::string>;

constexpr HardState kNewest{{5}, {8}};
constexpr LogIndex kNothing{0};     // is in the durable state
constexpr LogIndex kAllOfFirst{4};  // is
const std::string kNote = "log/QUARANTINE";

LogWrite vote(HardState state, LogWrite with = {}) {
  with.hard_state = state;
  return with;
}

// Two segments with elections in the middle of them, and a marker at the end.
struct VotedLog {
  VotedLog() {
    SimFileSystem fs(1);
    KeptLog kept(fs);
    const auto keep = [&](LogWrite write) {
      kept.keep({std::move(write)});
      batch_at.push_back(kept.kept());
    };
    keep(vote({{2}, {9}}));
    keep(vote({{3}, {}}, KeptLog::entries(1, 2, 3, 200)));
    keep(KeptLog::entries(3, 4, 3));
    keep(KeptLog::entries(5, 5, 3));
    keep(vote(kNewest, KeptLog::entries(6, 7, 5, 300)));
    EXPECT_TRUE(kept.log().write_marker());
    files = fs.files();
    EXPECT_EQ(files.size(), 2u);
  }
  const LogContent& all() const { return batch_at.back(); }

  Files files;
  std::vector<LogContent> batch_at;
};

void place(SimFileSystem& fs, const Files& files) {
  for (const auto& [path, bytes] : files) fs.place(path, bytes);
}

// What is left is how the log once was.
void expect_older(const VotedLog& log, const LogContent& found, const std::string& where) {
  const auto same = [&](const LogContent& then) {
    LogContent with_votes = then;
    with_votes.hard_state = kNewest;
    return with_votes == found;
  };
  const bool is_older = found == LogContent{.hard_state = kNewest, .before = {}, .entries = {}} ||
                        std::ranges::any_of(log.batch_at, same);
  EXPECT_TRUE(is_older) << where << ": " << testing::PrintToString(found);
}

struct Counts {
  int unharmed = 0;
  int mended = 0;
  int refused = 0;
};

void open_damaged(const VotedLog& log, const Files& files, const std::string& where,
                  Counts& counts) {
  SimFileSystem fs(1);
  place(fs, files);
  auto mended = open_and_mend(fs, "log", kSmall, kNothing);
  if (!mended) {
    ++counts.refused;
    EXPECT_EQ(mended.error().code, ErrorCode::kVoteLost) << where;
    EXPECT_THAT(mended.error().message, testing::HasSubstr("might vote twice")) << where;
    EXPECT_EQ(fs.files(), files) << where;
    return;
  }
  const LogContent found = content_of(*mended->opened.log, mended->opened.recovered);
  if (!mended->quarantine) {
    ++counts.unharmed;
    EXPECT_EQ(found, log.all()) << where;
    return;
  }
  ++counts.mended;
  expect_older(log, found, where);
  EXPECT_THAT(mended->quarantine->why, testing::HasSubstr("log/segment-")) << where;
  fs.crash();  // all of that is durable
  auto again = open_and_mend(fs, "log", kSmall, kNothing);
  ASSERT_TRUE(again && again->quarantine) << where;
  EXPECT_EQ(content_of(*again->opened.log, again->opened.recovered), found) << where;
}

TEST(Quarantine, AFlipOfAnyByteIsMendedOrRefusedAndForgetsNoVote) {
  const VotedLog log;
  for (const std::string& path : {kFirst, kSecond}) {
    Counts counts;
    Files files = log.files;
    for (uint64_t at = 0; at < kSmallSegment; ++at) {
      char& byte = files.at(path).at(at);
      byte = static_cast<char>(byte ^ (1 << (at % 8)));
      open_damaged(log, files, path + " byte " + std::to_string(at), counts);
      byte = log.files.at(path).at(at);
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(counts.mended, 500) << path;
    EXPECT_GT(counts.unharmed, 0) << path;
    // Of the last segment: its newest vote may be what is damaged. Before it, a later one is known.
    EXPECT_EQ(counts.refused > 0, path == kSecond) << path;
  }
}

TEST(Quarantine, ABlockThatIsAnotherIsMendedOrRefused) {
  const VotedLog log;
  Counts counts;
  for (const std::string& path : {kFirst, kSecond}) {
    for (uint64_t block = 0; block < kSmallSegment; block += kLogBlockBytes) {
      Files files = log.files;
      files.at(path).replace(block, kLogBlockBytes, kLogBlockBytes, 'Z');
      open_damaged(log, files, path + " block " + std::to_string(block), counts);
    }
  }
  EXPECT_GT(counts.mended, 0);
  EXPECT_GT(counts.refused, 0);
}

TEST(Quarantine, AMissingOrShortFileIsMendedWhereALaterOneRepeatsTheVote) {
  const VotedLog log;
  Counts counts;
  Files files = log.files;
  files.at(kFirst).resize(3 * kLogBlockBytes);
  open_damaged(log, files, "cut short", counts);
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.keep({vote(kNewest)});
  while (kept.log().segment() < 4) {
    const uint64_t next = kept.kept().entries.size() + 1;
    kept.append(next, next, 5, 3000);
  }
  files = fs.files();
  files.erase(segment_path("log", 2));
  SimFileSystem gap(1);
  place(gap, files);
  const auto mended = open_and_mend(gap, "log", kSmall, kNothing);
  ASSERT_TRUE(mended && mended->quarantine);
  EXPECT_EQ(mended->opened.recovered.hard_state, kNewest);
  EXPECT_GT(mended->opened.recovered.last.index, LogIndex{});
  EXPECT_EQ(counts.mended, 1);
}

TEST(Quarantine, ALastFileThatIsCutShortMayHideAVote) {
  const VotedLog log;
  Counts counts;
  for (uint64_t bytes = 0; bytes < kSmallSegment; bytes += kLogBlockBytes / 2) {
    Files files = log.files;
    files.at(kSecond).resize(bytes);
    open_damaged(log, files, "cut to " + std::to_string(bytes), counts);
  }
  EXPECT_EQ(counts.mended, 0);
  EXPECT_EQ(counts.refused, 8);
}

Files damaged_in_the_first() {
  VotedLog log;
  log.files.at(kFirst).at(2 * kLogBlockBytes + 150) ^= 1;
  return log.files;
}

TEST(Quarantine, DamageInWhatTheStateHoldsTakesNothingThatFollows) {
  const VotedLog log;
  LogContent expected = log.all();
  expected.forget_before(kAllOfFirst + 1);
  for (uint64_t at = 0; at < kSmallSegment; at += 13) {
    Files files = log.files;
    files.at(kFirst).at(at) ^= 1;
    SimFileSystem fs(1);
    place(fs, files);
    auto mended = open_and_mend(fs, "log", kSmall, kAllOfFirst);
    ASSERT_TRUE(mended) << at << ": " << mended.error().message;
    EXPECT_FALSE(mended->quarantine) << at;
    const LogContent found = content_of(*mended->opened.log, mended->opened.recovered);
    if (mended->needless_damage.empty()) {
      EXPECT_EQ(found, log.all()) << at;
      continue;
    }
    EXPECT_THAT(mended->needless_damage, testing::HasSubstr(kFirst)) << at;
    EXPECT_EQ(found, expected) << at;
    EXPECT_EQ(fs.files().at(kFirst + ".damaged"), files.at(kFirst)) << at;
    fs.crash();
    auto again = open_and_mend(fs, "log", kSmall, kAllOfFirst);
    ASSERT_TRUE(again) << at;
    EXPECT_TRUE(again->needless_damage.empty() && !again->quarantine) << at;
    EXPECT_EQ(content_of(*again->opened.log, again->opened.recovered), expected) << at;
  }
}

TEST(Quarantine, DamageBeforeWhatTheStateHoldsIsNoExcuseForThatBehindIt) {
  const VotedLog log;
  Files files = damaged_in_the_first();
  // Of the second segment's last batch, behind the vote.
  files.at(kSecond).at(2 * kLogBlockBytes + 250) ^= 1;
  SimFileSystem fs(1);
  place(fs, files);
  auto mended = open_and_mend(fs, "log", kSmall, kAllOfFirst);
  ASSERT_TRUE(mended) << mended.error().message;
  EXPECT_TRUE(mended->quarantine);
  LogContent expected = log.batch_at[3];
  expected.hard_state = kNewest;
  expected.forget_before(kAllOfFirst + 1);
  EXPECT_EQ(content_of(*mended->opened.log, mended->opened.recovered), expected);
}

// A new segment says where the log stands only once it holds a batch.
TEST(Quarantine, DamageInWhatTheStateHoldsForgetsNoVote) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.keep({vote(kNewest, KeptLog::entries(1, 1, 5, 9000))});
  ASSERT_TRUE(kept.log().write_marker());
  Files files = fs.files();
  ASSERT_EQ(files.size(), 2u);
  files.at(kFirst).at(kLogBlockBytes + 5000) ^= 1;
  SimFileSystem damaged(1);
  place(damaged, files);
  const auto mended = open_and_mend(damaged, "log", kSmall, LogIndex{1});
  ASSERT_TRUE(mended) << mended.error().message;
  EXPECT_TRUE(mended->quarantine);
  EXPECT_EQ(mended->opened.recovered.hard_state, kNewest);
}

TEST(Quarantine, OfWhatTheStateHoldsNoMoreThanTheNewestDamagedFilesAreKept) {
  SimFileSystem fs(1);
  KeptLog kept(fs);
  kept.keep({vote(kNewest)});
  while (kept.log().segment() < 6) {
    const uint64_t next = kept.kept().entries.size() + 1;
    kept.append(next, next, 5, 3000);
  }
  Files files = fs.files();
  files.at(segment_path("log", 4)).at(kLogBlockBytes + 100) ^= 1;
  SimFileSystem damaged(1);
  place(damaged, files);
  const auto mended = open_and_mend(damaged, "log", kSmall, kept.kept().last());
  ASSERT_TRUE(mended) << mended.error().message;
  EXPECT_FALSE(mended->quarantine);
  EXPECT_THAT(damaged.files(),
              testing::UnorderedElementsAre(testing::Key(segment_path("log", 3) + ".damaged"),
                                            testing::Key(segment_path("log", 4) + ".damaged"),
                                            testing::Key(segment_path("log", 5)),
                                            testing::Key(segment_path("log", 6))));
}

TEST(Quarantine, NothingOfTheDamagedLogIsDestroyed) {
  const Files files = damaged_in_the_first();
  SimFileSystem fs(1);
  place(fs, files);
  ASSERT_TRUE(open_and_mend(fs, "log", kSmall, kNothing));
  for (const std::string& path : {kFirst, kSecond})
    EXPECT_EQ(fs.files().at(path + ".damaged"), files.at(path)) << path;
}

TEST(Quarantine, APowerLossAnywhereInTheMendingOfWhatTheStateHoldsLosesNothing) {
  const VotedLog log;
  LogContent expected = log.all();
  expected.forget_before(kAllOfFirst + 1);
  int losses = 0;
  for (uint64_t acts = 0;; ++acts) {
    SimFileSystem fs(1);
    place(fs, damaged_in_the_first());
    fs.lose_power_after(acts);
    const bool done = open_and_mend(fs, "log", kSmall, kAllOfFirst).has_value();
    fs.crash();
    fs.lose_power_after(UINT64_MAX);
    auto mended = open_and_mend(fs, "log", kSmall, kAllOfFirst);
    ASSERT_TRUE(mended && !mended->quarantine) << acts;
    EXPECT_EQ(content_of(*mended->opened.log, mended->opened.recovered), expected) << acts;
    if (done) break;
    ++losses;
  }
  EXPECT_GT(losses, 1);
}

TEST(Quarantine, APowerLossAnywhereInTheMendingLosesNoVote) {
  const VotedLog log;
  const Files files = damaged_in_the_first();
  int losses = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (uint64_t acts = 0;; ++acts) {
      SimFileSystem fs(seed);
      place(fs, files);
      fs.lose_power_after(acts);
      const bool done = open_and_mend(fs, "log", kSmall, kNothing).has_value();
      fs.crash();
      fs.lose_power_after(UINT64_MAX);
      const std::string where = std::to_string(seed) + ": power lost after " + std::to_string(acts);
      auto mended = open_and_mend(fs, "log", kSmall, kNothing);
      ASSERT_TRUE(mended) << where << ": " << mended.error().message;
      ASSERT_TRUE(mended->quarantine) << where;
      EXPECT_EQ(mended->quarantine->stage, Quarantine::Stage::kCatchesUp);
      expect_older(log, content_of(*mended->opened.log, mended->opened.recovered), where);
      if (done) break;
      ++losses;
    }
  }
  EXPECT_GT(losses, 50);
}

TEST(Quarantine, ItEndsWhenItsFileIsRemovedAndTheNewestDamagedOnesStay) {
  SimFileSystem fs(1);
  place(fs, damaged_in_the_first());
  fs.place("log/segment-0000000000000000.log.damaged", "older");
  auto mended = open_and_mend(fs, "log", kSmall, kNothing);
  ASSERT_TRUE(mended);
  const auto files = left_of_quarantine(fs, "log");
  ASSERT_TRUE(files);
  EXPECT_EQ(*files, (std::vector<std::string>{"log/segment-0000000000000000.log.damaged", kNote}));
  ASSERT_TRUE(mended->opened.log->remove(*files));
  fs.crash();
  const auto again = open_and_mend(fs, "log", kSmall, kNothing);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->quarantine);
}

TEST(Quarantine, AFlipOfAnyByteOfItsFileIsSeen) {
  SimFileSystem fs(1);
  place(fs, damaged_in_the_first());
  ASSERT_TRUE(open_and_mend(fs, "log", kSmall, kNothing));
  const std::string bytes = fs.files().at(kNote);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 4);
    fs.place(kNote, other);
    const auto mended = open_and_mend(fs, "log", kSmall, kNothing);
    ASSERT_FALSE(mended) << at;
    EXPECT_EQ(mended.error().code, ErrorCode::kVoteLost) << at;
  }
}

TEST(Quarantine, DamageInQuarantineThatMayHideALaterTermIsRefused) {
  SimFileSystem fs(1);
  place(fs, damaged_in_the_first());
  auto mended = open_and_mend(fs, "log", kSmall, kNothing);
  ASSERT_TRUE(mended);
  const LogWrite later = vote({{6}, {}});
  ASSERT_TRUE(mended->opened.log->write(std::span(&later, 1)) && mended->opened.log->sync());
  ASSERT_TRUE(mended->opened.log->write_marker());
  Files files = fs.files();
  // Behind the one block that is whole, and the one of the vote that was restored.
  files.at(kFirst).replace(3 * kLogBlockBytes, kLogBlockBytes, kLogBlockBytes, 'Z');
  SimFileSystem damaged(1);
  place(damaged, files);
  const auto again = open_and_mend(damaged, "log", kSmall, kNothing);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kVoteLost);
}

}  // namespace
}  // namespace holdfast
