// Locks in the state machine: who has one, when it ends, and that tokens only grow.

#include "storage/kv/locks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kv/commands.h"
#include "tests/kv/engine_over.h"
#include "tests/kv/kv_model.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr LeaseId kFirst{0x1234567890abcdef};
constexpr LeaseId kSecond{7};

Command acquire(const std::string& name, LeaseId lease, uint64_t ttl_ms = 5'000) {
  return {.act = AcquireLockCommand{name, "owner of " + name, lease, ttl_ms}};
}
Command keep(const std::string& name, uint64_t token) {
  return {.act = KeepLockAliveCommand{name, token}};
}
Command release(const std::string& name, uint64_t token) {
  return {.act = ReleaseLockCommand{name, token}};
}
Command under(std::string key, Command command) {
  command.once = Once{std::move(key), {1, 2}};
  return command;
}

class LocksTest : public testing::TestWithParam<StoreKind> {
 protected:
  LocksTest() { reopen(); }

  void reopen() { machine_ = KvStateMachine::open(store_->engine()).value(); }

  // As an entry of the cluster's time `now_ms`.
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
    for (const Completion& completion : completions) replies.push_back(completion.reply);
    return replies;
  }

  std::optional<LockAndLease> lock(const std::string& name = "l") {
    return read_lock(store_->engine(), name).value();
  }
  std::optional<Lease> lease(LeaseId id) { return read_lease(store_->engine(), id).value(); }
  size_t named() { return store_->engine().scan_meta("", "", SIZE_MAX).value().size(); }
  // What has come free since it was asked last.
  std::vector<std::string> freed() {
    const FreedLocks::News news = machine_->freed_locks().news(told_);
    told_ = news.count;
    EXPECT_FALSE(news.any);
    return news.names;
  }
  void expect_agreed() {
    uint64_t sum = 0;
    const Engine::NamedValueList all = store_->engine().scan_meta("", "", SIZE_MAX).value();
    for (const auto& [name, value] : all) {
      const bool is_agreed = name.starts_with("l") || name.starts_with("due/") ||
                             name.starts_with("bound/") || name.starts_with("once");
      if (is_agreed) sum += named_hash(name, value);
    }
    EXPECT_EQ(machine_->state_hash(), sum) << "without keys";
  }

  std::unique_ptr<TestStore> store_ = make_store(GetParam());
  std::unique_ptr<KvStateMachine> machine_;
  uint64_t last_ = 0;
  uint64_t told_ = 1;  // a machine that was opened tells that any may be free
  uint64_t last_lease_ = 100;
};

