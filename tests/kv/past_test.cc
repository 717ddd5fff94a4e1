// The past behind both engines: versions, the feed, and what the history floor lets them forget.

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kv/expect_same.h"

namespace holdfast {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;

Stamp made(uint64_t revision) {
  return {revision * 10, revision * 1000};
}

void write(Engine& engine, uint64_t revision, std::vector<RowWrite> rows) {
  EngineBatch batch;
  batch.revisions.push_back({{revision}, made(revision), std::move(rows)});
  engine.write(batch);
}

class PastTest : public testing::TestWithParam<StoreKind> {
 protected:
  Engine& engine() { return store_->engine(); }
  std::vector<uint64_t> revisions(std::string_view key, uint64_t floor, uint64_t at,
                                  size_t limit = SIZE_MAX) {
    std::vector<uint64_t> found;
    for (const KeptVersion& version : read_versions(engine(), key, {floor}, {at}, limit))
      found.push_back(version.revision.value);
    return found;
  }

  std::unique_ptr<TestStore> store_ = make_store(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Engines, PastTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(PastTest, TheVersionsOfAKeyAreItsPutsAndDeletesNewestFirst) {
  write(engine(), 2, {{"k", row(2, "two")}, {"k\0"s, row(2, "other")}});
  write(engine(), 3, {{"k", std::nullopt}});
  write(engine(), 4, {{"", row(4, "first of all")}, {"j", row(4, "before")}});
  write(engine(), 5, {{"k", row(5, "")}});
  write(engine(), 6, {{"kk", row(6, "behind")}});
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(engine().flush());
    }
    const std::vector<KeptVersion> all = {
        {{5}, row(5, "")}, {{3}, std::nullopt}, {{2}, row(2, "two")}};
    EXPECT_EQ(read_versions(engine(), "k", {1}, {9}), all);
    EXPECT_THAT(revisions("k", 1, 9, 2), ElementsAre(5, 3));
    EXPECT_THAT(revisions("k", 1, 4), ElementsAre(3, 2));
    EXPECT_THAT(revisions("k", 1, 2), ElementsAre(2));
    EXPECT_THAT(revisions("k", 1, 1), ElementsAre());
    EXPECT_THAT(revisions("k\0"s, 1, 9), ElementsAre(2));
    EXPECT_THAT(revisions("", 1, 9), ElementsAre(4));
    EXPECT_THAT(revisions("never", 1, 9), ElementsAre());
    // From a floor: what was written there or later, and before it what stood there.
    EXPECT_THAT(revisions("k", 2, 9), ElementsAre(5, 3, 2));
    EXPECT_THAT(revisions("k", 3, 9), ElementsAre(5, 3)) << "nothing stood there";
    EXPECT_THAT(revisions("k", 4, 9), ElementsAre(5));
    EXPECT_THAT(revisions("k", 7, 9), ElementsAre(5));
    EXPECT_THAT(revisions("k\0"s, 7, 9), ElementsAre(2));
    EXPECT_THAT(revisions("k", 9, 8), ElementsAre());
  }
}

TEST_P(PastTest, TheFeedKnowsTheTimeOfEachRevision) {
  write(engine(), 2, {{"a", row(2, "")}});
  write(engine(), 300, {{"b", row(300, "")}});
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(engine().flush());
    }
    EXPECT_EQ(engine().made({1}).value(), Stamp{}) << "there was nothing yet";
    EXPECT_EQ(engine().made({2}).value(), made(2));
    EXPECT_EQ(engine().made({299}).value(), made(2)) << "nothing was changed in between";
    EXPECT_EQ(engine().made({300}).value(), made(300));
    EXPECT_EQ(engine().made({301}).value(), made(300));
  }
}

TEST_P(PastTest, APageOfTheFeedIsBoundedInBytes) {
  const std::string half(kFeedBytesMax / 2, 'k');
  for (uint64_t i = 2; i < 7; ++i) write(engine(), i, {{half, row(i, "")}});
  EXPECT_EQ(engine().changes({2}, 9).value().size(), 2u);
  EXPECT_EQ(engine().changes({6}, 9).value().size(), 1u);
  EXPECT_EQ(read_changes(engine(), {2}).size(), 5u);
}

TEST_P(PastTest, WhatTheFloorForgetsIsNeverMissedAboveIt) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const std::unique_ptr<TestStore> store = make_store(GetParam());
    KvModel model;
    auto machine = KvStateMachine::open(store->engine()).value();
    const auto apply = [&](const EntryPtr& entry) {
      std::vector<Completion> completions;
      machine->apply({&entry, 1}, {1}, completions);
      model.apply(*entry);
    };
    const auto next = [&] { return machine->applied().index + 1; };
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < 200; ++i) {
        apply(random_entry(random, next(), machine->revision()));
        if (random.chance(0.02)) {
          ASSERT_TRUE(store->engine().flush());
        }
      }
      const Revision floor{random.between(1, model.summary().revision.value)};
      apply(
          make_entry(next(), EntryKind::kCommand, encode_command({.act = CompactCommand{floor}})));
      ASSERT_TRUE(store->engine().flush());
      apply(make_entry(next(), EntryKind::kBarrier, {}));  // now the engine is told
      if (random.chance(0.7)) store->reclaim();
      expect_same(model, *machine, store->engine());
      expect_same_past(model, store->engine(), {1}, random, 20);
      if (HasFailure()) return;
    }
  }
}

