// Answers that are kept: the same change is made once, for ten minutes of the cluster's clock.

#include "storage/kv/idempotency.h"

#include <gtest/gtest.h>

#include "tests/kv/commands.h"
#include "tests/kv/kv_model.h"

namespace holdfast {
namespace {

constexpr uint64_t kLife = Idempotency::kLifeMs;

Command named(Command command, std::string key, uint64_t fingerprint = 1) {
  command.once = Once{std::move(key), {fingerprint, 2}};
  return command;
}

class IdempotencyTest : public testing::TestWithParam<StoreKind> {
 protected:
  IdempotencyTest() { reopen(); }

  void reopen() { machine_ = KvStateMachine::open(store_->engine()).value(); }

  Reply at(uint64_t now_ms, const Command& command) { return all_at(now_ms, {command}).at(0); }
  // As one batch.
  std::vector<Reply> all_at(uint64_t now_ms, const std::vector<Command>& commands) {
    std::vector<EntryPtr> entries;
    for (const Command& command : commands) {
      ++last_;
      entries.push_back(make_entry({last_}, EntryKind::kCommand, encode_command(command),
                                   {kSelf, {last_}}, Stamp{now_ms, 0}));
    }
    std::vector<Completion> completions;
    machine_->apply(entries, kSelf, completions);
    std::vector<Reply> replies;
    for (Completion& completion : completions) replies.push_back(std::move(completion.reply));
    return replies;
  }
  size_t kept() { return store_->engine().scan_meta("once/", "", SIZE_MAX).value().size(); }
  bool nothing_is_left() { return store_->engine().scan_meta("once", "", 1).value().empty(); }

