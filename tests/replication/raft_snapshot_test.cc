// When a leader gives its state away, and when a node takes one.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

class RaftSnapshotTest : public RaftTest {
 protected:
  // A node whose log begins behind entry 10 of term 1, which its state holds.
  void start_behind_ten() {
    Recovered found;
    for (const NodeId id : {kSelf, kOther, kThird})
      found.members.list.push_back({id, "n" + std::to_string(id.value), "", true});
    found.hard_state.term = Term{1};
    found.before = {Term{1}, LogIndex{10}};
    found.last = LogIndex{10};
    found.applied = LogIndex{10};
    found.members_index = LogIndex{1};
    raft_.emplace(Config{.self = kSelf}, std::move(found), Random(++lives_), now_);
  }
  void lead_with_nothing_in_memory() {
    lead();
    receive(kThird, 1, Appended{LogIndex{1}});
    settle();
    propose({1});
    settle();
    receive(kThird, 1, Appended{LogIndex{2}});
    settle();
  }
  void arrive(uint64_t term, LogPosition position, const std::string& source) {
    step(SnapshotArrived{kOther, Term{term}, position, source});
    settle();
  }
  void installed(LogPosition position) {
    step(Installed{position, raft_->members()});
    settle();
  }
  size_t orders() const {
    return static_cast<size_t>(std::ranges::count_if(
        lines_, [](const std::string& line) { return line.starts_with("snapshot to="); }));
  }
  void reject_probe(NodeId from, uint64_t index) {
    receive(from, raft_->status().term.value,
            AppendRejected{{raft_->log().term_at(LogIndex{index}).value(), LogIndex{index}}, {}});
    settle();
  }
};

constexpr LogPosition kFar{Term{2}, LogIndex{50}};

TEST_F(RaftSnapshotTest, AFollowerThatLacksWhatTheLogNoLongerHasIsSentTheState) {
  start_behind_ten();
  lead();
  reject_probe(kOther, 10);
  EXPECT_EQ(orders(), 1U);
  // Whatever is said now, the one that is on its way is enough.
  reject_probe(kOther, 10);
  wait(milliseconds(250));
  EXPECT_EQ(orders(), 1U);
}

TEST_F(RaftSnapshotTest, ATransferToWhoWasRemovedEndsWhenItIsSilent) {
  start_behind_ten();
  lead();
  const uint64_t term = raft_->status().term.value;
  receive(kThird, term, Appended{LogIndex{11}});
  reject_probe(kOther, 10);
  step(Propose{
      {{RequestId{1}, now_ + milliseconds(1000),
        encode_change({MemberChange::Act::kRemove, {.id = kOther}}), EntryKind::kMembers}}});
  settle();
  receive(kThird, term, Appended{LogIndex{12}});
  settle();
  ASSERT_EQ(raft_->members().find(kOther), nullptr);
  EXPECT_FALSE(said("end snapshot"));
  for (int i = 0; i < 30; ++i) {
    receive(kThird, term, HeartbeatReply{0, LogIndex{12}});
    wait(milliseconds(50));
  }
  EXPECT_TRUE(said("end snapshot to=2"));
}

TEST_F(RaftSnapshotTest, WhatAFollowersLogHoldsSaysNothingOfTheStateThatItLacks) {
  start_behind_ten();
  lead();
  const uint64_t term = raft_->status().term.value;
  reject_probe(kOther, 10);
  HeartbeatReply lacking{1, {}};
  lacking.lacks_state = true;
  receive(kOther, term, lacking);
  receive(kOther, term, Appended{LogIndex{11}});
  settle();
  EXPECT_FALSE(said("end snapshot"));
  receive(kOther, term, HeartbeatReply{2, LogIndex{11}});
  settle();
  EXPECT_TRUE(said("end snapshot to=2"));
  EXPECT_EQ(orders(), 1U);
}

