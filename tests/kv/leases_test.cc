// Leases and times to live, in the state machine: what ends when, in which order, and how much of
// it in one entry.

#include "storage/kv/leases.h"

#include <gtest/gtest.h>

#include "tests/kv/commands.h"
#include "tests/kv/kv_model.h"

namespace holdfast {
namespace {

constexpr LeaseId kLease{0x1234567890abcdef};
constexpr LeaseId kOther{7};

Command grant(LeaseId id, uint64_t ttl_ms) {
  return {.act = GrantLeaseCommand{id, ttl_ms}};
}
const Command kKeepAlive{.act = KeepLeaseAliveCommand{kLease}};
const Command kRevoke{.act = RevokeLeaseCommand{kLease}};

class LeasesTest : public testing::TestWithParam<StoreKind> {
 protected:
  LeasesTest() { reopen(); }

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

  bool exists(const std::string& key) {
    return store_->engine().get_info(key, machine_->revision()).value().has_value();
  }
  // Whether a leader whose clock is there would propose anything.
  bool is_due(uint64_t now_ms) {
    const std::optional<Bytes> due = machine_->upkeep(now_ms);
    return due && decode_command(due->view()).value() == kExpire;
  }
  std::optional<Lease> lease(LeaseId id = kLease) {
    return read_lease(store_->engine(), id).value();
  }
  size_t named() { return store_->engine().scan_meta("", "", SIZE_MAX).value().size(); }

