// Which keys are chosen, and which operations are drawn.

#include <algorithm>
#include <initializer_list>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "bench/load/key_choice.h"
#include "bench/load/key_space.h"
#include "bench/load/source.h"

namespace holdfast::load {
namespace {

constexpr uint64_t kKeys = 1'000;
constexpr int kDraws = 200'000;

std::vector<int> counts_of(KeyChoice choice, uint64_t keys = kKeys) {
  Random random(7);
  KeyChooser chooser(choice, keys);
  std::vector<int> counts(keys, 0);
  for (int i = 0; i < kDraws; ++i) ++counts.at(chooser.choose(random, keys));
  return counts;
}

Settings settings_for(const char* workload) {
  Settings settings{.endpoints = {{.host = "127.0.0.1"}}, .workload = *find_workload(workload)};
  settings.choice = settings.workload.choice;
  settings.keys = kKeys;
  return settings;
}

TEST(KeyChoiceTest, UniformPrefersNone) {
  const std::vector<int> counts = counts_of(KeyChoice::kUniform);
  // 200 each; six standard deviations are 85.
  EXPECT_GT(std::ranges::min(counts), 115);
  EXPECT_LT(std::ranges::max(counts), 285);
}

TEST(KeyChoiceTest, RanksFollowZipfsLaw) {
  Random random(7);
  const ZipfianRanks ranks(kKeys);
  std::vector<int> counts(kKeys, 0);
  for (int i = 0; i < kDraws; ++i) ++counts.at(ranks.draw(random));
  // The first two are drawn exactly, the others by an approximation that is close in sum.
  for (const uint64_t rank : std::initializer_list<uint64_t>{0, 1}) {
    EXPECT_NEAR(counts[rank], kDraws * ranks.share_of(rank), 1'000) << rank;
  }
  for (const uint64_t end : std::initializer_list<uint64_t>{10, 100, 500}) {
    double drawn = 0;
    double expected = 0;
    for (uint64_t rank = 0; rank < end; ++rank) {
      drawn += counts[rank];
      expected += kDraws * ranks.share_of(rank);
    }
    EXPECT_NEAR(drawn / expected, 1, 0.05) << end;
  }
}

TEST(KeyChoiceTest, RanksThatGrewAreAsThoseThatWereSoMany) {
  ZipfianRanks grown(10);
  grown.grow(kKeys);
  const ZipfianRanks at_once(kKeys);
  EXPECT_DOUBLE_EQ(grown.share_of(3), at_once.share_of(3));
  Random one(3);
  Random other(3);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(grown.draw(one), at_once.draw(other));
}

TEST(KeyChoiceTest, FewRanksAreAllThereIs) {
  for (const uint64_t count : std::initializer_list<uint64_t>{1, 2, 3}) {
    Random random(1);
    const ZipfianRanks ranks(count);
    std::set<uint64_t> drawn;
    for (int i = 0; i < 1'000; ++i) drawn.insert(ranks.draw(random));
    EXPECT_EQ(drawn.size(), count);
    EXPECT_LT(*drawn.rbegin(), count);
  }
}

TEST(KeyChoiceTest, ZipfiansFavouritesLieAnywhere) {
  std::vector<int> counts = counts_of(KeyChoice::kZipfian);
  // Not the first keys, and not beside each other.
  const auto favourite = std::ranges::max_element(counts) - counts.begin();
  EXPECT_GT(counts[static_cast<size_t>(favourite)], kDraws / 10);
  const int first_ten = std::accumulate(counts.begin(), counts.begin() + 10, 0);
  EXPECT_LT(first_ten, kDraws / 10);
}

TEST(KeyChoiceTest, LatestPrefersWhatWasAddedLast) {
  const std::vector<int> counts = counts_of(KeyChoice::kLatest);
  EXPECT_EQ(std::ranges::max_element(counts) - counts.begin(), static_cast<int64_t>(kKeys) - 1);
  Random random(1);
  KeyChooser chooser(KeyChoice::kLatest, kKeys);
  int newest = 0;
  for (int i = 0; i < 1'000; ++i) {
    const uint64_t chosen = chooser.choose(random, 2 * kKeys);
    EXPECT_LT(chosen, 2 * kKeys);
    newest += chosen == 2 * kKeys - 1 ? 1 : 0;
  }
  EXPECT_GT(newest, 50);
}

TEST(KeySpaceTest, AKeyIsThereOnceAllBeforeItAre) {
  KeySpace keys(10);
  EXPECT_EQ(keys.claim(), 10U);
  EXPECT_EQ(keys.claim(), 11U);
  EXPECT_EQ(keys.claim(), 12U);
  EXPECT_EQ(keys.there(), 10U);
  keys.settle(11);
  EXPECT_EQ(keys.there(), 10U);
  keys.settle(10);
  EXPECT_EQ(keys.there(), 12U);
  keys.settle(12);
  EXPECT_EQ(keys.there(), 13U);
}

TEST(WorkloadTest, EachDrawsItsOperationsInTheirShares) {
  for (const Workload& workload : workloads()) {
    const Settings settings = settings_for(std::string(workload.name).c_str());
    KeySpace keys(kKeys);
    WorkloadSource source(settings, keys, Random(5));
    std::map<OpKind, int> counts;
    for (int i = 0; i < 20'000; ++i) {
      const std::optional<Operation> operation = source.draw();
      ++counts[operation->kind];
      source.settle(*operation, Fate::kOk);
    }
    for (size_t i = 0; i < kOpKinds; ++i) {
      EXPECT_NEAR(counts[static_cast<OpKind>(i)], 20'000 * workload.mix[i], 400) << workload.name;
    }
  }
}

TEST(WorkloadTest, WhatIsBeingAddedIsNotRead) {
  const Settings settings = settings_for("ycsb-d");
  KeySpace keys(kKeys);
  WorkloadSource source(settings, keys, Random(5));
  std::vector<Operation> added;
  while (added.size() < 100) {
    const std::optional<Operation> operation = source.draw();
    if (operation->kind == OpKind::kInsert) {
      added.push_back(*operation);
    } else {
      ASSERT_LT(operation->key, kKeys);
    }
  }
  EXPECT_EQ(added.back().key, kKeys + 99);
  for (const Operation& operation : added) source.settle(operation, Fate::kOk);
  bool reads_new = false;
  for (int i = 0; i < 1'000; ++i) {
    const std::optional<Operation> operation = source.draw();
    reads_new |= operation->kind == OpKind::kGet && operation->key >= kKeys;
  }
  EXPECT_TRUE(reads_new);
}

TEST(WorkloadTest, SizesAreOfTheWholeRange) {
  Settings settings = settings_for("put");
  settings.value = *parse_size_range("10-12");
  KeySpace keys(kKeys);
  WorkloadSource source(settings, keys, Random(5));
  std::set<uint32_t> sizes;
  for (int i = 0; i < 100; ++i) sizes.insert(source.draw()->value_size);
  EXPECT_EQ(sizes, (std::set<uint32_t>{10, 11, 12}));
}

TEST(WorkloadTest, SizesThatMakeNoSenseAreNone) {
  for (const char* const text :
       {"", "x", "-", "10-", "-10", "10-9", "10 ", "9999999999", "8388609"}) {
    EXPECT_FALSE(parse_size_range(text)) << text;
  }
  EXPECT_EQ(parse_size_range("8388608")->most, 8'388'608U);
  EXPECT_EQ(parse_size_range("0")->least, 0U);
}

TEST(PreloadTest, EachKeyIsPutUntilItIsStored) {
  const Settings settings = settings_for("get");
  PreloadSource source(settings, 0, 1, Random(1));
  std::set<uint64_t> stored;
  int failures = 0;
  while (const std::optional<Operation> operation = source.draw()) {
    const bool fails = operation->key % 10 == 3 && failures++ < 50;
    if (!fails) stored.insert(operation->key);
    source.settle(*operation, fails ? Fate::kUnknown : Fate::kOk);
  }
  EXPECT_EQ(stored.size(), kKeys);
  EXPECT_TRUE(source.finished());
  EXPECT_FALSE(source.failed());
}

TEST(PreloadTest, ItEndsWhereNothingIsStored) {
  const Settings settings = settings_for("get");
  PreloadSource source(settings, 0, 1, Random(1));
  uint64_t tries = 0;
  while (const std::optional<Operation> operation = source.draw()) {
    source.settle(*operation, Fate::kRefused);
    ASSERT_LT(++tries, 10'000U);
  }
  EXPECT_TRUE(source.failed());
  EXPECT_FALSE(source.finished());
}

TEST(SettingsTest, WhatAProductDoesNotHaveIsSaid) {
  Settings settings = settings_for("bulk");
  EXPECT_TRUE(check_settings(settings));
  settings.product = Product::kEtcd;
  EXPECT_FALSE(check_settings(settings));
  settings = settings_for("scan");
  settings.product = Product::kRedis;
  EXPECT_FALSE(check_settings(settings));
  settings = settings_for("put");
  settings.product = Product::kStatic;
  EXPECT_FALSE(check_settings(settings));
  settings = settings_for("watch");
  settings.product = Product::kEtcd;
  EXPECT_FALSE(check_settings(settings));
  settings = settings_for("put");
  settings.threads = 65;
  EXPECT_FALSE(check_settings(settings));
}

}  // namespace
}  // namespace holdfast::load
