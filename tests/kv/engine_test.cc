// What both engines promise.

#include "storage/kv/engine.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "tests/kv/test_stores.h"

namespace holdfast {
namespace {

using namespace std::string_literals;

EngineBatch batch(uint64_t revision, std::vector<RowWrite> rows) {
  EngineBatch made;
  made.revisions.push_back(
      {.revision = {revision}, .made = {revision, revision * 10}, .rows = std::move(rows)});
  made.meta.emplace_back("head", std::to_string(revision));
  return made;
}

class EngineTest : public testing::TestWithParam<StoreKind> {
 protected:
  Engine& engine() { return store_->engine(); }

  std::optional<std::string> value_at(std::string_view key, uint64_t at) {
    const auto found = engine().get(key, {at}, ReadTier::kDisk).value();
    return found ? std::optional(found->value) : std::nullopt;
  }

  std::string scanned(const RangeScan& scan) {
    std::string text;
    for (const auto& [key, found] : read_rows(engine(), scan)) {
      text += fmt::format("{}={} ", key, found.value);
    }
    return text;
  }

  std::unique_ptr<TestStore> store_ = make_store(GetParam());
  Random random_{1};
};

INSTANTIATE_TEST_SUITE_P(Engines, EngineTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(EngineTest, AKeyIsReadAsOfAnyRevision) {
  engine().write(batch(2, {{"k", row(2, "two")}}));
  engine().write(batch(4, {{"k", row(4, "four")}}));
  engine().write(batch(5, {{"k", std::nullopt}}));
  engine().write(batch(7, {{"k", row(7, "")}}));
  const std::vector<std::optional<std::string>> expected = {
      std::nullopt, std::nullopt, "two", "two", "four", std::nullopt, std::nullopt, "", ""};
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(engine().flush());
    }
    for (uint64_t at = 0; at < expected.size(); ++at) {
      EXPECT_EQ(value_at("k", at), expected[at]) << "at " << at << " flushed " << flushed;
    }
    EXPECT_EQ(value_at("k", UINT64_MAX), "");
  }
  EXPECT_EQ(engine().get("k", {4}, ReadTier::kDisk).value(), row(4, "four"));
  EXPECT_EQ(engine().get_info("k", {4}).value(), row(4, "four").info);
  EXPECT_EQ(engine().get_info("k", {5}).value(), std::nullopt);
}

TEST_P(EngineTest, KeysThatContainEachOtherStayApart) {
  // What is stored behind a key must never be taken for a part of it, nor the other way round.
  const std::vector<std::string> keys = {
      "a",     "a\0"s,  "a\2\0\0\0\0\0\0\0"s, "a"s + std::string(8, '\xff'), "\0"s,
      "\0\0"s, "\xff"s, "\xff\xff"s,          std::string(4096, '\xff')};
  uint64_t revision = 2;
  for (const std::string& key : keys) {
    engine().write(batch(revision, {{key, row(revision, key)}}));
    ++revision;
  }
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(engine().flush());
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      EXPECT_EQ(value_at(keys[i], i + 1), std::nullopt) << i;
      EXPECT_EQ(value_at(keys[i], i + 2), keys[i]) << i;
    }
    std::vector<std::string> sorted = keys;
    std::ranges::sort(sorted);
    for (const bool reverse : {false, true}) {
      if (reverse) std::ranges::reverse(sorted);
      std::vector<std::string> found;
      for (auto& [key, unused] :
           read_rows(engine(), {.start = "", .end = "", .at = {100}, .reverse = reverse})) {
        found.push_back(key);
      }
      EXPECT_EQ(found, sorted);
    }
  }
}

TEST_P(EngineTest, AScanGoesFromStartToBeforeEnd) {
  engine().write(batch(2, {{"a", row(2, "1")}, {"b", row(2, "1")}, {"c", row(2, "1")}}));
  engine().write(batch(3, {{"b", std::nullopt}, {"d", row(3, "2")}}));
  struct Case {
    std::string start, end;
    uint64_t at;
    bool reverse;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {"", "", 1, false, ""},
      {"", "", 2, false, "a=1 b=1 c=1 "},
      {"", "", 3, false, "a=1 c=1 d=2 "},
      {"", "", 3, true, "d=2 c=1 a=1 "},
      {"a", "c", 2, false, "a=1 b=1 "},
      {"a", "c", 2, true, "b=1 a=1 "},
      {"a", "c", 3, true, "a=1 "},
      {"a\0"s, "", 3, false, "c=1 d=2 "},
      {"a\0"s, "", 3, true, "d=2 c=1 "},
      {"", "d", 3, true, "c=1 a=1 "},
      {"c", "c", 3, false, ""},
      {"d", "a", 3, false, ""},
      {"d", "a", 3, true, ""},
      {"x", "", 3, true, ""},
  };
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(engine().flush());
    }
    for (const Case& one : cases) {
      EXPECT_EQ(scanned({one.start, one.end, {one.at}, one.reverse}), one.expected)
          << one.start << ".." << one.end << " at " << one.at << " reverse " << one.reverse;
    }
  }
}