  std::unique_ptr<TestStore> store_ = make_store(GetParam());
  std::unique_ptr<KvStateMachine> machine_;
  uint64_t last_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Engines, IdempotencyTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(IdempotencyTest, TheSameChangeIsMadeOnceAndAnsweredAlike) {
  const Command once = named(put("a"), "n");
  const Reply first = at(0, once);
  EXPECT_TRUE(first.created);
  at(1, put("a", "other"));
  Reply again = at(2, once);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.revision, first.revision);
  again.replayed = false;
  EXPECT_EQ(again, first);
  EXPECT_EQ(store_->engine().get("a", machine_->revision(), ReadTier::kDisk).value()->value,
            "other");
  // Also within one batch, before anything of it is in the engine.
  const std::vector<Reply> batch = all_at(3, {named(put("b"), "m"), named(put("b"), "m")});
  EXPECT_FALSE(batch[0].replayed);
  EXPECT_TRUE(batch[1].replayed);
  EXPECT_EQ(batch[1].revision, batch[0].revision);
}

TEST_P(IdempotencyTest, WhatWasDecidedIsKeptIfItWasARefusal) {
  PutCommand guarded{"a", "v", {{.kind = Condition::Kind::kMatch, .any = true, .revisions = {}}}};
  PutCommand leased{"a", "v", {}};
  leased.lease = {5};
  const std::vector<Command> refused = {
      {.act = guarded}, {.act = leased}, {.act = RevokeLeaseCommand{{5}}}};
  for (size_t i = 0; i < refused.size(); ++i) {
    const Command once = named(refused[i], fmt::format("{}", i));
    Reply first = at(0, once);
    EXPECT_NE(first.status, ReplyStatus::kOk);
    at(1, put("a"));
    at(1, {.act = GrantLeaseCommand{{5}, 5'000}});
    first.replayed = true;
    EXPECT_EQ(at(2, once), first) << "now it would pass, but it was decided";
    at(3, {.act = DeleteCommand{"a", {}}});
    at(3, {.act = RevokeLeaseCommand{{5}}});
  }
}

TEST_P(IdempotencyTest, AnotherChangeUnderTheSameNameIsRefused) {
  at(0, named(put("a"), "n"));
  const StateSummary before = machine_->summary();
  EXPECT_EQ(at(1, named(put("b"), "n", 7)).status, ReplyStatus::kOnceMismatch);
  EXPECT_EQ(machine_->summary().state_hash, before.state_hash);
  EXPECT_EQ(machine_->revision(), before.revision);
  EXPECT_TRUE(at(2, named(put("a"), "n")).replayed) << "the first one stands";
}

TEST_P(IdempotencyTest, AnswersAreKeptForTenMinutesAndNoLonger) {
  const Command once = named(put("a"), "n");
  const Reply first = at(1'000, once);
  EXPECT_TRUE(at(1'000 + kLife - 1, once).replayed);
  const Reply anew = at(1'000 + kLife, once);
  EXPECT_FALSE(anew.replayed);
  EXPECT_EQ(anew.revision, first.revision + 1);
  EXPECT_TRUE(at(1'000 + 2 * kLife - 1, once).replayed) << "counted from when it was made";
  // Anything that is applied lets them go.
  at(1'000 + 2 * kLife, put("x"));
  EXPECT_TRUE(nothing_is_left());
}

TEST_P(IdempotencyTest, ManyAtOnceGoAFewWithEachEntry) {
  constexpr size_t kMany = 3 * Idempotency::kEvictedMax / 2;
  std::vector<Command> commands;
  for (size_t i = 0; i < kMany; ++i) commands.push_back(named(put("a"), fmt::format("{:04}", i)));
  all_at(0, commands);
  EXPECT_EQ(kept(), kMany);
  at(kLife, put("x"));
  EXPECT_EQ(kept(), kMany - Idempotency::kEvictedMax);
  // What still lies there is over nevertheless.
  const Reply last = at(kLife, commands.back());
  EXPECT_FALSE(last.replayed);
  EXPECT_EQ(kept(), 1u);
  at(2 * kLife, put("x"));
  EXPECT_TRUE(nothing_is_left());
}

TEST_P(IdempotencyTest, TheyComeThroughARestartAndAnInstall) {
  const Command once = named(put("a"), "n");
  const Reply first = at(0, once);
  ASSERT_TRUE(store_->engine().flush());
  Random random(1);
  machine_.reset();
  store_->crash(random);
  reopen();
  EXPECT_TRUE(at(1, once).replayed);

  const std::unique_ptr<TestStore> other = make_store(GetParam());
  auto machine = KvStateMachine::open(other->engine()).value();
  ASSERT_TRUE(machine_->checkpoint(store_->checkpoint_path("copy")));
  store_->send("copy", *other);
  ASSERT_TRUE(machine->install(other->checkpoint_path("copy")));
  std::vector<Completion> completions;
  const auto apply_there = [&](uint64_t now_ms, const Command& command) {
    ++last_;
    machine->apply(
        std::vector<EntryPtr>{make_entry({last_}, EntryKind::kCommand, encode_command(command),
                                         {kSelf, {last_}}, Stamp{now_ms, 0})},
        kSelf, completions);
    return completions.back().reply;
  };
  const Reply there = apply_there(2, once);
  EXPECT_TRUE(there.replayed);
  EXPECT_EQ(there.revision, first.revision);
  apply_there(kLife, put("x"));
  EXPECT_TRUE(other->engine().scan_meta("once", "", 1).value().empty()) << "their time goes on";
}

// With the largest value that an answer may show.
const uint64_t kShownMax = Idempotency::kAnswerBytesMax - kReplyHeadBytes;

TEST_P(IdempotencyTest, NoneIsForgottenForTheSakeOfAnother) {
  const std::string large(kShownMax, 'x');
  at(0, put("a", large));
  std::vector<Command> taken;
  for (int i = 0;; ++i) {
    taken.push_back(named(put("a", large, true), fmt::format("{}", i)));
    const Reply reply = at(1, taken.back());
    if (reply.status == ReplyStatus::kOnceFull) break;
    ASSERT_EQ(reply.status, ReplyStatus::kOk);
    ASSERT_LT(i, 64) << "64 MiB hold 63 of these";
  }
  EXPECT_EQ(taken.size(), 64u);
  const Revision revision = machine_->revision();
  const Reply refused = at(2, named(put("b"), "small"));
  EXPECT_EQ(refused.status, ReplyStatus::kOnceFull);
  EXPECT_EQ(refused.retry_ms, kLife - 1) << "then the first ones go";
  EXPECT_EQ(machine_->revision(), revision) << "nothing was changed";
  EXPECT_EQ(at(2, put("b")).status, ReplyStatus::kOk) << "without a name it goes on";
  for (size_t i = 0; i + 1 < taken.size(); ++i) {
    const Reply again = at(3, taken[i]);
    EXPECT_TRUE(again.replayed);
    EXPECT_EQ(again.prev->value.size(), large.size());
  }
  reopen();
  EXPECT_EQ(at(4, named(put("b"), "small")).status, ReplyStatus::kOnceFull) << "also anew";
  EXPECT_EQ(at(1 + kLife, named(put("b"), "small")).status, ReplyStatus::kOk);
}

TEST_P(IdempotencyTest, ThoseThatAreOverAreNotInTheWay) {
  // A thousand small ones, and then large ones up to the bound, the last one a little smaller.
  std::vector<Command> small;
  for (int i = 0; i < 1'000; ++i) small.push_back(named(put("s"), fmt::format("{:0100}", i)));
  all_at(0, small);
  at(0, put("a", std::string(kShownMax, 'x')));
  for (int i = 0; i < 62; ++i) {
    const bool last = i == 61;
    const size_t size = kShownMax - (last ? 100'000 : 0);
    ASSERT_EQ(at(1, named(put("a", std::string(size, 'x'), true), fmt::format("{}", i))).status,
              ReplyStatus::kOk);
  }
  ASSERT_EQ(at(1, named(put("a", "x", true), "62")).status, ReplyStatus::kOk);
  ASSERT_EQ(at(kLife - 1, named(put("b"), "n")).status, ReplyStatus::kOnceFull);
  const size_t before = kept();
  EXPECT_EQ(at(kLife, named(put("b"), "n")).status, ReplyStatus::kOk);
  EXPECT_LT(kept(), before - Idempotency::kEvictedMax) << "as many as it took";
  EXPECT_TRUE(at(kLife, named(put("a", "x", true), "62")).replayed);
}

TEST_P(IdempotencyTest, AnAnswerThatIsTooLargeIsRefusedBeforeAnythingIsChanged) {
  at(0, put("fits", std::string(kShownMax, 'x')));
  at(0, put("larger", std::string(kShownMax + 1, 'x')));
  EXPECT_EQ(at(1, named(put("fits", "", true), "fits")).prev->value.size(), kShownMax);
  const StateSummary before = machine_->summary();
  const DeleteCommand remove{"larger", {}, true};
  TransactionCommand transaction;
  transaction.then = {put_act("new"), GetOperation{"larger"}};
  for (const Command& command :
       {put("larger", "", true), Command{.act = remove}, Command{.act = transaction}}) {
    const Reply refused = at(1, named(command, "larger"));
    EXPECT_EQ(refused.status, ReplyStatus::kAnswerTooLarge);
    EXPECT_EQ(refused.revision, before.revision);
    EXPECT_TRUE(refused.results.empty());
  }
  EXPECT_EQ(machine_->summary().state_hash, before.state_hash);
  EXPECT_EQ(at(1, {.act = transaction}).status, ReplyStatus::kOk) << "without a name";
  // The most that a transaction may do without showing anything can always be kept.
  transaction.then.assign(kOperationsMax, put_act("a"));
  EXPECT_EQ(at(2, named({.act = transaction}, "many")).status, ReplyStatus::kOk);
  EXPECT_TRUE(at(2, named({.act = transaction}, "many")).replayed);
}

TEST_P(IdempotencyTest, NoAnswerIsEverTooLargeToBeKept) {
  // What has been written here costs as much to look at as what was there before.
  TransactionCommand transaction;
  for (int i = 0; i < 5'000; ++i) transaction.then.emplace_back(put_act(fmt::format("{}", i)));
  transaction.then.resize(5'830, ScanOperation{.start = "", .end = ""});
  EXPECT_EQ(at(0, named({.act = transaction}, "n")).status, ReplyStatus::kRangeTooLarge);
  EXPECT_EQ(kept(), 0u);
}

TEST_P(IdempotencyTest, WhatOnlyReadsIsNotKept) {
  at(0, put("a", std::string(kShownMax + 1, 'x')));
  TransactionCommand reads;
  reads.compares = {{"a", Compare::Target::kExists, Compare::Relation::kEqual, 1, ""}};
  reads.then = {GetOperation{"a"}, ScanOperation{.start = "a", .end = "b"}};
  reads.otherwise = {GetOperation{"b"}};
  const Command once = named({.act = reads}, "n");
  EXPECT_EQ(at(1, once).results.size(), 2u) << "however much it shows";
  at(2, {.act = DeleteCommand{"a", {}}});
  const Reply again = at(3, once);
  EXPECT_FALSE(again.replayed);
  EXPECT_FALSE(again.succeeded);
  EXPECT_TRUE(nothing_is_left());
  // Where any of its operations could write, what was decided stays so.
  reads.then.emplace_back(put_act("a"));
  EXPECT_FALSE(at(4, named({.act = reads}, "n")).succeeded);
  at(5, put("a"));
  EXPECT_FALSE(at(6, named({.act = reads}, "n")).succeeded);
  EXPECT_EQ(at(7, once).status, ReplyStatus::kOk);
  EXPECT_EQ(at(8, named(once, "n", 7)).status, ReplyStatus::kOnceMismatch);
}

TEST_P(IdempotencyTest, WhatMayPassAnotherTimeIsNotKept) {
  const Command grant = named({.act = GrantLeaseCommand{{5}, 5'000}}, "grant");
  const Command compact = named({.act = CompactCommand{Revision{3}}}, "compact");
  at(0, {.act = GrantLeaseCommand{{5}, 5'000}});
  at(0, put("a"));
  EXPECT_EQ(at(1, grant).status, ReplyStatus::kLeaseExists);
  EXPECT_EQ(at(1, compact).status, ReplyStatus::kRevisionTooNew);
  EXPECT_TRUE(nothing_is_left());
  at(2, {.act = RevokeLeaseCommand{{5}}});
  at(2, put("a"));
  EXPECT_EQ(at(3, grant).status, ReplyStatus::kOk);
  EXPECT_EQ(at(3, compact).status, ReplyStatus::kOk);
  EXPECT_TRUE(at(4, grant).replayed);
  EXPECT_TRUE(at(4, compact).replayed);
}

TEST_P(IdempotencyTest, ATransactionIsAnsweredWithAllOfItsResults) {
  TransactionCommand transaction;
  transaction.then = {PutCommand{"a", "1", {}}, GetOperation{"a"},
                      ScanOperation{.start = "", .end = "", .limit = 1}};
  const Command once = named({.act = transaction}, "n");
  Reply first = at(0, once);
  ASSERT_EQ(first.results.size(), 3u);
  at(1, put("a", "2"));
  first.replayed = true;
  EXPECT_EQ(at(2, once), first);
}

TEST(ReplyBytes, ComeBackAsTheyWere) {
  Random random(7);
  KvModel model;
  for (uint64_t i = 1; i <= 3'000; ++i) {
    Command command = random_command(random, LogIndex{i}, model.summary().revision);
    command.once.reset();
    const Reply reply =
        model.apply(*make_entry({i}, EntryKind::kCommand, encode_command(std::move(command)), {}));
    if (!is_kept(reply.status)) continue;
    const std::string bytes = encode_reply(reply);
    const Result<Reply> back = decode_reply(bytes);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(*back, reply);
    // Damage is told, and nothing is read that is not there.
    EXPECT_FALSE(decode_reply(bytes.substr(0, random.below(bytes.size()))));
    EXPECT_FALSE(decode_reply(bytes + "x"));
  }
}

Row fixed_row(uint64_t number, std::string value) {
  RowInfo info{.create_revision = {number},
               .mod_revision = {number + 1},
               .version = number + 2,
               .bond = Bond::of_bits(number + 3)};
  return {info, std::move(value)};
}

// With every field that is kept, each of another value.
Reply full_reply() {
  using Kind = OperationResult::Kind;
  Reply full{.status = ReplyStatus::kLeaseNotFound,
             .revision = {2},
             .created = true,
             .deleted = 3,
             .current = {4},
             .wants_prev = true,
             .prev = fixed_row(0x10, "old"),
             .ttl_ms = 5,
             .unfinished = true,
             .lease = {6},
             .succeeded = true,
             .refused = 7};
  full.results = {{.kind = Kind::kPut, .created = true},
                  {.kind = Kind::kDelete,
                   .wants_prev = true,
                   .deleted = 1,
                   .items = {{"a", fixed_row(0x20, "x")}}},
                  {.kind = Kind::kGet},
                  {.kind = Kind::kScan,
                   .items = {{"b", fixed_row(0x30, "")}, {"c", fixed_row(0x40, "")}},
                   .keys_only = true,
                   .count_only = true,
                   .count = 9,
                   .more = true}};
  return full;
}

TEST(ReplyBytes, AreFixed) {
  // States outlive versions: these bytes must always mean these replies.
  const auto hex = [](const Reply& reply) {
    std::string text;
    for (const char byte : encode_reply(reply))
      text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
  };
  EXPECT_EQ(hex({.status = ReplyStatus::kPreconditionFailed, .revision = {7}}),
            "0101000700000000000000" + std::string(80, '0'));
  EXPECT_EQ(hex(full_reply()),
            "01031f02000000000000000300000000000000040000000000000005000000000000000600000000"
            "00000007000000100000000000000011000000000000001200000000000000130000000000000003"
            "0000006f6c6404000000000100000000000000000000000000000000000000000102010000000000"
            "00000000000000000000010000000100000061200000000000000021000000000000002200000000"
            "0000002300000000000000010000007802000000000000000000000000000000000000000000031c"
            "00000000000000000900000000000000020000000100000062300000000000000031000000000000"
            "00320000000000000033000000000000000000000001000000634000000000000000410000000000"
            "00004200000000000000430000000000000000000000");
  EXPECT_EQ(decode_reply(encode_reply(full_reply())), full_reply());
  // One with a token says so by its version.
  const Reply locked{.ttl_ms = 5, .lease = {6}, .token = 8};
  EXPECT_EQ(hex(locked),
            "0200000000000000000000000000000000000000000000000000000500000000000000"
            "060000000000000000000000080000000000000000000000");
  EXPECT_EQ(decode_reply(encode_reply(locked)), locked);
}

TEST(ReplyBytes, StatusesKeepTheirNumbers) {
  using enum ReplyStatus;
  const std::vector<ReplyStatus> in_order = {
      kOk,          kPreconditionFailed, kRangeTooLarge,  kLeaseNotFound,
      kLeaseExists, kReadTooLarge,       kRevisionTooNew, kOnceMismatch,
      kOnceFull,    kAnswerTooLarge,     kLockHeld};
  for (size_t i = 0; i < in_order.size(); ++i) EXPECT_EQ(static_cast<size_t>(in_order[i]), i);
}

TEST(ReplyBytes, OnlyWhatIsKeptIsRead) {
  std::string bytes = encode_reply({});
  for (int status = 0; status < 256; ++status) {
    bytes[1] = static_cast<char>(status);
    EXPECT_EQ(decode_reply(bytes).has_value(), status == 0 || status == 1 || status == 3) << status;
  }
}

TEST(ReplyBytes, AreAsManyAsIsCounted) {
  Reply one;
  one.prev = fixed_row(1, "");
  EXPECT_EQ(encode_reply(one).size(), kReplyHeadBytes);
  one.results.emplace_back();
  EXPECT_EQ(encode_reply(one).size(), kReplyHeadBytes + kResultHeadBytes);
  one.results[0].items.push_back({"key", fixed_row(1, "value")});
  EXPECT_EQ(encode_reply(one).size(), kReplyHeadBytes + kResultHeadBytes + kItemHeadBytes + 8);
}

}  // namespace
}  // namespace holdfast