// However long it takes: until it has, it rejects whatever it is sent.
TEST_F(RaftSnapshotTest, WhoPutsAStateInUseIsNotSentAnother) {
  start_behind_ten();
  lead();
  const uint64_t term = raft_->status().term.value;
  receive(kThird, term, Appended{LogIndex{11}});
  reject_probe(kOther, 10);
  step(SnapshotDone{kOther, 1, true});
  HeartbeatReply installing{1, {}};
  installing.installs = true;
  for (int i = 0; i < 200; ++i) {
    receive(kOther, term, installing);
    receive(kThird, term, HeartbeatReply{1, LogIndex{11}});
    reject_probe(kOther, 10);
    wait(milliseconds(50));
  }
  EXPECT_EQ(orders(), 1U);
}

TEST_F(RaftSnapshotTest, ALoadThatFindsNothingMeansThatTheLogBeginsLater) {
  start({kSelf, kOther, kThird}, {.window_bytes_max = 1});
  lead_with_nothing_in_memory();
  wait(milliseconds(250));
  EXPECT_TRUE(said("load for=2 first=1"));
  step(Loaded{kOther, {}});
  settle();
  EXPECT_EQ(orders(), 1U);
}

TEST_F(RaftSnapshotTest, ALoadThatIsNotWantedAnyMoreMeansNothing) {
  start({kSelf, kOther, kThird}, {.window_bytes_max = 1});
  lead_with_nothing_in_memory();
  wait(milliseconds(250));
  EXPECT_TRUE(said("load for=2 first=1"));
  receive(kOther, 1, Appended{LogIndex{2}});
  step(Loaded{kOther, {}});
  settle();
  EXPECT_EQ(orders(), 0U);
}

TEST_F(RaftSnapshotTest, AnAcknowledgementBehindTheSnapshotGoesOnFromThere) {
  start_behind_ten();
  lead();
  reject_probe(kOther, 10);
  step(SnapshotDone{kOther, 1, true});
  receive(kOther, raft_->status().term.value, Appended{LogIndex{10}});
  settle();
  EXPECT_TRUE(said("1 -> 2 Append term=2 previous=1/10 entries=2/11"));
  EXPECT_FALSE(said("end snapshot"));
}

TEST_F(RaftSnapshotTest, AnAcknowledgementThatCoversNothingNewDoesNotEndTheTransfer) {
  start_behind_ten();
  lead();
  reject_probe(kOther, 10);
  receive(kOther, raft_->status().term.value, Appended{LogIndex{3}});
  settle();
  EXPECT_FALSE(said("end snapshot"));
  EXPECT_TRUE(raft_->status().followers[0].receives_snapshot);
}

TEST_F(RaftSnapshotTest, ATransferThatFailedIsTriedAgainLater) {
  start_behind_ten();
  lead();
  receive(kThird, raft_->status().term.value, Appended{LogIndex{11}});
  reject_probe(kOther, 10);
  step(SnapshotDone{kOther, 1, false});
  settle();
  EXPECT_EQ(orders(), 1U);
  for (int i = 0; i < 20 && orders() < 2; ++i) {
    receive(kThird, raft_->status().term.value, HeartbeatReply{0, LogIndex{11}});
    wait(milliseconds(50));
  }
  EXPECT_EQ(orders(), 2U);
}

TEST_F(RaftSnapshotTest, AnAnswerToAnEarlierOrderChangesNothing) {
  start_behind_ten();
  lead();
  reject_probe(kOther, 10);
  step(SnapshotDone{kOther, 7, false});
  wait(milliseconds(250));
  EXPECT_TRUE(raft_->status().followers[0].receives_snapshot);
}

TEST_F(RaftSnapshotTest, ALeaderThatStepsDownEndsItsTransfers) {
  start_behind_ten();
  lead();
  reject_probe(kOther, 10);
  receive(kThird, 9, Heartbeat{{}, 1});
  settle();
  EXPECT_TRUE(said("end snapshot to=2"));
}