TEST_P(EngineTest, AScanEndsWhenTheVisitorHasEnough) {
  engine().write(batch(2, {{"a", row(2, "1")}, {"b", row(2, "1")}, {"c", row(2, "1")}}));
  for (const bool reverse : {false, true}) {
    int seen = 0;
    const RangeScan all{.start = "", .end = "", .at = {2}, .reverse = reverse};
    EXPECT_TRUE(engine().scan(all, [&](auto, const auto&, auto) { return ++seen < 2; }));
    EXPECT_EQ(seen, 2);
  }
}

TEST_P(EngineTest, TheFeedSaysWhatEachRevisionChanged) {
  engine().write(batch(2, {{"a", row(2, "1")}}));
  EngineBatch both = batch(3, {{"a", std::nullopt}, {"b\0"s, row(3, "x")}});
  both.revisions.push_back({.revision = {300}, .made = {300, 3000}, .rows = {{"", row(300, "")}}});
  engine().write(both);
  const std::vector<Change> expected = {
      {{2}, {2, 20}, {"a"}}, {{3}, {3, 30}, {"a", "b\0"s}}, {{300}, {300, 3000}, {""}}};
  EXPECT_EQ(engine().changes({0}, 10).value(), expected);
  EXPECT_EQ(engine().changes({2}, 1).value(), std::vector<Change>(1, expected[0]));
  EXPECT_EQ(engine().changes({4}, 10).value(), std::vector<Change>(1, expected[2]));
  EXPECT_TRUE(engine().changes({301}, 10).value().empty());
}

TEST_P(EngineTest, NamedValuesAreDurableWhenFlushed) {
  EXPECT_EQ(engine().get_meta("head").value(), std::nullopt);
  EXPECT_EQ(engine().get_durable_meta("head").value(), std::nullopt);
  engine().write(batch(2, {{"a", row(2, "1")}}));
  EXPECT_EQ(engine().get_meta("head").value(), "2");
  EXPECT_EQ(engine().get_durable_meta("head").value(), std::nullopt);

  const uint64_t flushes = engine().flush_count();
  ASSERT_TRUE(engine().flush());
  EXPECT_GT(engine().flush_count(), flushes);
  EXPECT_EQ(engine().get_durable_meta("head").value(), "2");

  engine().write(batch(3, {{"a", row(3, "1")}}));
  EXPECT_EQ(engine().get_meta("head").value(), "3");
  EXPECT_EQ(engine().get_durable_meta("head").value(), "2");
}

TEST_P(EngineTest, NamedValuesAreListedInOrderFromAnyPlaceAndGoWhenDeleted) {
  using List = Engine::NamedValueList;
  const List all = {{"a/", "0"}, {"a/\0"s, "1"}, {"a/b", ""}, {"a/\xff\xff"s, "3"}};
  EngineBatch some = batch(2, {{"a/c", row(2, "a key is no name")}});
  some.meta.insert(some.meta.end(), {{"a0", "behind"}, {"a", "before"}, {"b/", "elsewhere"}});
  for (const auto& [name, value] : all) some.meta.emplace_back(name, value);
  engine().write(some);
  struct Case {
    std::string prefix, start_after;
    size_t limit;
    List expected;
  };
  const std::vector<Case> cases = {
      {"a/", "", 9, all},
      {"a/", "", 2, {all[0], all[1]}},
      {"a/", "", 0, {}},
      {"a/", "a", 1, {all[0]}},
      {"a/", "a/", 9, {all[1], all[2], all[3]}},
      {"a/", "a/a", 9, {all[2], all[3]}},
      {"a/", all[3].first, 9, {}},
      {"a/", "b", 9, {}},
      {"c", "", 9, {}},
      {"", "a/b", 2, {all[3], {"a0", "behind"}}},
  };
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(engine().flush());
    }
    for (const Case& one : cases) {
      EXPECT_EQ(engine().scan_meta(one.prefix, one.start_after, one.limit).value(), one.expected)
          << one.prefix << " after " << one.start_after << " flushed " << flushed;
    }
  }

  EngineBatch changed = batch(3, {});
  changed.meta.insert(changed.meta.end(), {{"a/b", std::nullopt},
                                           {"a/never", std::nullopt},
                                           {"a/", std::nullopt},
                                           {"a/", "again"},
                                           {"a/\0"s, "new"},
                                           {"a/\0"s, std::nullopt}});
  engine().write(changed);
  const List left = {{"a/", "again"}, all[3]};
  EXPECT_EQ(engine().scan_meta("a/", "", 9).value(), left);
  EXPECT_EQ(engine().get_meta("a/b").value(), std::nullopt);
  EXPECT_EQ(engine().get_durable_meta("a/b").value(), "");
  ASSERT_TRUE(engine().flush());
  EXPECT_EQ(engine().scan_meta("a/", "", 9).value(), left);
  EXPECT_EQ(engine().get_durable_meta("a/b").value(), std::nullopt);
}

