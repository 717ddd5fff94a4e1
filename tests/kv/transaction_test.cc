// Transactions in the state machine: atomic, one revision, decided by what was applied before.

#include "storage/kv/transaction.h"

#include <gtest/gtest.h>

#include "tests/kv/commands.h"
#include "tests/kv/kv_model.h"

namespace holdfast {
namespace {

using Target = Compare::Target;
using Relation = Compare::Relation;

ScanOperation scan(std::string start, std::string end, uint64_t limit = kRangeKeysMax) {
  return {.start = std::move(start), .end = std::move(end), .limit = limit};
}
Compare compare(std::string key, Target target, Relation relation, uint64_t number) {
  return {std::move(key), target, relation, number, ""};
}

class TransactionTest : public testing::TestWithParam<StoreKind> {
 protected:
  TransactionTest() : machine_(KvStateMachine::open(store_->engine()).value()) {}

  Reply apply(Command command) {
    ++last_;
    const EntryPtr entry = make_entry({last_}, EntryKind::kCommand,
                                      encode_command(std::move(command)), {kSelf, {last_}});
    std::vector<Completion> completions;
    machine_->apply(std::vector<EntryPtr>{entry}, kSelf, completions);
    return completions.at(0).reply;
  }
  Reply run(std::vector<Operation> then, std::vector<Compare> compares = {},
            std::vector<Operation> otherwise = {}) {
    return apply(
        {.act = TransactionCommand{std::move(compares), std::move(then), std::move(otherwise)}});
  }
  bool holds(Compare one) {
    const Reply reply = run({}, {std::move(one)});
    EXPECT_EQ(reply.status, ReplyStatus::kOk);
    return reply.succeeded;
  }
  std::string value(const std::string& key) {
    const auto row = store_->engine().get(key, machine_->revision(), ReadTier::kDisk).value();
    return row ? row->value : "nothing";
  }
  // Many keys under a prefix, with values of this size.
  void fill(const std::string& prefix, size_t count, size_t value_bytes = 0) {
    for (size_t done = 0; done < count;) {
      TransactionCommand transaction;
      for (size_t i = 0; i < 5'000 && done < count; ++i, ++done)
        transaction.then.emplace_back(
            put_act(fmt::format("{}{:06}", prefix, done), std::string(value_bytes, 'v')));
      ASSERT_EQ(apply({.act = std::move(transaction)}).status, ReplyStatus::kOk);
    }
  }

  std::unique_ptr<TestStore> store_ = make_store(GetParam());
  std::unique_ptr<KvStateMachine> machine_;
  uint64_t last_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Engines, TransactionTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(TransactionTest, IsOneRevisionHoweverMuchItChanges) {
  apply({.act = put_act("old")});
  const Reply reply =
      run({put_act("a"), put_act("b"), DeleteCommand{"old", {}}, put_act("a", "again")});
  EXPECT_EQ(reply.revision, Revision{3});
  EXPECT_TRUE(reply.succeeded);
  ASSERT_EQ(reply.results.size(), 4u);
  EXPECT_TRUE(reply.results[0].created);
  EXPECT_FALSE(reply.results[3].created);
  EXPECT_EQ(reply.results[2].deleted, 1u);
  EXPECT_EQ(value("a"), "again");
  EXPECT_EQ(value("old"), "nothing");
  const std::vector<Change> changes = read_changes(store_->engine(), {3});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].keys, (std::vector<std::string>{"a", "b", "old"}));
}

TEST_P(TransactionTest, WhatChangesNothingTakesNoRevision) {
  apply({.act = put_act("a")});
  EXPECT_EQ(run({}).revision, Revision{2});
  EXPECT_EQ(run({GetOperation{"a"}, DeleteCommand{"b", {}}, scan("", "")}).revision, Revision{2});
  EXPECT_EQ(apply({.act = put_act("a")}).revision, Revision{3});
}

TEST_P(TransactionTest, OperationsSeeWhatThoseBeforeThemDid) {
  apply({.act = put_act("a", "1")});
  const Reply reply =
      run({put_act("b", "2"), GetOperation{"b"}, DeleteCommand{"a", {}}, GetOperation{"a"},
           scan("a", "z"), put_act("a", "3", true), put_act("b", "4", true),
           DeleteCommand{"b", {}, true}, DeleteRangeCommand{"a", ""}, scan("", "")});
  ASSERT_EQ(reply.results.size(), 10u);
  ASSERT_EQ(reply.results[1].items.size(), 1u);
  EXPECT_EQ(reply.results[1].items[0].row.value, "2");
  EXPECT_EQ(reply.results[1].items[0].row.info.mod_revision, reply.revision);
  EXPECT_TRUE(reply.results[3].items.empty());
  ASSERT_EQ(reply.results[4].items.size(), 1u);
  EXPECT_EQ(reply.results[4].items[0].key, "b");
  EXPECT_TRUE(reply.results[5].wants_prev);
  EXPECT_TRUE(reply.results[5].items.empty()) << "it was deleted before";
  EXPECT_EQ(reply.results[6].items.at(0).row.value, "2");
  EXPECT_EQ(reply.results[7].items.at(0).row.value, "4");
  EXPECT_EQ(reply.results[8].deleted, 1u);
  EXPECT_EQ(reply.results[9].count, 0u);
}

TEST_P(TransactionTest, ComparesAreJudgedBeforeAnyOperation) {
  apply({.act = put_act("a", "1")});
  const Reply reply = run({put_act("a", "2"), GetOperation{"a"}},
                          {compare("a", Target::kVersion, Relation::kEqual, 1)}, {put_act("b")});
  EXPECT_TRUE(reply.succeeded);
  const Reply second =
      run({put_act("a", "3")}, {compare("a", Target::kVersion, Relation::kEqual, 1)},
          {put_act("b"), GetOperation{"a"}});
  EXPECT_FALSE(second.succeeded);
  EXPECT_EQ(second.results.size(), 2u);
  EXPECT_EQ(value("a"), "2");
  EXPECT_EQ(value("b"), "v");
}

TEST_P(TransactionTest, EachTargetAndRelation) {
  apply({.act = put_act("x")});
  apply({.act = put_act("a", "m")});
  apply({.act = put_act("a", "m")});  // created at 3, changed at 4, version 2
  struct Row {
    Target target;
    uint64_t number;
  };
  for (const auto& [target, number] :
       {Row{Target::kVersion, 2}, Row{Target::kCreateRevision, 3}, Row{Target::kModRevision, 4}}) {
    SCOPED_TRACE(static_cast<int>(target));
    EXPECT_TRUE(holds(compare("a", target, Relation::kEqual, number)));
    EXPECT_FALSE(holds(compare("a", target, Relation::kEqual, number + 1)));
    EXPECT_TRUE(holds(compare("a", target, Relation::kNotEqual, number + 1)));
    EXPECT_FALSE(holds(compare("a", target, Relation::kNotEqual, number)));
    EXPECT_TRUE(holds(compare("a", target, Relation::kLess, number + 1)));
    EXPECT_FALSE(holds(compare("a", target, Relation::kLess, number)));
    EXPECT_TRUE(holds(compare("a", target, Relation::kLessOrEqual, number)));
    EXPECT_FALSE(holds(compare("a", target, Relation::kLessOrEqual, number - 1)));
    EXPECT_TRUE(holds(compare("a", target, Relation::kGreater, number - 1)));
    EXPECT_FALSE(holds(compare("a", target, Relation::kGreater, number)));
    EXPECT_TRUE(holds(compare("a", target, Relation::kGreaterOrEqual, number)));
    EXPECT_FALSE(holds(compare("a", target, Relation::kGreaterOrEqual, number + 1)));
    EXPECT_TRUE(holds(compare("none", target, Relation::kEqual, 0)));
  }
  EXPECT_TRUE(holds(compare("a", Target::kExists, Relation::kEqual, 1)));
  EXPECT_TRUE(holds(compare("none", Target::kExists, Relation::kEqual, 0)));
  EXPECT_FALSE(holds(compare("none", Target::kExists, Relation::kNotEqual, 0)));
  const auto of_value = [](const char* key, Relation relation, const char* with) {
    return Compare{key, Target::kValue, relation, 0, with};
  };
  EXPECT_TRUE(holds(of_value("a", Relation::kEqual, "m")));
  EXPECT_TRUE(holds(of_value("a", Relation::kLess, "ma")));
  EXPECT_TRUE(holds(of_value("a", Relation::kLess, "\xff"))) << "bytes have no sign";
  EXPECT_TRUE(holds(of_value("a", Relation::kGreater, "")));
  for (const Relation relation : {Relation::kEqual, Relation::kNotEqual, Relation::kLess})
    EXPECT_FALSE(holds(of_value("none", relation, ""))) << "there is no value to compare";
}

TEST_P(TransactionTest, LeasesAreComparedAndBound) {
  const LeaseId lease{0x77};
  apply({.act = GrantLeaseCommand{lease, 5'000}});
  PutCommand bound = put_act("a");
  bound.lease = lease;
  EXPECT_TRUE(holds(compare("a", Target::kLease, Relation::kEqual, 0)));
  run({bound});
  EXPECT_TRUE(holds(compare("a", Target::kLease, Relation::kEqual, lease.value)));
  EXPECT_EQ(store_->engine().scan_meta("bound/", "", 9).value().size(), 1u);
  // Bound, and deleted again, in one: nothing is left of the bond.
  run({DeleteCommand{"a", {}}, bound, DeleteCommand{"a", {}}});
  EXPECT_EQ(store_->engine().scan_meta("bound/", "", 9).value().size(), 0u);
  bound.lease = {0x78};
  const StateSummary before = machine_->summary();
  const Reply refused = run({put_act("x"), bound, put_act("y")});
  EXPECT_EQ(refused.status, ReplyStatus::kLeaseNotFound);
  EXPECT_EQ(refused.lease, LeaseId{0x78});
  EXPECT_EQ(refused.refused, 2u);
  EXPECT_TRUE(refused.results.empty());
  EXPECT_EQ(value("x"), "nothing");
  EXPECT_EQ(machine_->summary().state_hash, before.state_hash);
  EXPECT_EQ(machine_->revision(), before.revision);
}

TEST_P(TransactionTest, ScansHaveLimitsAndSayThatThereIsMore) {
  run({put_act("a"), put_act("b"), put_act("c")});
  ScanOperation keys = scan("", "", 2);
  keys.keys_only = true;
  keys.reverse = true;
  ScanOperation count = scan("", "b");
  count.count_only = true;
  const Reply reply = run({scan("", "", 2), scan("", "", 3), keys, count});
  EXPECT_EQ(reply.results[0].count, 2u);
  EXPECT_TRUE(reply.results[0].more);
  EXPECT_EQ(reply.results[1].count, 3u);
  EXPECT_FALSE(reply.results[1].more);
  ASSERT_EQ(reply.results[2].items.size(), 2u);
  EXPECT_EQ(reply.results[2].items[0].key, "c");
  EXPECT_EQ(reply.results[2].items[0].row.value, "");
  EXPECT_EQ(reply.results[3].count, 1u);
  EXPECT_TRUE(reply.results[3].items.empty());
}

TEST_P(TransactionTest, NothingIsChangedBeyondWhatOneEntryMay) {
  fill("k", kRangeKeysMax);
  const StateSummary before = machine_->summary();
  // As many keys as one entry may change, and one more.
  const Reply keys = run({DeleteRangeCommand{"k", "l"}, put_act("one more")});
  EXPECT_EQ(keys.status, ReplyStatus::kRangeTooLarge);
  EXPECT_EQ(keys.refused, 2u);
  // What was deleted is not passed over for nothing, again and again.
  ScanOperation again = scan("k", "l");
  again.count_only = true;
  EXPECT_EQ(run({DeleteRangeCommand{"k", "l"}, again}).status, ReplyStatus::kRangeTooLarge);
  // As many bytes.
  std::vector<Operation> large;
  for (int i = 0; i < 3; ++i)
    large.emplace_back(put_act(fmt::format("{}", i), std::string(6 << 20, 'x')));
  const Reply bytes = run(large);
  EXPECT_EQ(bytes.status, ReplyStatus::kRangeTooLarge);
  EXPECT_EQ(bytes.refused, 3u);
  EXPECT_EQ(machine_->summary().state_hash, before.state_hash);
  EXPECT_EQ(machine_->revision(), before.revision);
  EXPECT_EQ(value("0"), "nothing");
  EXPECT_EQ(run({DeleteRangeCommand{"k", "l"}}).results[0].deleted, kRangeKeysMax);
}

TEST_P(TransactionTest, NoMoreIsReadThanTheAnswerMayHold) {
  const std::string large(8 << 20, 'x');
  apply({.act = put_act("large", large)});
  apply({.act = put_act("small", "s")});
  EXPECT_EQ(run({GetOperation{"large"}}).results[0].items[0].row.value.size(), large.size());
  const Reply twice = run({put_act("a"), GetOperation{"large"}, GetOperation{"large"}});
  EXPECT_EQ(twice.status, ReplyStatus::kReadTooLarge);
  EXPECT_EQ(twice.refused, 3u);
  EXPECT_EQ(value("a"), "nothing");
  EXPECT_EQ(run({put_act("large", "", true), GetOperation{"small"}, scan("l", "")}).status,
            ReplyStatus::kOk);
  apply({.act = put_act("large", large)});
  // A compare of values reads, too.
  const Compare equal{"large", Target::kValue, Relation::kEqual, 0, large.substr(1)};
  const Compare other{"large", Target::kValue, Relation::kNotEqual, 0, "y"};
  const Reply compares = run({put_act("a")}, {other, other}, {put_act("b")});
  EXPECT_EQ(compares.status, ReplyStatus::kReadTooLarge);
  EXPECT_EQ(compares.refused, 0u);
  EXPECT_FALSE(run({put_act("a")}, {equal}).succeeded);
  EXPECT_EQ(value("b"), "nothing");
}

TEST_P(TransactionTest, RowsOfItsOwnArePassedOverLikeAnyOther) {
  constexpr size_t kOwn = 1'000;
  ScanOperation count = scan("k", "l");
  count.count_only = true;
  for (const bool deleted : {true, false}) {
    std::vector<Operation> operations;
    for (size_t i = 0; i < kOwn; ++i) operations.emplace_back(put_act(fmt::format("k{:03}", i)));
    operations.resize(kOwn + kRangeKeysMax / kOwn, count);
    // Deletes pass, too, the second of what is deleted already.
    if (deleted) std::fill_n(operations.rbegin(), 2, DeleteRangeCommand{"k", "l"});
    operations.emplace_back(scan("k000", "k001"));
    const Reply beyond = run(operations);
    EXPECT_EQ(beyond.status, ReplyStatus::kRangeTooLarge);
    EXPECT_EQ(beyond.refused, operations.size());
    EXPECT_EQ(value("k000"), "nothing");
    operations.pop_back();
    EXPECT_EQ(run(operations).status, ReplyStatus::kOk);
    EXPECT_EQ(value("k000"), deleted ? "nothing" : "v");
  }
}

TEST_P(TransactionTest, EachKeyThatIsShownCounts) {
  const uint64_t half = kReadBytesMax / 2;
  apply({.act = put_act("a", std::string(half, 'x'))});
  apply({.act = put_act("b", std::string(kReadBytesMax - half - 2 * (1 + kItemBytes), 'x'))});
  EXPECT_EQ(run({scan("", "")}).status, ReplyStatus::kOk);
  EXPECT_EQ(run({scan("", ""), GetOperation{"none"}, scan("c", "")}).status, ReplyStatus::kOk);
  apply({.act = put_act("a", std::string(half + 1, 'x'))});
  EXPECT_EQ(run({scan("", "")}).status, ReplyStatus::kReadTooLarge);
}

TEST_P(TransactionTest, OfTenThousandOperations) {
  TransactionCommand transaction;
  for (size_t i = 0; i < kOperationsMax; ++i)
    transaction.then.emplace_back(put_act(fmt::format("{}", i % 100), fmt::format("{}", i)));
  const Reply reply = apply({.act = transaction});
  EXPECT_EQ(reply.results.size(), kOperationsMax);
  EXPECT_EQ(value("99"), "9999");
  EXPECT_EQ(store_->engine().get_info("99", reply.revision).value()->version, 100u);
  transaction.then.emplace_back(put_act("one more"));
  EXPECT_DEATH(encode_command({.act = transaction}), "10001");
}

TEST_P(TransactionTest, PutsAndDeletesSayWhatTheyReplaced) {
  PutCommand first = put_act("a", "1", true);
  const Reply nothing = apply({.act = first});
  EXPECT_TRUE(nothing.wants_prev);
  EXPECT_FALSE(nothing.prev);
  first.value = "2";
  const Reply replaced = apply({.act = first});
  ASSERT_TRUE(replaced.prev);
  EXPECT_EQ(replaced.prev->value, "1");
  EXPECT_EQ(replaced.prev->info.mod_revision, nothing.revision);
  EXPECT_EQ(apply({.act = DeleteCommand{"a", {}, true}}).prev->value, "2");
  EXPECT_FALSE(apply({.act = DeleteCommand{"a", {}, true}}).prev);
}

}  // namespace
}  // namespace holdfast