TEST_F(RaftSnapshotTest, AStateThatIsAheadIsInstalledAndTheLogBeginsBehindIt) {
  start();
  append(1, {}, 3);
  settle();
  arrive(2, kFar, "a");
  ASSERT_EQ(installs_.size(), 1U);
  EXPECT_EQ(installs_[0], (InstallOrder{"a", kFar}));
  EXPECT_EQ(raft_->log().last().index, LogIndex{3});
  writes_.clear();
  installed(kFar);
  ASSERT_FALSE(writes_.empty());
  EXPECT_EQ(writes_[0].restart_after, kFar);
  EXPECT_EQ(raft_->status().applied, kFar.index);
  EXPECT_EQ(raft_->status().commit, kFar.index);
  append(2, kFar, 1, 51);
  settle();
  EXPECT_TRUE(said("apply 2/51"));
}

TEST_F(RaftSnapshotTest, TheInstalledStateIsAcknowledgedWhenTheLogSaysSoToo) {
  start();
  receive(kOther, 2, Heartbeat{{}, 1});
  settle();
  arrive(2, kFar, "a");
  disk_answers_ = false;
  installed(kFar);
  EXPECT_FALSE(said("Appended term=2 match=50"));
  step(Persisted{writes_.back().ticket});
  settle();
  EXPECT_TRUE(said("1 -> 2 Appended term=2 match=50"));
}

TEST_F(RaftSnapshotTest, ASnapshotOfAnEarlierTermIsDropped) {
  start();
  receive(kOther, 3, Heartbeat{{}, 1});
  arrive(2, kFar, "a");
  EXPECT_TRUE(said("discard a"));
  EXPECT_TRUE(installs_.empty());
}

TEST_F(RaftSnapshotTest, AStateThatIsNotAheadIsDropped) {
  start();
  append(1, {}, 3, 3);
  settle();
  arrive(1, {Term{1}, LogIndex{2}}, "a");
  EXPECT_TRUE(said("discard a"));
  EXPECT_TRUE(installs_.empty());
}

TEST_F(RaftSnapshotTest, AStateThatTheLogDoesNotReachBackToIsDropped) {
  start_behind_ten();
  arrive(1, {Term{1}, LogIndex{5}}, "a");
  EXPECT_TRUE(said("discard a"));
  EXPECT_TRUE(said("1 -> 2 Appended term=1 match=10")) << "the leader waits for a word";
  EXPECT_TRUE(installs_.empty());
  arrive(2, {Term{1}, LogIndex{5}}, "b");
  EXPECT_TRUE(said("1 -> 2 Appended term=2 match=10")) << "what is committed, later leaders have";
}

TEST_F(RaftSnapshotTest, TheTermOfTheStateIsNotForgotten) {
  Recovered found;
  found.members.list.push_back({kSelf, "n1", "", true});
  found.hard_state = {Term{2}, kOther};
  found.before = {Term{3}, LogIndex{10}};
  found.last = found.applied = found.members_index = LogIndex{10};
  raft_.emplace(Config{.self = kSelf}, std::move(found), Random(1), now_);
  EXPECT_EQ(raft_->status().term, Term{3});
  EXPECT_EQ(raft_->status().vote, NodeId{});
}

TEST_F(RaftSnapshotTest, ALeaderThatKnowsNothingOfAFollowerHearsWhatItHas) {
  start_behind_ten();
  receive(kOther, 2, Heartbeat{{}, 1});
  settle();
  EXPECT_TRUE(said("1 -> 2 Appended term=2 match=10"));
}

TEST_F(RaftSnapshotTest, AStateWhoseLastEntryIsInTheLogOnlyTellsWhatIsCommitted) {
  start();
  append(1, {}, 3);
  settle();
  arrive(1, {Term{1}, LogIndex{2}}, "a");
  EXPECT_TRUE(installs_.empty());
  EXPECT_EQ(raft_->status().applied, LogIndex{2});
}

TEST_F(RaftSnapshotTest, ASecondStateWaitsForNoOne) {
  start();
  arrive(2, kFar, "a");
  arrive(2, {Term{2}, LogIndex{60}}, "b");
  EXPECT_EQ(installs_.size(), 1U);
  EXPECT_TRUE(said("discard b"));
}

