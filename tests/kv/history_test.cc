// How much of the past the state machine keeps, and what the replicas have in common.

#include "storage/kv/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/kv/idempotency.h"
#include "tests/kv/commands.h"
#include "tests/kv/engine_over.h"
#include "tests/kv/expect_same.h"

namespace holdfast {
namespace {

constexpr uint64_t kMinute = 60'000;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kYear = 365 * 24 * kHour;

Command compact(uint64_t floor) {
  return {.act = CompactCommand{Revision{floor}}};
}
Command keep(uint64_t ms) {
  return {.act = SettingsCommand{ms}};
}
const Command kForget{.act = CompactCommand{}};
const Command kCheck{.act = HashCheckCommand{}};

class HistoryTest : public testing::TestWithParam<StoreKind> {
 protected:
  HistoryTest() { reopen(); }

  void reopen() { machine_ = KvStateMachine::open(store_->engine()).value(); }
  void crash() {
    machine_.reset();
    store_->crash(random_);
    reopen();
  }

  Reply at(uint64_t ms, const Command& command) { return all_at(ms, {command}).at(0); }
  // As one batch, at this time on the cluster's clock.
  std::vector<Reply> all_at(uint64_t ms, const std::vector<Command>& commands) {
    std::vector<EntryPtr> entries;
    for (const Command& command : commands) {
      const LogIndex index = machine_->applied().index + 1 + entries.size();
      entries.push_back(make_entry(index, EntryKind::kCommand, encode_command(command),
                                   {kSelf, {index.value}}, Stamp{ms, ms + calendar_ahead_ms_}));
    }
    std::vector<Completion> completions;
    machine_->apply(entries, kSelf, completions);
    std::vector<Reply> replies;
    for (const Completion& completion : completions) replies.push_back(completion.reply);
    return replies;
  }
  // What a leader would propose then.
  std::optional<Command> due(uint64_t ms) {
    const std::optional<Bytes> payload = machine_->upkeep(ms);
    return payload ? std::optional(decode_command(payload->view()).value()) : std::nullopt;
  }
  // The state goes on as a new cluster's, as a restore from a backup has it.
  void restore(Revision revision) {
    std::unique_ptr<TestStore> other = make_store(GetParam());
    auto machine = KvStateMachine::open(other->engine()).value();
    ASSERT_TRUE(machine_->checkpoint(store_->checkpoint_path("copy")));
    store_->send("copy", *other);
    ASSERT_TRUE(machine->install_as_new(other->checkpoint_path("copy"), {"members", revision}));
    machine_ = std::move(machine);
    store_ = std::move(other);
  }
  uint64_t floor() { return machine_->history_floor().value; }
  std::optional<Revision> made_by(uint64_t ms) {
    return revision_at(store_->engine(), ms, machine_->history_floor(), machine_->revision())
        .value();
  }

