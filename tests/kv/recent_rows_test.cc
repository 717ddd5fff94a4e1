#include "storage/kv/recent_rows.h"

#include <map>

#include <gtest/gtest.h>

#include "storage/base/bytes.h"
#include "tests/kv/random_commands.h"

namespace holdfast {
namespace {

TEST(RecentRows, KnowsWhatWasWrittenLast) {
  RecentRows recent;
  EXPECT_FALSE(recent.find("k"));
  EXPECT_FALSE(recent.find(""));
  const RowInfo info{{2}, {3}, 2, 77};
  recent.remember("k", info);
  EXPECT_EQ(recent.find("k"), std::optional(std::optional(info)));
  recent.remember("k", std::nullopt);
  ASSERT_TRUE(recent.find("k"));
  EXPECT_EQ(*recent.find("k"), std::nullopt);
}

TEST(RecentRows, MayForgetButIsNeverWrong) {
  // Many more keys than places: most share one with others.
  RecentRows recent;
  Random random(1);
  std::map<std::string, std::optional<RowInfo>> truth;
  uint64_t known = 0;
  for (uint64_t i = 0; i < 300'000; ++i) {
    std::string key =
        random.chance(0.01) ? tricky_key(random) : std::to_string(random.below(200'000));
    const auto written = truth.find(key);
    if (const auto found = recent.find(key)) {
      ASSERT_NE(written, truth.end());
      ASSERT_EQ(*found, written->second);
      ++known;
    }
    const auto info = random.chance(0.2) ? std::nullopt : std::optional(RowInfo{{1}, {i}, 1, i});
    recent.remember(key, info);
    truth[key] = info;
  }
  EXPECT_GT(known, 10'000u);
}

TEST(RecentRows, KeysOfOneHashDoNotPushEachOtherOut) {
  RecentRows recent;
  constexpr int kKeys = 10'000;  // a third of the places
  const auto key = [](int number) { return "user/" + std::to_string(number); };
  for (int i = 0; i < kKeys; ++i) recent.remember(key(i), RowInfo{.version = 1});
  int known = 0;
  for (int i = 0; i < kKeys; ++i) known += recent.find(key(i)) ? 1 : 0;
  EXPECT_GT(known, kKeys * 98 / 100);
}

// Replicas that took one for the other would disagree.
TEST(RecentRows, AKeyOfTheSameSetAndTagIsAnother) {
  const std::string one = "user/6773395";
  const std::string other = "user/20195496";
  ASSERT_EQ(checksum(one) % (1 << 13), checksum(other) % (1 << 13)) << "look for another pair";
  ASSERT_EQ(checksum(one) >> 32, checksum(other) >> 32) << "look for another pair";
  RecentRows recent;
  recent.remember(one, RowInfo{.version = 1});
  EXPECT_FALSE(recent.find(other));
  recent.remember(other, RowInfo{.version = 2});
  EXPECT_EQ(recent.find(one).value()->version, 1u);
  EXPECT_EQ(recent.find(other).value()->version, 2u);
}

}  // namespace
}  // namespace holdfast