TEST_F(RaftSnapshotTest, NothingIsAppliedWhileAStateIsBeingInstalled) {
  start();
  append(1, {}, 3);
  settle();
  arrive(2, kFar, "a");
  append(1, {}, 3, 3);
  receive(kOther, 2, Heartbeat{{Term{1}, LogIndex{3}}, 1});
  settle();
  EXPECT_FALSE(said("apply"));
}

TEST_F(RaftSnapshotTest, TheLogIsKeptWhereItReachesBackToTheState) {
  start();
  arrive(2, kFar, "a");
  // Another leader had the entries after all.
  append(2, {}, 60);
  settle();
  writes_.clear();
  installed(kFar);
  EXPECT_TRUE(writes_.empty() || !writes_[0].restart_after);
  EXPECT_EQ(raft_->status().last, (LogPosition{Term{2}, LogIndex{60}}));
}

// It has not what it would lead with; nor may it be stopped by what it would win.
TEST_F(RaftSnapshotTest, NobodyStandsWhileAStateIsPutInUse) {
  start();
  arrive(2, kFar, "a");
  append(2, {}, 60);
  settle();
  receive(kOther, 2, TakeOver{});
  settle();
  EXPECT_EQ(raft_->status().role, Role::kFollower);
  installed(kFar);
  receive(kOther, 2, TakeOver{});
  settle();
  EXPECT_EQ(raft_->status().role, Role::kCandidate);
}

TEST_F(RaftSnapshotTest, WhatIsAppliedIsOnThisDiskThoughTheLogsWriteIsOnItsWay) {
  start();
  arrive(2, kFar, "a");
  disk_answers_ = false;
  append(2, {}, 60);
  settle();
  installed(kFar);
  EXPECT_EQ(raft_->status().applied, kFar.index);
  EXPECT_EQ(raft_->status().persisted, kFar.index);
}

TEST_F(RaftSnapshotTest, AChangeThatMayHaveBeenSkippedIsUnknownAtOnce) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  propose({1});
  settle();
  receive(kOther, 2, Heartbeat{{}, 1});
  arrive(2, kFar, "a");
  installed(kFar);
  EXPECT_TRUE(said("refused request=1 unknown"));
}

TEST_F(RaftSnapshotTest, AnAppendThatBeginsBeforeTheLogIsTakenFromItsBeginning) {
  start_behind_ten();
  append(2, {Term{1}, LogIndex{8}}, 4);
  settle();
  EXPECT_EQ(raft_->status().last, (LogPosition{Term{2}, LogIndex{12}}));
  EXPECT_TRUE(said("Appended term=2 match=12"));
  append(2, {Term{1}, LogIndex{3}}, 2);
  settle();
  EXPECT_TRUE(said("Appended term=2 match=10"));
}

TEST_F(RaftSnapshotTest, TheLogIsToldWhatTheStateHoldsAndWhatFollowersRead) {
  start();
  lead();
  receive(kOther, 1, Appended{LogIndex{1}});
  settle();
  propose({1});
  settle();
  EXPECT_EQ(writes_.back().drop_before, LogIndex{2});
  EXPECT_EQ(writes_.back().wanted_from, LogIndex{1});
  receive(kThird, 1, Appended{LogIndex{2}});
  propose({2});
  settle();
  EXPECT_EQ(writes_.back().wanted_from, LogIndex{2});
}

// A disk that has stopped answering.

class RaftFenceTest : public RaftTest {
 protected:
  void stall() {
    disk_answers_ = false;
    propose({1});
    settle();
    for (int i = 0; i < 20; ++i) {
      receive(kOther, raft_->status().term.value, HeartbeatReply{0, {}});
      receive(kThird, raft_->status().term.value, HeartbeatReply{0, {}});
      wait(milliseconds(50));
    }
    settle();
  }
};

