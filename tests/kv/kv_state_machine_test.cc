#include "storage/kv/kv_state_machine.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/kv/state_format.h"
#include "storage/kv/stored_bytes.h"
#include "tests/kv/commands.h"
#include "tests/kv/engine_over.h"
#include "tests/kv/kv_model.h"

namespace holdfast {
namespace {

using ConditionKind = Condition::Kind;

Condition if_match(std::vector<Revision> revisions) {
  return {ConditionKind::kMatch, false, std::move(revisions)};
}
Condition if_exists() {
  return {ConditionKind::kMatch, true, {}};
}
Condition if_absent() {
  return {ConditionKind::kNoneMatch, true, {}};
}

Command remove(std::string key, std::vector<Condition> conditions = {}) {
  return {.act = DeleteCommand{std::move(key), std::move(conditions)}};
}
Command remove_range(std::string start, std::string end) {
  return {.act = DeleteRangeCommand{std::move(start), std::move(end)}};
}

class KvStateMachineTest : public testing::TestWithParam<StoreKind> {
 protected:
  KvStateMachineTest() { reopen(); }

  void reopen(uint64_t unflushed_bytes_max = KvStateMachine::kUnflushedBytesMax) {
    machine_ = KvStateMachine::open(store_->engine(), unflushed_bytes_max).value();
  }

  EntryPtr next(EntryKind kind, Bytes payload, NodeId origin = kSelf) {
    ++last_;
    return make_entry({last_}, kind, std::move(payload), {origin, {last_}});
  }

  std::vector<Reply> apply(const std::vector<Command>& commands) {
    std::vector<EntryPtr> entries;
    entries.reserve(commands.size());
    for (const Command& command : commands) {
      entries.push_back(next(EntryKind::kCommand, encode_command(command)));
    }
    return apply_entries(entries);
  }
  Reply apply(const Command& command) { return apply(std::vector{command}).at(0); }

  std::vector<Reply> apply_entries(const std::vector<EntryPtr>& entries) {
    std::vector<Completion> completions;
    machine_->apply(entries, kSelf, completions);
    std::vector<Reply> replies;
    replies.reserve(completions.size());
    for (const Completion& completion : completions) replies.push_back(completion.reply);
    return replies;
  }

  RowInfo info(const std::string& key) {
    RowInfo found = store_->engine().get_info(key, machine_->revision()).value().value();
    found.hash = 0;
    return found;
  }