TEST_P(EngineTest, ACrashTakesBackWholeBatchesAndNothingDurable) {
  uint64_t revision = 1;
  for (int round = 0; round < 20; ++round) {
    for (uint64_t i = random_.below(5); i > 0; --i) {
      ++revision;
      EngineBatch next = batch(revision, {{"k", row(revision, std::to_string(revision))}});
      next.meta.emplace_back(fmt::format("n/{}", revision - 1), std::nullopt);
      next.meta.emplace_back(fmt::format("n/{}", revision), "");
      engine().write(next);
    }
    if (random_.chance(0.5)) engine().start_flush();
    if (random_.chance(0.3)) {
      ASSERT_TRUE(engine().flush());
    }
    const uint64_t durable = std::stoull(engine().get_durable_meta("head").value().value_or("1"));
    store_->crash(random_);
    const uint64_t found = std::stoull(engine().get_meta("head").value().value_or("1"));
    EXPECT_GE(found, durable);
    EXPECT_LE(found, revision);
    EXPECT_EQ(engine().get_durable_meta("head").value(), engine().get_meta("head").value());
    EXPECT_EQ(value_at("k", UINT64_MAX),
              found == 1 ? std::nullopt : std::optional(std::to_string(found)));
    EXPECT_TRUE(engine().changes({found + 1}, 1).value().empty());
    Engine::NamedValueList names;
    if (found > 1) names.emplace_back(fmt::format("n/{}", found), "");
    EXPECT_EQ(engine().scan_meta("n/", "", 9).value(), names);
    revision = found;
  }
}

TEST_P(EngineTest, AStartedFlushBecomesDurableWhileWritingGoesOn) {
  engine().write(batch(2, {{"a", row(2, "1")}}));
  engine().start_flush();
  // A condition with a bound: RocksDB flushes on a thread of its own.
  uint64_t revision = 2;
  while (engine().get_durable_meta("head").value() == std::nullopt && revision < 1'000'000) {
    ++revision;
    engine().write(batch(revision, {{"a", row(revision, "1")}}));
  }
  EXPECT_EQ(engine().get_durable_meta("head").value(), "2");
}

TEST_P(EngineTest, ReadersSeeAFixedRevisionWhileTheWriterGoesOn) {
  // Each revision writes both keys with its own number: a reader at any revision sees them equal.
  std::atomic<uint64_t> newest = 1;
  std::atomic<bool> done = false;
  std::atomic<uint64_t> reads = 0;
  const auto read = [&](uint64_t seed) {
    Random random(seed);
    while (!done || reads < 100) {
      const uint64_t at = random.between(1, newest);
      const std::optional<std::string> a = value_at("a", at);
      EXPECT_EQ(a, value_at("b", at));
      EXPECT_EQ(a, at == 1 ? std::nullopt : std::optional(std::to_string(at)));
      if (random.chance(0.1)) {
        EXPECT_EQ(scanned({"", "", {at}}), at == 1 ? "" : fmt::format("a={} b={} ", at, at));
      }
      const std::string durable = engine().get_durable_meta("head").value().value_or("1");
      EXPECT_LE(std::stoull(durable), std::stoull(engine().get_meta("head").value().value_or("1")));
      ++reads;
    }
  };
  std::thread first(read, 1);
  std::thread second(read, 2);
  for (uint64_t revision = 2; revision < 3000; ++revision) {
    const std::string value = std::to_string(revision);
    engine().write(batch(revision, {{"a", row(revision, value)}, {"b", row(revision, value)}}));
    newest = revision;
    if (revision % 500 == 0) engine().start_flush();
  }
  done = true;
  first.join();
  second.join();
}

}  // namespace
}  // namespace holdfast