  uint64_t calendar_ahead_ms_ = 0;  // the leader's, of the cluster's clock
  Random random_{1};
  std::unique_ptr<TestStore> store_ = make_store(GetParam());
  std::unique_ptr<KvStateMachine> machine_;
};

INSTANTIATE_TEST_SUITE_P(Engines, HistoryTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(HistoryTest, TheFloorRisesToWhatIsAskedAndNeverFalls) {
  for (uint64_t i = 1; i < 5; ++i) at(i, put("k"));
  EXPECT_EQ(floor(), 1u);
  EXPECT_EQ(at(9, compact(4)).status, ReplyStatus::kOk);
  EXPECT_EQ(floor(), 4u);
  at(9, compact(3));
  EXPECT_EQ(floor(), 4u);
  EXPECT_EQ(at(9, compact(6)).status, ReplyStatus::kRevisionTooNew);
  EXPECT_EQ(floor(), 4u);
  at(9, compact(5));
  EXPECT_EQ(floor(), 5u);
}

TEST_P(HistoryTest, ByAgeTheFloorIsTheNewestRevisionThatIsOldEnough) {
  for (uint64_t i = 1; i <= 10; ++i) at(i * kMinute, put("k"));  // revision i + 1
  at(10 * kMinute, kCheck);
  EXPECT_EQ(due(kHour + kMinute - 1), std::nullopt);
  at(kHour + kMinute - 1, kForget);
  EXPECT_EQ(floor(), 1u);
  at(kHour + kMinute, kForget);
  EXPECT_EQ(floor(), 2u) << "an hour ago it was the newest: it must stay readable";
  at(kHour + 4 * kMinute + 1, kForget);
  EXPECT_EQ(floor(), 5u);
  at(9 * kHour, kForget);
  EXPECT_EQ(floor(), 11u) << "the newest revision always stays";
}

TEST_P(HistoryTest, AWrongCalendarNeitherForgetsNorKeeps) {
  for (uint64_t i = 1; i <= 5; ++i) at(i * kMinute, put("k"));  // revision i + 1
  calendar_ahead_ms_ = kYear;
  all_at(6 * kMinute, {put("k"), kCheck});
  EXPECT_EQ(due(6 * kMinute), std::nullopt);
  at(6 * kMinute, kForget);
  EXPECT_EQ(floor(), 1u) << "nothing is an hour old";
  // The next leader's is right again, and the times on the calendar stand still for a year.
  calendar_ahead_ms_ = 0;
  all_at(7 * kMinute, {put("k"), kCheck});
  EXPECT_EQ(due(kHour + kMinute), kForget);
  all_at(kHour + 5 * kMinute, {kForget, kCheck});
  EXPECT_EQ(floor(), 6u);
  EXPECT_EQ(due(kHour + 6 * kMinute - 1), std::nullopt);
  EXPECT_EQ(due(kHour + 6 * kMinute), kForget) << "the first that was made while it was wrong";
  at(kHour + 7 * kMinute, kForget);
  EXPECT_EQ(floor(), 8u);
}

// A new cluster's clock goes on from the old one's, however long the backup lay.
TEST_P(HistoryTest, ThePastThatWasPutBackIsKeptAsLong) {
  for (uint64_t i = 1; i <= 5; ++i) at(i * kMinute, put("k"));
  restore({1'000});
  EXPECT_EQ(machine_->summary().cluster_ms, 5 * kMinute);
  calendar_ahead_ms_ = kYear;
  all_at(6 * kMinute, {put("k"), kForget, kCheck});
  EXPECT_EQ(floor(), 1u);
  EXPECT_EQ(due(kHour + kMinute - 1), std::nullopt);
  EXPECT_EQ(due(kHour + kMinute), kForget);
  at(kHour + 4 * kMinute, kForget);
  EXPECT_EQ(floor(), 5u);
  at(kHour + 6 * kMinute, kForget);
  EXPECT_EQ(floor(), 1'001u);
}

TEST_P(HistoryTest, TheBatchAtHandCounts) {
  all_at(kMinute, {put("a"), put("b"), compact(3), kForget, put("c")});
  EXPECT_EQ(floor(), 3u);
  all_at(3 * kHour, {kForget});
  EXPECT_EQ(floor(), 4u);
  // The same entries in one batch, as a replica that catches up may see them.
  const std::unique_ptr<TestStore> other = make_store(GetParam());
  auto machine = KvStateMachine::open(other->engine()).value();
  std::vector<EntryPtr> entries;
  uint64_t index = 0;
  const auto add = [&](uint64_t ms, const Command& command) {
    ++index;
    entries.push_back(make_entry({index}, EntryKind::kCommand, encode_command(command),
                                 {kSelf, {index}}, Stamp{ms, ms}));
  };
  add(kMinute, put("a"));
  add(kMinute, put("b"));
  add(kMinute, compact(3));
  add(kMinute, kForget);
  add(kMinute, put("c"));
  add(3 * kHour, kForget);
  std::vector<Completion> completions;
  machine->apply(entries, kSelf, completions);
  EXPECT_EQ(machine->history_floor().value, 4u);
  EXPECT_EQ(machine->state_hash(), machine_->state_hash());
}

TEST_P(HistoryTest, ALeaderForgetsWhenThereIsSomethingAndNotTooOften) {
  EXPECT_EQ(due(9 * kHour), std::nullopt) << "an empty store has no past";
  all_at(0, {put("k"), kCheck});
  EXPECT_EQ(due(kHour - 1), std::nullopt);
  EXPECT_EQ(due(kHour), kForget);
  at(kHour, kForget);
  EXPECT_EQ(floor(), 2u);
  at(kHour, kCheck);
  EXPECT_EQ(due(9 * kHour), std::nullopt) << "all that is left is the newest revision";
  for (uint64_t i = 1; i <= 4; ++i) at(kHour + i, put("k"));
  at(kHour + 4, kCheck);
  EXPECT_EQ(due(2 * kHour), std::nullopt);
  EXPECT_EQ(due(2 * kHour + 1), kForget);
  all_at(2 * kHour + 1, {kForget, kCheck});
  EXPECT_EQ(floor(), 3u);
  EXPECT_EQ(due(2 * kHour + 2), std::nullopt) << "at most every 10 s";
  EXPECT_EQ(due(2 * kHour + 10'000), std::nullopt);
  EXPECT_EQ(due(2 * kHour + 10'001), kForget);
}

TEST_P(HistoryTest, HowLongThePastIsKeptIsReplicatedAndSurvives) {
  all_at(0, {put("k"), put("k"), keep(2 * kHour), kCheck});
  EXPECT_EQ(machine_->settings().keep_history_ms, 2 * kHour);
  EXPECT_EQ(due(kHour), std::nullopt);
  EXPECT_EQ(due(2 * kHour), kForget);
  ASSERT_TRUE(store_->engine().flush());
  crash();
  EXPECT_EQ(machine_->settings().keep_history_ms, 2 * kHour);
  EXPECT_EQ(due(kHour), std::nullopt);
  EXPECT_EQ(due(2 * kHour), kForget);
  at(2 * kHour, kForget);
  EXPECT_EQ(floor(), 3u);
}

TEST_P(HistoryTest, NothingIsForgottenThatACrashCouldBringBack) {
  for (uint64_t i = 1; i <= 5; ++i) at(i, put("k"));
  ASSERT_TRUE(store_->engine().flush());
  at(6, compact(5));
  // The floor is not durable yet: a crash may bring back the one before, and its reads.
  store_->reclaim();
  EXPECT_TRUE(store_->engine().get("k", {2}, ReadTier::kDisk).value());
  EXPECT_EQ(store_->engine().made({2})->cluster_ms, 1u);
  ASSERT_TRUE(store_->engine().flush());
  at(7, put("other"));
  store_->reclaim();
  const auto gone = store_->engine().get("k", {2}, ReadTier::kDisk);
  EXPECT_TRUE(!gone || !*gone);
  EXPECT_TRUE(store_->engine().get("k", {5}, ReadTier::kDisk).value());
  crash();
  EXPECT_EQ(floor(), 5u);
}

TEST_P(HistoryTest, ARevisionIsFoundByTime) {
  EXPECT_EQ(made_by(0), Revision{1});
  EXPECT_EQ(made_by(9), Revision{1});
  for (uint64_t i = 1; i <= 200; ++i) at(i / 2 * 10, put("k"));  // in pairs; revision i + 1
  EXPECT_EQ(made_by(9), Revision{2});
  EXPECT_EQ(made_by(10), Revision{4});
  EXPECT_EQ(made_by(500), Revision{102});
  EXPECT_EQ(made_by(509), Revision{102});
  EXPECT_EQ(made_by(999), Revision{200});
  EXPECT_EQ(made_by(99'999), Revision{201});
  at(1000, compact(102));
  EXPECT_EQ(made_by(500), Revision{102});
  EXPECT_EQ(made_by(499), std::nullopt);
}

TEST_P(HistoryTest, TheTimeThatIsAskedForIsTheCalendars) {
  calendar_ahead_ms_ = kYear;
  for (uint64_t i = 1; i <= 3; ++i) at(i, put("k"));
  EXPECT_EQ(made_by(kYear), Revision{1});
  EXPECT_EQ(made_by(kYear + 2), Revision{3});
  at(4, compact(3));
  EXPECT_EQ(made_by(kYear + 2), Revision{3});
  EXPECT_EQ(made_by(kYear + 1), std::nullopt) << "it is not kept";
}

// A state that was put back goes on at a revision far above its newest change.
TEST_P(HistoryTest, TimesAreFoundAcrossAGapInTheRevisions) {
  for (uint64_t i = 1; i <= 5; ++i) at(100 * i, put("k"));
  restore({1'000});
  EXPECT_EQ(made_by(499), Revision{5});
  EXPECT_EQ(made_by(500), Revision{1'000}) << "nothing was changed behind it";
  store_->reclaim();  // now the feed's files are such as go as a whole
  at(600, compact(900));
  EXPECT_EQ(made_by(499), std::nullopt);
  EXPECT_EQ(made_by(500), Revision{1'000});
  ASSERT_TRUE(store_->engine().flush());
  at(600, kCheck);  // now the engine is told
  EXPECT_EQ(made_by(499), std::nullopt);
  EXPECT_EQ(made_by(500), Revision{1'000});
  at(700, put("k"));
  EXPECT_EQ(made_by(499), std::nullopt);
  EXPECT_EQ(made_by(500), Revision{1'000});
  EXPECT_EQ(made_by(699), Revision{1'000});
  EXPECT_EQ(made_by(700), Revision{1'001});
  EXPECT_EQ(due(kHour + 699), kForget);
  at(kHour + 699, kForget);
  EXPECT_EQ(floor(), 1'000u);
  EXPECT_EQ(made_by(500), Revision{1'000});
  EXPECT_EQ(made_by(499), std::nullopt);
}

TEST_P(HistoryTest, AStateThatIsInstalledBringsItsFloor) {
  const std::unique_ptr<TestStore> other = make_store(GetParam());
  auto machine = KvStateMachine::open(other->engine()).value();
  for (uint64_t i = 1; i <= 5; ++i) at(i, put("k"));
  all_at(6, {compact(4), keep(kMinute), kCheck});
  ASSERT_TRUE(machine_->checkpoint(store_->checkpoint_path("copy")));
  store_->send("copy", *other);
  ASSERT_TRUE(machine->install(other->checkpoint_path("copy")));
  EXPECT_EQ(machine->history_floor(), Revision{4});
  EXPECT_EQ(machine->settings().keep_history_ms, kMinute);
  EXPECT_EQ(*machine->hash_check(), *machine_->hash_check());
  EXPECT_EQ(machine->state_hash(), machine_->state_hash());
}

// Tells when another state is about to take the place of this one.
class InstallingEngine final : public EngineOver {
 public:
  using EngineOver::EngineOver;
  std::function<void()> on_install;

  Result<> install(const std::string& directory, const NamedValues& meta) override {
    on_install();
    return EngineOver::install(directory, meta);
  }
};

TEST_P(HistoryTest, ReadersAreRefusedBeforeAStateWithoutTheirPastIsThere) {
  for (uint64_t i = 1; i <= 5; ++i) at(i, put("k"));
  at(6, compact(4));
  ASSERT_TRUE(machine_->checkpoint(store_->checkpoint_path("copy")));
  const std::unique_ptr<TestStore> other = make_store(GetParam());
  store_->send("copy", *other);
  InstallingEngine engine(other->engine());
  auto machine = KvStateMachine::open(engine).value();
  Revision floor;
  engine.on_install = [&] { floor = machine->history_floor(); };
  ASSERT_TRUE(machine->install(other->checkpoint_path("copy")));
  EXPECT_EQ(floor, Revision{4});
}

TEST_P(HistoryTest, ACheckNotesTheHashBehindItsEntry) {
  EXPECT_EQ(machine_->hash_check()->index, LogIndex{});
  const std::vector<Reply> replies = all_at(1'000, {put("a"), kCheck, put("b")});
  const HashCheck check = *machine_->hash_check();
  EXPECT_EQ(check.index, LogIndex{2});
  EXPECT_EQ(check.revision, Revision{2});
  EXPECT_EQ(check.cluster_ms, 1'000u);
  EXPECT_NE(check.hash, machine_->state_hash());

  const std::unique_ptr<TestStore> other = make_store(GetParam());
  auto machine = KvStateMachine::open(other->engine()).value();
  const EntryPtr first = make_entry({1}, EntryKind::kCommand, encode_command(put("a")),
                                    {kSelf, {1}}, Stamp{1'000, 1'000});
  std::vector<Completion> completions;
  machine->apply({&first, 1}, kSelf, completions);
  EXPECT_EQ(machine->state_hash(), check.hash);

  const auto report = [&](uint64_t node, uint64_t index, uint64_t hash) {
    at(2'000, {.act = HashReportCommand{{node}, {index}, hash}});
  };
  report(7, 2, 70);
  report(8, 1, 80);
  report(9, 3, 90);
  report(7, 2, 71);
  EXPECT_THAT(machine_->hash_check()->reports, testing::ElementsAre(testing::Pair(NodeId{7}, 71)));
  EXPECT_NE(machine_->state_hash(), check.hash);
  ASSERT_TRUE(store_->engine().flush());
  const HashCheck kept = *machine_->hash_check();
  crash();
  EXPECT_EQ(*machine_->hash_check(), kept);
  at(20'000, kCheck);
  EXPECT_TRUE(machine_->hash_check()->reports.empty());
}

TEST_P(HistoryTest, ACheckCountsWhatItsOwnEntryLetsGo) {
  Command named = put("a");
  named.once = Once{"name", {1, 2}};
  at(0, named);
  const uint64_t before = machine_->state_hash();
  at(Idempotency::kLifeMs, kCheck);
  EXPECT_NE(machine_->state_hash(), before) << "the answer is not kept any more";
  EXPECT_EQ(machine_->hash_check()->hash, machine_->state_hash());
}

TEST_P(HistoryTest, WhatEndsAllTheTimeHoldsUpNoCheckAndNoFloor) {
  at(0, keep(Settings::kKeepHistoryMsMin));
  int expiries = 0;
  for (uint64_t ms = 0; ms < 40'000; ms += 100) {
    PutCommand ends{fmt::format("{}", ms), "v", {}};
    ends.ttl_ms = kTtlMsMin;
    at(ms, {.act = ends});
    // One proposal at each turn, and a key's time is over at each.
    const std::optional<Command> next = due(ms);
    if (!next) continue;
    at(ms, *next);
    expiries += next->act.index() == Command{.act = ExpireCommand{}}.act.index() ? 1 : 0;
  }
  EXPECT_GT(expiries, 370) << "of 400 turns";
  EXPECT_GT(floor(), 100u);
  EXPECT_GT(machine_->hash_check()->cluster_ms, 25'000u);
  EXPECT_LT(read_rows(store_->engine(), {.at = machine_->revision()}).size(), 20u);
}

TEST_P(HistoryTest, AHashIsCheckedTenSecondsAfterAChange) {
  EXPECT_EQ(due(9'999), std::nullopt) << "nothing was changed";
  at(1, put("k"));
  EXPECT_EQ(due(9'999), std::nullopt);
  EXPECT_EQ(due(10'000), kCheck);
  at(10'000, kCheck);
  at(10'001, {.act = HashReportCommand{{1}, machine_->hash_check()->index, 1}});
  EXPECT_EQ(due(90'000), std::nullopt) << "a check and its reports are no change";
  at(90'000, put("k"));
  EXPECT_EQ(due(90'000), kCheck);
  at(90'000, kCheck);
  at(90'000, put("k"));
  EXPECT_EQ(due(99'999), std::nullopt);
  EXPECT_EQ(due(100'000), kCheck);
}

}  // namespace
}  // namespace holdfast