INSTANTIATE_TEST_SUITE_P(Engines, LocksTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(LocksTest, OneHasItAndOthersAreToldWho) {
  const Reply had = at(1'000, acquire("l", kFirst));
  EXPECT_EQ(had.status, ReplyStatus::kOk);
  EXPECT_EQ(had.lease, kFirst);
  EXPECT_EQ(had.ttl_ms, 5'000u);
  EXPECT_GT(had.token, 1u);
  EXPECT_EQ(had.revision, Revision{1}) << "it is no change to a key";
  const Reply refused = at(2'000, acquire("l", kSecond));
  EXPECT_EQ(refused.status, ReplyStatus::kLockHeld);
  EXPECT_EQ(refused.owner, "owner of l");
  EXPECT_EQ(refused.token, had.token);
  EXPECT_EQ(refused.retry_ms, 4'000u);
  EXPECT_EQ(lease(kSecond), std::nullopt) << "a refused one leaves no lease behind";
  EXPECT_EQ(at(2'000, acquire("other", kSecond)).status, ReplyStatus::kOk);

  const std::optional<LockAndLease> seen = lock();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->lock, (HeldLock{had.token, kFirst, "owner of l"}));
  EXPECT_EQ(seen->lease, (Lease{kFirst, 5'000, 6'000}));
  EXPECT_FALSE(lock("nobody's"));
  expect_agreed();
}

TEST_P(LocksTest, ALeaseThatIsThereIsNotTakenForANewOne) {
  at(0, {.act = GrantLeaseCommand{kFirst, 5'000}});
  const size_t before = named();
  EXPECT_EQ(at(0, acquire("l", kFirst)).status, ReplyStatus::kLeaseExists);
  EXPECT_FALSE(lock());
  EXPECT_EQ(named(), before);
}

TEST_P(LocksTest, OnlyItsTokenKeepsAndReleasesIt) {
  const uint64_t token = at(0, acquire("l", kFirst)).token;
  for (const uint64_t wrong : {token - 1, token + 1, uint64_t{0}}) {
    EXPECT_EQ(at(1'000, keep("l", wrong)).status, ReplyStatus::kLeaseNotFound);
    EXPECT_EQ(at(1'000, release("l", wrong)).status, ReplyStatus::kLeaseNotFound);
  }
  EXPECT_EQ(at(1'000, keep("other", token)).status, ReplyStatus::kLeaseNotFound);
  EXPECT_EQ(lock()->lease.deadline_ms, 5'000u);
  const Reply kept = at(1'000, keep("l", token));
  EXPECT_EQ(kept.status, ReplyStatus::kOk);
  EXPECT_EQ(kept.token, token);
  EXPECT_EQ(kept.ttl_ms, 5'000u);
  EXPECT_EQ(lock()->lease.deadline_ms, 6'000u);
  EXPECT_EQ(at(2'000, release("l", token)).status, ReplyStatus::kOk);
  EXPECT_FALSE(lock());
  EXPECT_EQ(lease(kFirst), std::nullopt);
  EXPECT_EQ(at(2'000, release("l", token)).status, ReplyStatus::kLeaseNotFound);
  expect_agreed();
}

TEST_P(LocksTest, ItEndsWithItsLeaseAtOneEntry) {
  const uint64_t token = at(0, acquire("l", kFirst)).token;
  EXPECT_EQ(at(4'999, kExpire).deleted, 0u);
  EXPECT_EQ(at(6'000, acquire("l", kSecond)).status, ReplyStatus::kLockHeld)
      << "as long as nothing in the log ends it";
  // It came too late by the clock, but the expiry stands behind it in the log.
  EXPECT_EQ(at(6'000, keep("l", token)).status, ReplyStatus::kOk);
  const std::vector<Reply> together =
      all_at(11'000, {acquire("l", kSecond), kExpire, keep("l", token), acquire("l", kSecond)});
  EXPECT_EQ(together[0].status, ReplyStatus::kLockHeld);
  EXPECT_EQ(together[0].retry_ms, 0u);
  EXPECT_EQ(together[2].status, ReplyStatus::kLeaseNotFound);
  EXPECT_EQ(together[3].status, ReplyStatus::kOk);
  EXPECT_GT(together[3].token, token);
  EXPECT_EQ(at(11'000, {.act = RevokeLeaseCommand{kSecond}}).status, ReplyStatus::kOk);
  EXPECT_FALSE(lock()) << "whoever ends the lease ends the lock";
  expect_agreed();
}

TEST_P(LocksTest, ItEndsWithItsLeaseAlsoWhereTheLastKeysFollow) {
  const uint64_t token = at(0, acquire("l", kFirst)).token;
  std::vector<Command> puts;
  for (int i = 0; i < 1'500; ++i) puts.push_back(put_under(fmt::format("k{:04}", i), kFirst));
  all_at(0, puts);
  const Reply expired = at(5'000, kExpire);
  EXPECT_TRUE(expired.unfinished);
  EXPECT_FALSE(lock());
  EXPECT_EQ(at(5'000, keep("l", token)).status, ReplyStatus::kLeaseNotFound);
  EXPECT_EQ(at(5'000, acquire("l", kSecond)).status, ReplyStatus::kOk);
  EXPECT_EQ(at(5'000, kExpire).deleted, 500u);
  EXPECT_EQ(lock()->lock.lease, kSecond) << "the rest of the first one's keys takes nothing";
}

TEST_P(LocksTest, TokensOnlyGrow) {
  uint64_t last = 0;
  uint64_t now_ms = 0;
  const auto had = [&](const std::string& name) {
    now_ms += 10'000;
    at(now_ms, kExpire);
    const Reply reply = at(now_ms, acquire(name, {++last_lease_}));
    EXPECT_EQ(reply.status, ReplyStatus::kOk);
    EXPECT_GT(reply.token, last);
    EXPECT_GT(reply.token, machine_->revision().value);
    last = reply.token;
    return reply.token;
  };
  had("a");                            // ends with its time
  at(now_ms, release("b", had("b")));  // is released
  for (int i = 0; i < 20; ++i) at(now_ms, {.act = PutCommand{"k", "v", {}}});
  had("a");
  at(now_ms, {.act = CompactCommand{machine_->revision()}});
  ASSERT_TRUE(store_->engine().flush());
  reopen();
  had("c");
  had("a");
}

TEST_P(LocksTest, ABackupThatIsPutBackGivesNoTokenThatItsClusterGave) {
  const uint64_t token = at(0, acquire("l", kFirst)).token;
  ASSERT_TRUE(store_->engine().checkpoint(store_->checkpoint_path("backup")));
  at(10'000, kExpire);
  const uint64_t since = at(10'000, acquire("l", kSecond)).token;
  ASSERT_GT(since, token);

  const std::unique_ptr<TestStore> other = make_store(GetParam());
  store_->send("backup", *other);
  const auto machine = KvStateMachine::open(other->engine()).value();
  const Revision beginning{machine_->revision().value + 1'000'000};
  ASSERT_TRUE(machine->install_as_new(other->checkpoint_path("backup"), {"members", beginning}));
  EXPECT_EQ(read_lock(other->engine(), "l").value()->lock.token, token) << "it is as it was";
  std::vector<Completion> completions;
  std::vector<EntryPtr> entries;
  for (const Command& command : {kExpire, acquire("l", kSecond)}) {
    const LogIndex index = machine->applied().index + 1 + entries.size();
    entries.push_back(make_entry(index, EntryKind::kCommand, encode_command(command),
                                 {kSelf, {index.value}}, Stamp{10'000, 0}));
  }
  machine->apply(entries, kSelf, completions);
  EXPECT_GT(completions.at(1).reply.token, since);
}

TEST_P(LocksTest, AnAcquisitionRepeatedUnderItsKeyGivesTheSameToken) {
  const Command asked = under("key", acquire("l", kFirst));
  const Reply had = at(0, asked);
  const Reply again = at(1'000, under("key", acquire("l", kSecond)));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.token, had.token);
  EXPECT_EQ(again.lease, kFirst);
  EXPECT_EQ(at(1'000, under("another", acquire("l", kSecond))).status, ReplyStatus::kLockHeld);
  at(6'000, kExpire);
  EXPECT_EQ(at(6'000, asked).token, had.token) << "what was answered stays so";
  const Reply other = at(6'000, under("another", acquire("l", kSecond)));
  EXPECT_EQ(other.status, ReplyStatus::kOk) << "that it was held was not kept";
  EXPECT_FALSE(other.replayed);
  reopen();
  EXPECT_EQ(at(6'000, under("another", acquire("l", kFirst))).token, other.token);
  expect_agreed();
}

TEST_P(LocksTest, WhoWaitsIsToldWhichCameFree) {
  freed();
  const uint64_t token = at(0, acquire("a", kFirst)).token;
  at(0, acquire("b", kSecond));
  at(1'000, keep("a", token));
  EXPECT_THAT(freed(), ElementsAre());
  at(1'000, release("a", token));
  EXPECT_THAT(freed(), ElementsAre("a"));
  all_at(9'000, {acquire("a", kFirst), kExpire});
  EXPECT_THAT(freed(), ElementsAre("b"));
  at(20'000, kExpire);
  EXPECT_THAT(freed(), ElementsAre("a"));
}

TEST_P(LocksTest, AnotherStateMayHaveFreedAny) {
  at(0, acquire("a", kFirst));
  const uint64_t told = machine_->freed_locks().count();
  ASSERT_TRUE(store_->engine().checkpoint(store_->checkpoint_path("snapshot")));
  const std::unique_ptr<TestStore> other = make_store(GetParam());
  store_->send("snapshot", *other);
  const auto machine = KvStateMachine::open(other->engine()).value();
  const uint64_t before = machine->freed_locks().count();
  ASSERT_TRUE(machine->install(other->checkpoint_path("snapshot")));
  EXPECT_TRUE(machine->freed_locks().news(before).any);
  EXPECT_FALSE(machine_->freed_locks().news(told).any);
}

// Lets a lock change hands between the look at it and the look at its lease.
class HandsOver final : public EngineOver {
 public:
  HandsOver(Engine& engine, int times, std::function<void()> hand_over)
      : EngineOver(engine), left_(times), hand_over_(std::move(hand_over)) {}

  Result<std::optional<std::string>> get_meta(std::string_view name) const override {
    Result<std::optional<std::string>> value = EngineOver::get_meta(name);
    if (name.starts_with("lock/") && left_-- > 0) hand_over_();
    return value;
  }

 private:
  mutable int left_;
  const std::function<void()> hand_over_;
};

TEST_P(LocksTest, WhoReadsALockThatChangesHandsSeesTheNextHolder) {
  uint64_t lease = 1;
  uint64_t token = at(0, acquire("l", {lease})).token;
  const HandsOver engine(store_->engine(), 99, [&] {
    at(0, release("l", token));
    token = at(0, acquire("l", {++lease})).token;
  });
  EXPECT_EQ(read_lock(engine, "l").value()->lease.id, (LeaseId{100}));
}

TEST_P(LocksTest, WhoReadsALockWhoseLeaseIsLostIsToldSo) {
  at(0, acquire("l", kFirst));
  const Engine::NamedValueList leases = store_->engine().scan_meta("lease/", "", SIZE_MAX).value();
  EngineBatch damage;
  for (const auto& [name, value] : leases) damage.meta.emplace_back(name, std::nullopt);
  ASSERT_EQ(damage.meta.size(), 1);
  store_->engine().write(damage);
  const Result<std::optional<LockAndLease>> found = read_lock(store_->engine(), "l");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(found.error().message, HasSubstr("held by lease 1234567890abcdef"));
}

TEST(FreedLocksTest, TellsOfAsMuchAsItKeeps) {
  FreedLocks freed;
  freed.add({"a", "b"});
  const uint64_t told = freed.count();
  freed.add({"c"});
  EXPECT_THAT(freed.news(told).names, ElementsAre("c"));
  EXPECT_THAT(freed.news(0).names, ElementsAre("a", "b", "c"));
  const std::string large(FreedLocks::kNameBytesMax / 2, 'x');
  freed.add({large, "d", large});
  EXPECT_TRUE(freed.news(told).any);
  EXPECT_FALSE(freed.news(freed.count()).any);
  EXPECT_THAT(freed.news(freed.count()).names, ElementsAre());
  EXPECT_THAT(freed.news(freed.count() - 1).names, ElementsAre(large));
  EXPECT_FALSE(freed.news(freed.count() - 1).any);
}

}  // namespace
}  // namespace holdfast