  std::unique_ptr<TestStore> store_ = make_store(GetParam());
  std::unique_ptr<KvStateMachine> machine_;
  uint64_t last_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Engines, LeasesTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(LeasesTest, AKeyEndsWithItsTimeAndNotBefore) {
  at(1'000, put_under("k", {}, 5'000));
  at(1'500, put_under("stays"));
  const size_t kept = named();
  EXPECT_TRUE(is_due(6'000));
  EXPECT_EQ(at(5'999, kExpire).deleted, 0u);
  EXPECT_TRUE(exists("k"));
  EXPECT_FALSE(is_due(5'999));
  at(6'500, put_under("other"));
  EXPECT_TRUE(exists("k")) << "as long as nothing in the log ends it";
  const Reply ended = at(6'500, kExpire);
  EXPECT_EQ(ended.deleted, 1u);
  EXPECT_EQ(ended.revision, machine_->revision());
  EXPECT_FALSE(exists("k"));
  EXPECT_TRUE(exists("stays"));
  EXPECT_EQ(named(), kept - 1);
  EXPECT_FALSE(is_due(UINT64_MAX)) << "nothing waits for its time";
}

TEST_P(LeasesTest, ANewPutOrADeleteEndsTheBond) {
  at(0, grant(kLease, 5'000));
  for (const Command& bound : {put_under("k", kLease), put_under("k", {}, 5'000)}) {
    for (const Command& after : {put_under("k"), Command{.act = DeleteCommand{"k", {}}}}) {
      at(1, bound);
      at(2, after);
      EXPECT_EQ(store_->engine().scan_meta("bound/", "", 9).value().size(), 0u);
      EXPECT_EQ(store_->engine().scan_meta("due/", "", 9).value().size(), 1u) << "of the lease";
    }
  }
  at(3, put_under("k"));
  at(9'000, kExpire);
  EXPECT_TRUE(exists("k"));
}

TEST_P(LeasesTest, ALaterPutCountsItsTimeAnew) {
  at(0, put_under("k", {}, 2'000));
  at(1'500, put_under("k", {}, 2'000));
  EXPECT_EQ(at(3'499, kExpire).deleted, 0u);
  EXPECT_EQ(at(3'500, kExpire).deleted, 1u);
}

TEST_P(LeasesTest, KeysOfALeaseEndWithIt) {
  EXPECT_EQ(at(100, grant(kLease, 5'000)).ttl_ms, 5'000u);
  at(100, put_under("a", kLease));
  at(200, put_under("b", kLease));
  EXPECT_EQ(bound_keys(store_->engine(), kLease, "", 9).value(),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(bound_keys(store_->engine(), kLease, "a", 9).value(), std::vector<std::string>{"b"});
  const Reply ended = at(5'100, kExpire);
  EXPECT_EQ(ended.deleted, 2u);
  EXPECT_EQ(store_->engine().changes(ended.revision, 9).value().at(0).keys,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(lease(), std::nullopt);
  EXPECT_EQ(at(5'100, put_under("a", kLease)).status, ReplyStatus::kLeaseNotFound);
  EXPECT_FALSE(exists("a"));
}

TEST_P(LeasesTest, TheLogDecidesBetweenKeepAliveAndExpiry) {
  at(0, grant(kLease, 5'000));
  at(0, put_under("k", kLease));
  // It came too late by the clock, but the expiry stands behind it in the log.
  EXPECT_EQ(at(7'000, kKeepAlive).status, ReplyStatus::kOk);
  EXPECT_EQ(lease()->deadline_ms, 12'000u);
  EXPECT_EQ(at(7'000, kExpire).deleted, 0u);
  EXPECT_EQ(at(11'999, kExpire).deleted, 0u);
  EXPECT_EQ(at(12'000, kExpire).deleted, 1u);
  EXPECT_EQ(at(12'000, kKeepAlive).status, ReplyStatus::kLeaseNotFound);
  EXPECT_FALSE(exists("k"));

  at(20'000, grant(kLease, 5'000));
  at(20'000, put_under("k", kLease));
  const std::vector<Reply> together =
      all_at(26'000, {kKeepAlive, kExpire, kKeepAlive, kRevoke, kKeepAlive});
  EXPECT_EQ(together[1].deleted, 0u);
  EXPECT_EQ(together[2].status, ReplyStatus::kOk);
  EXPECT_EQ(together[3].deleted, 1u);
  EXPECT_EQ(together[4].status, ReplyStatus::kLeaseNotFound);
}

TEST_P(LeasesTest, AnIdThatIsThereIsRefused) {
  at(0, grant(kLease, 5'000));
  EXPECT_EQ(at(1'000, grant(kLease, 60'000)).status, ReplyStatus::kLeaseExists);
  EXPECT_EQ(lease(), (Lease{kLease, 5'000, 5'000}));
  EXPECT_EQ(at(0, put_under("k", kOther)).status, ReplyStatus::kLeaseNotFound);
  EXPECT_EQ(machine_->revision(), Revision{1});
}

TEST_P(LeasesTest, TheClockOfALeaderIsCarriedWhileSomethingWaits) {
  EXPECT_FALSE(is_due(1'000'000)) << "nothing waits for its time, so nothing is written";
  at(0, grant(kLease, 60'000));
  EXPECT_FALSE(is_due(999));
  EXPECT_TRUE(is_due(1'000));
  EXPECT_EQ(at(1'000, kExpire).unfinished, false);
  EXPECT_FALSE(is_due(1'999));
  EXPECT_TRUE(is_due(2'000));
}

TEST_P(LeasesTest, ARestartRemembersWhatIsDue) {
  at(0, grant(kLease, 5'000));
  at(0, put_under("a", kLease));
  at(0, put_under("b", {}, 3'000));
  const StateSummary before = machine_->summary();
  reopen();
  EXPECT_EQ(machine_->summary(), before);
  EXPECT_TRUE(is_due(3'000));
  EXPECT_EQ(at(3'000, kExpire).deleted, 1u);
  reopen();
  EXPECT_EQ(at(4'999, kExpire).deleted, 0u);
  EXPECT_EQ(at(5'000, kExpire).deleted, 1u);
  reopen();
  EXPECT_FALSE(is_due(UINT64_MAX));
}

TEST_P(LeasesTest, MuchThatEndsAtOnceGoesInBoundedParts) {
  constexpr size_t kKeys = 4'500;
  std::vector<Command> puts;
  for (size_t i = 0; i < kKeys; ++i) puts.push_back(put_under(fmt::format("k{:05}", i), {}, 5'000));
  all_at(0, puts);
  size_t deleted = 0;
  int entries = 0;
  while (is_due(5'000)) {
    const Reply part = at(5'000, kExpire);
    EXPECT_LE(part.deleted, 1'000u);
    EXPECT_EQ(part.unfinished, deleted + part.deleted < kKeys);
    deleted += part.deleted;
    ASSERT_LT(++entries, 10);
    if (entries == 2) reopen();
  }
  EXPECT_EQ(deleted, kKeys);
  EXPECT_EQ(entries, 5);
  // In the order of what is due, by the bytes of the keys.
  EXPECT_EQ(store_->engine().changes({kKeys + 2}, 1).value().at(0).keys.front(), "k00000");
}

TEST_P(LeasesTest, ALeaseIsNotTornWhereItFits) {
  std::vector<Command> commands = {grant(kLease, 5'000), grant(kOther, 5'001)};
  for (size_t i = 0; i < 600; ++i) {
    commands.push_back(put_under(fmt::format("a{}", i), kLease));
    commands.push_back(put_under(fmt::format("b{}", i), kOther));
  }
  all_at(0, commands);
  EXPECT_EQ(at(9'000, kExpire).deleted, 600u);
  EXPECT_EQ(lease(), std::nullopt);
  EXPECT_NE(lease(kOther), std::nullopt);
  EXPECT_EQ(at(9'000, {.act = KeepLeaseAliveCommand{kOther}}).status, ReplyStatus::kOk)
      << "its turn has not come, so it lives";
  EXPECT_EQ(at(15'000, kExpire).deleted, 600u);
}

TEST_P(LeasesTest, ALeaseOfManyKeysIsOverAtItsFirstPart) {
  std::vector<Command> commands = {grant(kLease, 5'000)};
  for (size_t i = 0; i < 2'500; ++i)
    commands.push_back(put_under(fmt::format("k{:04}", i), kLease));
  commands.push_back(put_under("alone", {}, 5'000));
  all_at(0, commands);
  EXPECT_EQ(at(5'000, kExpire).deleted, 1u) << "keys of their own come first at one moment";
  EXPECT_EQ(at(5'000, kExpire).deleted, 1'000u);
  EXPECT_EQ(lease(), std::nullopt);
  EXPECT_EQ(list_leases(store_->engine(), {}, 9).value().size(), 0u);
  EXPECT_TRUE(exists("k1000"));
  for (const Command& late : {kKeepAlive, kRevoke, put_under("new", kLease)})
    EXPECT_EQ(at(5'001, late).status, ReplyStatus::kLeaseNotFound);
  EXPECT_EQ(at(5'001, grant(kLease, 5'000)).status, ReplyStatus::kLeaseExists);
  reopen();
  // What is put anew lives on.
  at(5'002, put_under("k2499"));
  EXPECT_TRUE(is_due(5'002));
  EXPECT_EQ(at(5'002, kExpire).deleted, 1'000u);
  EXPECT_EQ(at(5'002, kExpire).deleted, 499u);
  EXPECT_FALSE(is_due(UINT64_MAX));
  EXPECT_TRUE(exists("k2499"));
  EXPECT_EQ(at(5'003, grant(kLease, 5'000)).status, ReplyStatus::kOk);
}

TEST_P(LeasesTest, ARevokedLeaseGoesInOneRevisionUpToALimit) {
  std::vector<Command> commands = {grant(kLease, 60'000)};
  for (size_t i = 0; i < kRangeKeysMax + 500; ++i) {
    commands.push_back(put_under(fmt::format("k{:06}", i), kLease));
    if (commands.size() == 5'000) {
      all_at(0, commands);
      commands.clear();
    }
  }
  all_at(0, commands);
  const Revision before = machine_->revision();
  const Reply revoked = at(10, kRevoke);
  EXPECT_EQ(revoked.deleted, kRangeKeysMax);
  EXPECT_TRUE(revoked.unfinished);
  EXPECT_EQ(revoked.revision, before + 1);
  EXPECT_TRUE(is_due(10)) << "the rest is due at once";
  EXPECT_EQ(at(10, kRevoke).status, ReplyStatus::kLeaseNotFound);
  const Reply rest = at(10, kExpire);
  EXPECT_EQ(rest.deleted, 500u);
  EXPECT_FALSE(is_due(UINT64_MAX));
}

TEST_P(LeasesTest, AnIdThatIsGrantedAgainBeginsAnew) {
  std::vector<Command> commands = {grant(kLease, 5'000)};
  for (size_t i = 0; i < 1'500; ++i)
    commands.push_back(put_under(fmt::format("k{:04}", i), kLease));
  all_at(0, commands);
  EXPECT_EQ(at(5'000, kExpire).deleted, 1'000u);
  EXPECT_EQ(at(5'000, kExpire).deleted, 500u);
  all_at(6'000, {grant(kLease, 5'000), put_under("before the others", kLease)});
  EXPECT_EQ(at(6'001, kRevoke).deleted, 1u);
  EXPECT_FALSE(exists("before the others"));
}

std::string long_key(size_t number) {
  return fmt::format("{:05}", number) + std::string(kKeyBytesMax - 5, 'k');
}

TEST_P(LeasesTest, WhatEndsInOneEntryIsBoundedInBytesToo) {
  constexpr size_t kAtOnce = (1 << 20) / kKeyBytesMax;
  std::vector<Command> commands = {grant(kLease, 5'000)};
  for (size_t i = 0; i < kAtOnce + 10; ++i) commands.push_back(put_under(long_key(i), kLease));
  for (size_t i = 0; i < kAtOnce + 10; ++i)
    commands.push_back(put_under(long_key(20'000 + i), {}, 9'000));
  all_at(0, commands);
  for (const uint64_t ms : {5'000u, 9'000u}) {
    const Reply first = at(ms, kExpire);
    EXPECT_EQ(first.deleted, kAtOnce);
    EXPECT_TRUE(first.unfinished);
    const Reply rest = at(ms, kExpire);
    EXPECT_EQ(rest.deleted, 10u);
    EXPECT_FALSE(rest.unfinished);
  }
}

TEST_P(LeasesTest, ARevisionOfARevokedLeaseIsBoundedInBytesToo) {
  constexpr size_t kAtOnce = kRangeBytesMax / kKeyBytesMax;
  std::vector<Command> commands = {grant(kLease, 5'000)};
  for (size_t i = 0; i < kAtOnce + 1; ++i) commands.push_back(put_under(long_key(i), kLease));
  all_at(0, commands);
  const Reply revoked = at(1, kRevoke);
  EXPECT_EQ(revoked.deleted, kAtOnce);
  EXPECT_TRUE(revoked.unfinished);
  EXPECT_EQ(at(1, kExpire).deleted, 1u);
}

TEST_P(LeasesTest, ARecordThatCannotBeReadIsNoLease) {
  at(0, grant(kLease, 5'000));
  const auto [name, value] = store_->engine().scan_meta("lease/", "", 1).value().at(0);
  const auto read = [&](std::string record) {
    store_->engine().write({.revisions = {}, .meta = {{name, std::move(record)}}});
    return read_lease(store_->engine(), kLease);
  };
  const auto record = [](uint64_t ttl_ms) {
    std::string bytes;
    put_fixed(bytes, ttl_ms);
    put_fixed(bytes, uint64_t{5'000});
    return bytes;
  };
  EXPECT_EQ(read(value), (Lease{kLease, 5'000, 5'000}));
  EXPECT_EQ(read(record(kTtlMsMin))->value().ttl_ms, kTtlMsMin);
  EXPECT_EQ(read(record(kTtlMsMax))->value().ttl_ms, kTtlMsMax);
  EXPECT_EQ(read(record(0)), std::nullopt) << "it has ended";
  for (const std::string& damaged : {std::string(), value.substr(1), value + "x",
                                     record(kTtlMsMin - 1), record(kTtlMsMax + 1)}) {
    const auto found = read(damaged);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kCorrupt);
  }
  // An id has 63 bits.
  EngineBatch more;
  more.meta.emplace_back("lease/\xff" + name.substr(7), value);
  more.meta.emplace_back(name, value);
  store_->engine().write(more);
  EXPECT_FALSE(list_leases(store_->engine(), {}, 9));
}

TEST_P(LeasesTest, LeasesAreListedInPages) {
  for (const uint64_t id : {5u, 900u, 70'000u}) at(0, grant({id}, 5'000));
  const auto ids = [&](uint64_t after, size_t limit) {
    std::vector<uint64_t> found;
    const std::vector<Lease> leases = list_leases(store_->engine(), {after}, limit).value();
    for (const Lease& one : leases) found.push_back(one.id.value);
    return found;
  };
  EXPECT_EQ(ids(0, 9), (std::vector<uint64_t>{5, 900, 70'000}));
  EXPECT_EQ(ids(0, 2), (std::vector<uint64_t>{5, 900}));
  EXPECT_EQ(ids(5, 2), (std::vector<uint64_t>{900, 70'000}));
  EXPECT_EQ(ids(70'000, 9), std::vector<uint64_t>{});
}

}  // namespace
}  // namespace holdfast
