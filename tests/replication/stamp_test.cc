// What entries say of time: the cluster's clock, and the leader's calendar.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

class StampTest : public RaftTest {
 protected:
  // From the other node, as the leader of `term`.
  void append_stamped(uint64_t term, LogPosition previous, Stamp stamp) {
    receive(
        kOther, term,
        Append{previous,
               {std::make_shared<const LogEntry>(LogEntry{
                   previous.index + 1, Term{term}, EntryKind::kCommand, {}, Bytes("x"), stamp})},
               LogIndex{}});
    settle();
  }
  Stamp newest() const { return writes_.back().append.back()->stamp; }
  Stamp stamp_of(uint64_t request) {
    propose({request});
    settle();
    return newest();
  }
};

TEST_F(StampTest, TheClusterClockGoesOnFromTheLogAtTheLeadersPace) {
  start();
  append_stamped(1, {}, {5000, 70});
  wait(milliseconds(10'000));  // nobody leads: it stands still
  lead();
  const Instant elected = now_;
  const uint64_t first = newest().cluster_ms;
  EXPECT_EQ(first, 5000u);
  EXPECT_EQ(raft_->status().cluster_ms, 5000u);
  now_ += milliseconds(40);
  EXPECT_EQ(stamp_of(1).cluster_ms, 5040u);
  now_ = elected + milliseconds(90);
  step(Wake{});
  EXPECT_EQ(raft_->status().cluster_ms, 5090u);
}

TEST_F(StampTest, ACalendarThatFallsStandsStill) {
  start();
  append_stamped(1, {}, {5000, 1'000'000});
  lead();
  EXPECT_EQ(newest().wall_ms, 1'000'000u);
  step(Calendar{2'000'000});
  EXPECT_EQ(stamp_of(1).wall_ms, 2'000'000u);
  now_ += milliseconds(30);
  EXPECT_EQ(stamp_of(2).wall_ms, 2'000'030u);
  step(Calendar{3});
  EXPECT_EQ(stamp_of(3).wall_ms, 2'000'030u);
}

// The log of a node that lost its state may hold nothing behind the state that it is sent.
TEST_F(StampTest, TheClockGoesOnFromTheStateWhereTheLogHoldsNothingBehindIt) {
  Recovered found;
  for (const NodeId id : {kSelf, kOther, kThird}) found.members.list.push_back({id, "n", "", true});
  found.hard_state = {Term{1}, {}};
  found.before = {Term{1}, LogIndex{5}};
  found.last = found.applied = found.members_index = {5};
  found.lacks_state = true;
  raft_.emplace(Config{.self = kSelf}, found, Random(1), now_);
  step(SnapshotArrived{kOther, Term{1}, found.before, "s"});
  settle();
  ASSERT_EQ(installs_.size(), 1u);
  step(Installed{.position = found.before, .members = found.members, .stamp = {5000, 70}});
  settle();
  lead();
  EXPECT_EQ(newest().cluster_ms, 5000u);
}

// The entry that was cut had the time of a leader that nobody followed.
TEST_F(StampTest, WhatWasCutNoLongerCounts) {
  start();
  append_stamped(1, {}, {5000, 70});
  append_stamped(1, {Term{1}, LogIndex{1}}, {90'000, 900'000});
  append_stamped(2, {Term{1}, LogIndex{1}}, {5020, 80});
  lead();
  EXPECT_EQ(newest(), (Stamp{5020, 80}));
}

TEST_F(StampTest, AStateThatArrivedBringsTheTimeOfItsLastEntry) {
  start();
  append_stamped(1, {}, {5000, 70});
  step(SnapshotArrived{kOther, Term{1}, {Term{1}, LogIndex{9}}, "state"});
  settle();
  ASSERT_EQ(installs_.size(), 1u);
  step(Installed{{Term{1}, LogIndex{9}}, raft_->members(), {8000, 90}});
  settle();
  lead();
  EXPECT_EQ(newest(), (Stamp{8000, 90}));
}

}  // namespace
}  // namespace holdfast::raft