TEST_F(RaftFenceTest, ALeaderWhoseDiskIsSilentHandsOver) {
  start();
  lead();
  receive(kOther, 1, Appended{LogIndex{1}});
  stall();
  EXPECT_TRUE(raft_->status().fenced);
  receive(kOther, 1, Appended{LogIndex{2}});
  settle();
  EXPECT_TRUE(said("1 -> 2 TakeOver"));
}

TEST_F(RaftFenceTest, ALeaderWhoseDiskIsSilentStepsDownWhenNobodyTakesOver) {
  start();
  lead();
  stall();
  stall();
  EXPECT_EQ(raft_->status().role, Role::kFollower);
  wait(milliseconds(3000));
  EXPECT_EQ(raft_->status().role, Role::kFollower);
}

TEST_F(RaftFenceTest, AFencedNodeTakesNoRequestsUntilItsDiskAnswers) {
  start({kSelf});
  lead();
  stall();
  read(2);
  propose({3});
  settle();
  EXPECT_TRUE(said("refused request=2 fenced"));
  EXPECT_TRUE(said("refused request=3 fenced"));
  disk_answers_ = true;
  step(Persisted{writes_.back().ticket});
  settle();
  EXPECT_FALSE(raft_->status().fenced);
  propose({4});
  settle();
  EXPECT_FALSE(said("refused request=4"));
}

TEST_F(RaftFenceTest, WhatWaitsForASilentDiskIsBounded) {
  start();
  disk_answers_ = false;
  for (uint64_t round = 1; round <= 20'000; ++round) receive(kOther, 5, Heartbeat{{}, round});
  settle();
  EXPECT_TRUE(sent_.empty());
  step(Persisted{writes_.back().ticket});
  settle();
  EXPECT_GE(sent_.size(), 9'000U);
  EXPECT_LE(sent_.size(), 10'000U);
}

TEST_F(RaftFenceTest, AProcessThatWasItselfAsleepDoesNotBlameItsDisk) {
  start({kSelf});
  lead();
  disk_answers_ = false;
  propose({1});
  settle();
  now_ += milliseconds(5000);
  step(Wake{});
  settle();
  EXPECT_FALSE(raft_->status().fenced);
}

TEST_F(RaftFenceTest, AFollowerThatWasItselfAsleepDoesNotCallItsLeaderSilent) {
  start();
  receive(kOther, 5, Heartbeat{{}, 1});
  settle();
  now_ += milliseconds(5000);
  step(Wake{});
  settle();
  EXPECT_FALSE(said("PreVoteRequest")) << "what the leader has said meanwhile waits to be read";
  wait(milliseconds(2000));
  EXPECT_TRUE(said("PreVoteRequest")) << "but it had said nothing";
}

TEST_F(RaftFenceTest, OneThatSleepsAgainAndAgainStillSeesItsDisk) {
  start({kSelf});
  lead();
  disk_answers_ = false;
  propose({1});
  settle();
  for (int nap = 0; nap < 10; ++nap) {
    wait(milliseconds(200));
    now_ += milliseconds(200);
    step(Wake{});
    settle();
  }
  EXPECT_TRUE(raft_->status().fenced);
}

TEST_F(RaftFenceTest, OneThatSleepsAgainAndAgainStillSeesWhoIsSilent) {
  start();
  lead();
  for (int nap = 0; nap < 10 && raft_->status().role == Role::kLeader; ++nap) {
    wait(milliseconds(100));
    now_ += milliseconds(150);
    step(Wake{});
    settle();
  }
  EXPECT_EQ(raft_->status().role, Role::kFollower);
  const Term term = raft_->status().term;
  for (int nap = 0; nap < 10 && raft_->status().role == Role::kFollower; ++nap) {
    now_ = raft_->next_deadline() + milliseconds(100);
    step(Wake{});
    settle();
  }
  EXPECT_EQ(raft_->status().role, Role::kCandidate);
  EXPECT_EQ(raft_->status().term, term);
}

}  // namespace
}  // namespace holdfast::raft