TEST_P(PastTest, WhatLiesBelowTheFloorIsGivenBack) {
  for (uint64_t i = 2; i < 22; ++i)
    write(engine(), i,
          {{fmt::format("gone{}", i), i < 12 ? std::nullopt : std::optional(row(i, ""))},
           {"k", row(i, std::string(1000, 'v'))}});
  const uint64_t before = engine().approximate_bytes("", "").value();
  ASSERT_TRUE(engine().flush());
  ASSERT_TRUE(engine().set_history_floor({15}));
  store_->reclaim();
  // Nothing promises an answer below the floor; that the version is gone shows that space is freed.
  const auto below = engine().get("k", {5}, ReadTier::kDisk);
  EXPECT_TRUE(!below || !*below);
  EXPECT_THAT(revisions("k", 15, 99), ElementsAre(21, 20, 19, 18, 17, 16, 15));
  EXPECT_LT(engine().approximate_bytes("", "").value(), before);
}

TEST_P(PastTest, ABatchMayHoldManyVersionsOfAKey) {
  EngineBatch batch;
  for (uint64_t i = 2; i < 102; ++i)
    batch.revisions.push_back(
        {.revision = {i}, .made = made(i), .rows = {{i % 2 == 0 ? "even" : "odd", row(i, "v")}}});
  engine().write(batch);
  ASSERT_TRUE(engine().flush());
  ASSERT_TRUE(engine().set_history_floor({94}));
  store_->reclaim();
  EXPECT_THAT(revisions("even", 94, 99), ElementsAre(98, 96, 94));
  EXPECT_THAT(revisions("odd", 94, 99), ElementsAre(99, 97, 95, 93));
  EXPECT_EQ(engine().get("odd", {94}, ReadTier::kDisk).value(), row(93, "v"));
}

TEST_P(PastTest, TheFeedIsForgottenWithThePast) {
  // On disk by whole files, when compactions have put them in order.
  const auto first = [&] { return engine().changes({1}, 1).value().at(0).revision.value; };
  uint64_t newest = 1;
  do {
    ASSERT_LT(newest, 10'000u);
    for (int i = 0; i < 10; ++i) {
      ++newest;
      write(engine(), newest, {{"k", row(newest, "")}});
    }
    ASSERT_TRUE(engine().flush());
    ASSERT_TRUE(engine().set_history_floor({newest - 5}));
    EXPECT_EQ(engine().made({newest - 5}).value(), made(newest - 5));
    EXPECT_LE(first(), newest - 5);
  } while (first() == 2);
}

TEST_P(PastTest, TheSizeOfARangeIsEstimated) {
  Random random(1);
  for (uint64_t i = 2; i < 1002; ++i) {
    std::string value(1000, ' ');
    for (char& byte : value) byte = static_cast<char>(random.next());
    write(engine(), i, {{fmt::format("{}/{:04}", i % 4 == 0 ? "few" : "many", i), row(i, value)}});
  }
  // What is in memory only, RocksDB estimates by a few samples.
  ASSERT_TRUE(engine().flush());
  const auto kib = [&](const std::string& start, const std::string& end) {
    return static_cast<double>(engine().approximate_bytes(start, end).value()) / 1000;
  };
  EXPECT_NEAR(kib("", ""), 1000, 300);
  EXPECT_NEAR(kib("few/", "few0"), 250, 100);
  EXPECT_LT(kib("x", ""), 50);
  EXPECT_LT(kib("a", "b"), 50);
  EXPECT_EQ(kib("b", "a"), 0);
}

TEST_P(PastTest, ACrashTakesBackNothingThatTheFloorNeeds) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Random random(seed);
    const std::unique_ptr<TestStore> store = make_store(GetParam());
    for (uint64_t i = 2; i < 20; ++i)
      write(store->engine(), i,
            {{fmt::format("{}", i % 3), i % 5 == 0 ? std::nullopt : std::optional(row(i, "v"))}});
    ASSERT_TRUE(store->engine().flush());
    for (uint64_t i = 20; i < 30; ++i)
      write(store->engine(), i, {{fmt::format("{}", i % 3), std::nullopt}});
    ASSERT_TRUE(store->engine().set_history_floor({19}));
    store->crash(random);
    ASSERT_TRUE(store->engine().set_history_floor({19})) << "as a start does";
    EXPECT_EQ(store->engine().get("1", {19}, ReadTier::kDisk).value(), row(19, "v"));
    EXPECT_EQ(store->engine().get("0", {19}, ReadTier::kDisk).value(), row(18, "v"));
    EXPECT_EQ(store->engine().get("2", {19}, ReadTier::kDisk).value(), row(17, "v"));
    EXPECT_EQ(store->engine().made({19}).value(), made(19));
  }
}

}  // namespace
}  // namespace holdfast