  std::unique_ptr<TestStore> store_ = make_store(GetParam());
  std::unique_ptr<KvStateMachine> machine_;
  uint64_t last_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Engines, KvStateMachineTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(KvStateMachineTest, AnEmptyStoreIsAtRevisionOne) {
  EXPECT_EQ(machine_->revision(), Revision{1});
  EXPECT_EQ(machine_->applied(), LogPosition{});
  EXPECT_EQ(machine_->durable(), LogIndex{});
  EXPECT_EQ(machine_->state_hash(), 0u);
  // Also where a flush found nothing to keep.
  ASSERT_TRUE(store_->engine().flush());
  EXPECT_EQ(machine_->durable(), LogIndex{});
}

TEST_P(KvStateMachineTest, ARowCountsItsLifeFromItsCreation) {
  EXPECT_EQ(apply(put("k", "1")), (Reply{.revision = {2}, .created = true}));
  EXPECT_EQ(info("k"), (RowInfo{{2}, {2}, 1, 0}));
  EXPECT_EQ(apply(put("k", "1")), (Reply{.revision = {3}, .created = false}));
  EXPECT_EQ(info("k"), (RowInfo{{2}, {3}, 2, 0}));
  EXPECT_EQ(apply(remove("k")), (Reply{.revision = {4}, .deleted = 1}));
  EXPECT_EQ(apply(put("k", "1")), (Reply{.revision = {5}, .created = true}));
  EXPECT_EQ(info("k"), (RowInfo{{5}, {5}, 1, 0}));
}

TEST_P(KvStateMachineTest, OnlyAChangeRaisesTheRevision) {
  apply(put("k", "1"));
  const StateSummary before = machine_->summary();
  EXPECT_EQ(apply(remove("other")), (Reply{.revision = {2}}));
  EXPECT_EQ(apply(remove_range("l", "")), (Reply{.revision = {2}}));
  EXPECT_EQ(apply(remove_range("z", "a")), (Reply{.revision = {2}}));
  EXPECT_EQ(apply(put("k", "2", {if_absent()})),
            (Reply{.status = ReplyStatus::kPreconditionFailed, .revision = {2}, .current = {2}}));
  EXPECT_EQ(apply(put("other", "2", {if_exists()})),
            (Reply{.status = ReplyStatus::kPreconditionFailed, .revision = {2}, .current = {0}}));
  EXPECT_EQ(apply(remove("other", {if_exists()})),
            (Reply{.status = ReplyStatus::kPreconditionFailed, .revision = {2}, .current = {0}}));
  EXPECT_EQ(apply(Command{.act = AnnounceCommand{{7}, "http://n7"}}), (Reply{.revision = {2}}));
  apply_entries({next(EntryKind::kBarrier, {}), next(EntryKind::kMembers, Bytes("m"))});
  EXPECT_EQ(machine_->revision(), Revision{2});
  EXPECT_EQ(machine_->state_hash(), before.state_hash);
  EXPECT_EQ(store_->engine().changes({3}, 1).value().size(), 0u);
  EXPECT_EQ(machine_->applied().index, LogIndex{last_});
}

TEST_P(KvStateMachineTest, AllConditionsMustHold) {
  apply(put("k", "1"));
  EXPECT_EQ(apply(put("k", "2", {if_match({{2}}), if_exists()})).status, ReplyStatus::kOk);
  EXPECT_EQ(apply(put("k", "3", {if_match({{3}}), if_match({{2}})})).current, Revision{3});
  EXPECT_EQ(apply(remove("k", {if_match({{2}})})).status, ReplyStatus::kPreconditionFailed);
  EXPECT_EQ(apply(remove("k", {if_match({{2}, {3}})})).deleted, 1u);
  EXPECT_EQ(apply(put("k", "4", {if_absent()})).created, true);
}

TEST_P(KvStateMachineTest, EntriesOfOneBatchSeeEachOther) {
  const std::vector<Reply> replies = apply({
      put("a", "1", {if_absent()}),
      put("a", "2", {if_absent()}),
      put("a", "3", {if_match({{2}})}),
      put("b", "1"),
      remove_range("a", "b"),
      put("a", "4", {if_absent()}),
      remove("b"),
      remove("b"),
  });
  const std::vector<Reply> expected = {
      {.revision = {2}, .created = true},
      {.status = ReplyStatus::kPreconditionFailed, .revision = {2}, .current = {2}},
      {.revision = {3}},
      {.revision = {4}, .created = true},
      {.revision = {5}, .deleted = 1},
      {.revision = {6}, .created = true},
      {.revision = {7}, .deleted = 1},
      {.revision = {7}},
  };
  EXPECT_EQ(replies, expected);
  EXPECT_EQ(info("a"), (RowInfo{{6}, {6}, 1, 0}));
  // Each revision of the batch can be read.
  EXPECT_EQ(store_->engine().get("a", {3}, ReadTier::kDisk).value()->value, "3");
  EXPECT_EQ(store_->engine().get("a", {5}, ReadTier::kDisk).value(), std::nullopt);
}

TEST_P(KvStateMachineTest, ARangeTooLargeChangesNothing) {
  std::vector<Command> puts;
  puts.reserve(kRangeKeysMax);
  for (uint64_t i = 0; i < kRangeKeysMax; ++i) puts.push_back(put(fmt::format("k{}", i), ""));
  apply(puts);
  const Revision full = machine_->revision();
  // One too many, be it in the engine or only in this batch.
  EXPECT_EQ(apply({put("l", ""), remove_range("k", "")}).at(1),
            (Reply{.status = ReplyStatus::kRangeTooLarge, .revision = full + 1}));
  EXPECT_EQ(apply(remove_range("k", "")),
            (Reply{.status = ReplyStatus::kRangeTooLarge, .revision = full + 1}));
  EXPECT_EQ(apply(remove_range("k", "l")), (Reply{.revision = full + 2, .deleted = kRangeKeysMax}));
  EXPECT_EQ(machine_->state_hash(), store_->engine().get_info("l", full + 2).value()->hash);
}

TEST_P(KvStateMachineTest, ARangeOfTooManyBytesChangesNothing) {
  std::vector<Command> puts;
  for (uint64_t i = 0; i * kKeyBytesMax <= kRangeBytesMax; ++i) {
    puts.push_back(put(fmt::format("{:0>4096}", i), ""));
  }
  apply(puts);
  EXPECT_EQ(apply(remove_range("", "")).status, ReplyStatus::kRangeTooLarge);
  apply(remove(fmt::format("{:0>4096}", 7)));
  EXPECT_EQ(apply(remove_range("", "")).deleted, puts.size() - 1);
}

TEST_P(KvStateMachineTest, OnlyOwnEntriesAreAnswered) {
  std::vector<Completion> completions;
  machine_->apply(std::vector{next(EntryKind::kBarrier, {}, {2}),
                              next(EntryKind::kCommand, encode_command(put("a", "")), {2}),
                              next(EntryKind::kMembers, Bytes("m"), kSelf),
                              next(EntryKind::kCommand, encode_command(put("b", "")), kSelf)},
                  kSelf, completions);
  ASSERT_EQ(completions.size(), 2u);
  EXPECT_EQ(completions[0].request, RequestId{3});
  EXPECT_EQ(completions[0].reply, (Reply{.revision = {2}}));
  EXPECT_EQ(completions[1].request, RequestId{4});
  EXPECT_EQ(completions[1].reply, (Reply{.revision = {3}, .created = true}));
}

TEST_P(KvStateMachineTest, TimeNeverFalls) {
  const auto put_at = [this](Stamp stamp) {
    ++last_;
    return make_entry({last_}, EntryKind::kCommand, encode_command(put("k", "")), {}, stamp);
  };
  apply_entries({put_at({9, 100}), put_at({8, 50}), put_at({10, 101})});
  EXPECT_EQ(machine_->summary().cluster_ms, 10u);
  const std::vector<Change> changes = store_->engine().changes({0}, 9).value();
  std::vector<Stamp> times;
  times.reserve(changes.size());
  for (const Change& change : changes) times.push_back(change.made);
  EXPECT_EQ(times, (std::vector<Stamp>{{9, 100}, {9, 100}, {10, 101}}));
  reopen();
  apply_entries({put_at({7, 7})});
  EXPECT_EQ(store_->engine().changes({5}, 1).value().at(0).made, (Stamp{10, 101}));
  EXPECT_EQ(machine_->summary().cluster_ms, 10u);
}

TEST_P(KvStateMachineTest, WhatNodesSayAndWhoVotesIsKept) {
  apply({Command{.act = AnnounceCommand{{7}, "http://old"}},
         Command{.act = AnnounceCommand{{3}, std::string(1000, 'u')}},
         Command{.act = AnnounceCommand{{7}, "http://new"}}});
  apply_entries({next(EntryKind::kMembers, Bytes("first")),
                 next(EntryKind::kMembers, Bytes(std::string("second\0", 7)))});
  const ClientUrls expected = {{{3}, std::string(1000, 'u')}, {{7}, "http://new"}};
  for (const bool reopened : {false, true}) {
    if (reopened) reopen();
    EXPECT_EQ(*machine_->client_urls(), expected);
    EXPECT_EQ(machine_->members_payload(), std::string("second\0", 7));
  }
}

TEST_P(KvStateMachineTest, TheHashIsOfTheRowsThatExist) {
  apply({put("a", "1"), put("b", "1")});
  const uint64_t two_rows = machine_->state_hash();
  EXPECT_NE(two_rows, 0u);
  apply(put("c", "1"));
  EXPECT_NE(machine_->state_hash(), two_rows);
  apply(remove("c"));
  EXPECT_EQ(machine_->state_hash(), two_rows);
  apply(remove_range("", ""));
  EXPECT_EQ(machine_->state_hash(), 0u);
}

TEST_P(KvStateMachineTest, AFlushIsAskedForWhenTooMuchWouldBeReplayed) {
  reopen(10'000);
  const auto barriers = [this](size_t count) {
    std::vector<EntryPtr> entries;
    entries.reserve(count);
    for (size_t i = 0; i < count; ++i) entries.push_back(next(EntryKind::kBarrier, {}));
    apply_entries(entries);
  };
  barriers(100);  // 8,000 bytes
  EXPECT_EQ(machine_->durable(), LogIndex{0});
  // Entries that change nothing must be replayed as well. The flush takes its time.
  for (int i = 0; i < 100'000 && machine_->durable() == LogIndex{0}; ++i) barriers(10);
  EXPECT_GE(machine_->durable(), LogIndex{120});
  EXPECT_LE(machine_->durable(), machine_->applied().index);
}

TEST_P(KvStateMachineTest, AnyThreadMayLookOn) {
  std::atomic<bool> done = false;
  std::atomic<int> looks = 0;
  std::thread watcher([&] {
    Revision newest{1};
    LogIndex durable;
    while (!done || looks < 10) {
      const Revision revision = machine_->revision();
      EXPECT_GE(revision, newest);
      newest = revision;
      // Its rows can be read as soon as the revision can be seen.
      const auto row = store_->engine().get_info("k", revision).value();
      EXPECT_EQ(row ? row->mod_revision : Revision{1}, revision);
      EXPECT_GE(machine_->durable(), durable);
      durable = machine_->durable();
      const StateSummary summary = machine_->summary();
      EXPECT_EQ(summary.revision.value, summary.applied.index.value + 1);
      EXPECT_LE(machine_->client_urls()->size(), 1u);
      ++looks;
    }
  });
  for (int i = 0; i < 2000; ++i) {
    apply(put("k", std::to_string(i)));
    if (i % 100 == 0) store_->engine().start_flush();
  }
  done = true;
  watcher.join();
}

// Counts how often a single key is asked for.
class CountingEngine final : public EngineOver {
 public:
  using EngineOver::EngineOver;
  mutable int lookups = 0;

  Result<std::optional<Row>> get(std::string_view key, Revision at, ReadTier tier) const override {
    ++lookups;
    return EngineOver::get(key, at, tier);
  }
  Result<std::optional<RowInfo>> get_info(std::string_view key, Revision at) const override {
    ++lookups;
    return EngineOver::get_info(key, at);
  }
};

TEST(KvStateMachineCost, WhatIsNewestOfAKeyIsLookedUpOnce) {
  MemoryEngine memory;
  CountingEngine engine(memory);
  uint64_t last = 0;
  const auto lookups = [&](const Command& command) {
    // Opened anew, it knows of no key.
    auto machine = KvStateMachine::open(engine).value();
    ++last;
    const EntryPtr entry = make_entry({last}, EntryKind::kCommand, encode_command(command));
    std::vector<Completion> completions;
    engine.lookups = 0;
    machine->apply({&entry, 1}, kSelf, completions);
    return engine.lookups;
  };
  for (const std::string& key : {std::string("k"), std::string(kKeyBytesMax, 'k')}) {
    PutCommand with_prev{key, "v", {if_exists()}};
    with_prev.prev = true;
    PutCommand replace{key, "v", {}};
    replace.prev = true;
    DeleteCommand remove_with_prev{key, {if_exists()}, true};
    EXPECT_EQ(lookups(put(key, "v")), 1) << "a new one";
    EXPECT_EQ(lookups(put(key, "v")), 1);
    EXPECT_EQ(lookups(put(key, "v", {if_exists()})), 1);
    EXPECT_EQ(lookups({.act = with_prev}), 1);
    EXPECT_EQ(lookups({.act = TransactionCommand{{}, {replace}, {}}}), 1);
    EXPECT_EQ(lookups({.act = TransactionCommand{{}, {DeleteCommand{key, {}, true}}, {}}}), 1);
    EXPECT_EQ(lookups(remove(key)), 1) << "of what is not there";
    EXPECT_EQ(lookups(put(key, "v")), 1);
    EXPECT_EQ(lookups({.act = remove_with_prev}), 1);
    EXPECT_EQ(lookups(put(key, "v")), 1);
    EXPECT_EQ(lookups(remove(key, {if_exists()})), 1);
    EXPECT_EQ(lookups(put(key, "v")), 1);
    EXPECT_EQ(lookups(remove_range("", "")), 0) << "the scan has said it";
  }
}

TEST(KvStateMachineDeathTest, AnEntryIsAppliedOnceAndInOrder) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  MemoryEngine engine;
  const auto machine = KvStateMachine::open(engine).value();
  std::vector<Completion> completions;
  machine->apply(std::vector{make_entry({1}, EntryKind::kBarrier, {}),
                             make_entry({2}, EntryKind::kBarrier, {})},
                 kSelf, completions);
  for (const uint64_t index : {1u, 2u, 4u}) {
    const std::vector<EntryPtr> wrong = {make_entry({index}, EntryKind::kBarrier, {})};
    EXPECT_DEATH(machine->apply(wrong, kSelf, completions),
                 fmt::format("entry {} after entry 2", index));
  }
}

TEST(KvStateMachineDeathTest, AnEntryThatCannotBeUnderstoodStopsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  MemoryEngine engine;
  const auto machine = KvStateMachine::open(engine).value();
  std::vector<Completion> completions;
  const std::vector<EntryPtr> garbage = {make_entry({1}, EntryKind::kCommand, Bytes("garbage"))};
  EXPECT_DEATH(machine->apply(garbage, kSelf, completions), "fatal: log entry 1 of term 1 cannot");
  const std::vector<EntryPtr> unknown = {make_entry({1}, static_cast<EntryKind>(99), {})};
  EXPECT_DEATH(machine->apply(unknown, kSelf, completions), "fatal: log entry 1 is of the kind 99");
}

TEST_P(KvStateMachineTest, AHeadThatCannotBeReadIsNotOpened) {
  EngineBatch batch;
  batch.meta.emplace_back("format", encode_number(kStateFormat));
  batch.meta.emplace_back("head", "short");
  store_->engine().write(batch);
  const auto opened = KvStateMachine::open(store_->engine());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace holdfast
