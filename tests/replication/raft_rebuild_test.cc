// A node whose state was lost, and whose log does not go back to the first entry; and its leader.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

class RaftRebuildTest : public RaftTest {
 protected:
  // Its log holds the entries from 6 on, of term 1.
  void start_without_state(uint64_t last = 8) {
    Recovered found;
    for (const NodeId id : {kSelf, kOther, kThird})
      found.members.list.push_back({id, "n" + std::to_string(id.value), "", true});
    found.hard_state = {Term{1}, {}};
    found.before = {Term{1}, LogIndex{5}};
    if (last > 5) found.runs = {{LogIndex{6}, Term{1}}};
    found.last = {last};
    found.applied = found.members_index = {5};
    found.lacks_state = true;
    found.guesses_members = guesses_members_;
    Config limits;
    limits.self = kSelf;
    members_ = found.members;
    raft_.emplace(limits, std::move(found), Random(++lives_), now_);
  }
  bool said_soon(const std::string& part) {
    settle();
    return said(part);
  }
  void arrive(uint64_t index) {
    step(SnapshotArrived{kOther, Term{1}, {Term{1}, LogIndex{index}}, "s" + std::to_string(index)});
    settle();
  }

  Members members_;
  bool guesses_members_ = false;
};

TEST_F(RaftRebuildTest, AsksForTheStateAndServesNothingMeanwhile) {
  start_without_state();
  receive(kOther, 1, Heartbeat{{}, 1});
  append(1, {Term{1}, LogIndex{8}}, 0, 8);
  settle();
  EXPECT_TRUE(said("lacks_state"));
  EXPECT_EQ(raft_->status().commit, LogIndex{8});
  EXPECT_FALSE(said("apply"));
  propose({1});
  read(2);
  EXPECT_TRUE(said("refused request=1 fenced"));
  EXPECT_TRUE(said("refused request=2 fenced"));
}

TEST_F(RaftRebuildTest, VotesForWhoHasAllThatItHas) {
  start_without_state();
  receive(kOther, 2, VoteRequest{VotePhase::kVote, Term{2}, {Term{1}, LogIndex{8}}});
  settle();
  EXPECT_EQ(raft_->status().vote, kOther);
}

// The others may lack what only it has, and then nobody is elected but itself.
TEST_F(RaftRebuildTest, LeadsUntilAnotherHasItsLog) {
  start_without_state();
  lead();
  propose({1});
  EXPECT_TRUE(said_soon("refused request=1 fenced"));
  const uint64_t term = raft_->status().term.value;
  receive(kOther, term, AppendRejected{{Term{1}, LogIndex{8}}, {Term{1}, LogIndex{7}}});
  settle();
  EXPECT_TRUE(said("load for=2 first=8"));
  // What its log does not reach back to it cannot give to anybody.
  receive(kThird, term, AppendRejected{{Term{1}, LogIndex{8}}, {Term{1}, LogIndex{2}}});
  wait(milliseconds(200));
  EXPECT_FALSE(said("snapshot to=3"));
  EXPECT_FALSE(said("TakeOver"));
  receive(kOther, term, Appended{raft_->status().last.index});
  receive(kOther, term, HeartbeatReply{1, raft_->status().last.index});
  wait(milliseconds(100));
  EXPECT_TRUE(said("1 -> 2 TakeOver"));
  EXPECT_FALSE(said("1 -> 3 TakeOver"));
}

TEST_F(RaftRebuildTest, TakesAStateThatItsLogGoesOnFrom) {
  start_without_state();
  receive(kOther, 1, Heartbeat{{}, 1});
  append(1, {Term{1}, LogIndex{8}}, 0, 8);
  settle();
  arrive(4);
  EXPECT_TRUE(said("discard s4"));
  arrive(7);
  ASSERT_EQ(installs_.size(), 1u);
  step(Installed{{Term{1}, LogIndex{7}}, members_});
  settle();
  EXPECT_FALSE(raft_->status().awaits_state);
  // What follows it is in the log, on disk.
  EXPECT_TRUE(said("load for=1 first=8"));
  lines_.clear();
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{8}}, 2});
  settle();
  EXPECT_TRUE(said("HeartbeatReply"));
  EXPECT_FALSE(said("lacks_state"));
}

// It would turn the cluster's clock back.
TEST_F(RaftRebuildTest, DoesNotStandWithoutAnyEntry) {
  start_without_state(5);
  wait(milliseconds(2000));
  EXPECT_EQ(raft_->status().role, Role::kFollower);
}

// By a list that is out of date, two may be elected in one term.
TEST_F(RaftRebuildTest, DoesNotStandByAListThatIsAGuess) {
  guesses_members_ = true;
  start_without_state();
  wait(milliseconds(2000));
  EXPECT_EQ(raft_->status().role, Role::kFollower);
  receive(kOther, 1,
          Append{{Term{1}, LogIndex{8}},
                 {std::make_shared<const LogEntry>(LogEntry{
                     LogIndex{9}, Term{1}, EntryKind::kMembers, {}, encode_members(members_)})},
                 {}});
  settle();
  wait(milliseconds(2000));
  EXPECT_EQ(raft_->status().role, Role::kCandidate) << "its log says who they are";
}

TEST_F(RaftRebuildTest, ChangesDoNotWaitForASuccessorThatIsFarBehind) {
  start_without_state();
  lead();
  const uint64_t term = raft_->status().term.value;
  receive(kOther, term, Appended{LogIndex{7}});  // what follows is still to be loaded
  receive(kOther, term, HeartbeatReply{1, LogIndex{7}});
  wait(milliseconds(100));
  const LogIndex last = raft_->status().last.index;
  receive(kThird, term, Forward{77, 1, {{RequestId{1}, Bytes("x")}}});
  settle();
  EXPECT_EQ(raft_->status().last.index, last + 1);
}

// Each says what it lacks in its answers to heartbeats. Two without a state would hand over to each
// other for ever.
TEST_F(RaftRebuildTest, HandsOverToNobodyWhoHasNotSaidWhatItLacks) {
  start_without_state();
  lead();
  const uint64_t term = raft_->status().term.value;
  const LogIndex last = raft_->status().last.index;
  receive(kOther, term, Appended{last});
  wait(milliseconds(60));
  EXPECT_FALSE(said("1 -> 2 TakeOver"));
  HeartbeatReply lacking{1, last};
  lacking.lacks_state = true;
  receive(kOther, term, lacking);
  receive(kThird, term, Appended{last});
  receive(kThird, term, HeartbeatReply{1, last});
  wait(milliseconds(60));
  EXPECT_FALSE(said("1 -> 2 TakeOver"));
  EXPECT_TRUE(said("1 -> 3 TakeOver"));
}

// What the log does not reach back to, a leader without a state can give to nobody.
TEST_F(RaftRebuildTest, DoesNotHandOverToWhoCannotCatchUp) {
  start_without_state();
  lead();
  const uint64_t term = raft_->status().term.value;
  receive(kOther, term, Appended{raft_->status().last.index});
  receive(kThird, term, Appended{LogIndex{3}});
  step(TransferLeader{kThird});
  const LogIndex last = raft_->status().last.index;
  receive(kThird, term, Forward{77, 1, {{RequestId{1}, Bytes("x")}}});
  settle();
  EXPECT_EQ(raft_->status().last.index, last + 1);
}

// The leader of a follower that lost its state.
class RaftRepairTest : public RaftTest {
 protected:
  void lead_one_without_state() {
    start();
    lead();
    receive(kThird, term(), Appended{raft_->status().last.index});
    settle();
    hear(true);
  }
  // What it answers to a heartbeat.
  void hear(bool lacks_state, bool installs = false) {
    HeartbeatReply reply{1, raft_->status().last.index, 7};
    reply.lacks_state = lacks_state;
    reply.installs = installs;
    receive(kThird, term(), reply);
    settle();
  }
  // For so long the follower, and another, answer now and then.
  void hear_for(Duration duration, bool lacks_state, bool installs) {
    for (const Instant end = now_ + duration; now_ < end;) {
      wait(milliseconds(100));
      receive(kOther, term(), HeartbeatReply{1, raft_->status().last.index, 7});
      hear(lacks_state, installs);
    }
  }
  uint64_t term() const { return raft_->status().term.value; }
  auto orders() const {
    return std::ranges::count_if(
        lines_, [](const std::string& line) { return line.find("snapshot to=3") == 0; });
  }
  bool receives() const {
    for (const FollowerStatus& follower : raft_->status().followers)
      if (follower.id == kThird) return follower.receives_snapshot;
    return false;
  }
};

TEST_F(RaftRepairTest, TheStateIsSentThoughTheLogIsWhole) {
  lead_one_without_state();
  EXPECT_TRUE(said("snapshot to=3 number=1"));
  receive(kThird, term(), Appended{raft_->status().last.index});
  settle();
  EXPECT_TRUE(receives()) << "what its log holds says nothing of its state";
  step(SnapshotDone{kThird, 1, true});
  hear(false);
  EXPECT_FALSE(receives());
}

// A majority may need it for them.
TEST_F(RaftRepairTest, EntriesGoOnWhileTheStateIsSent) {
  lead_one_without_state();
  lines_.clear();
  propose({1});
  settle();
  EXPECT_TRUE(said("1 -> 3 Append term=1 previous=1/1"));
  receive(kThird, term(), Appended{LogIndex{2}});
  settle();
  EXPECT_EQ(raft_->status().commit, LogIndex{2});
  EXPECT_TRUE(receives());
}

TEST_F(RaftRepairTest, WhatIsOnItsWayServesOneWhoFallsBehindTheLogToo) {
  lead_one_without_state();
  AppendRejected behind{{Term{1}, LogIndex{1}}, {}};
  receive(kThird, term(), behind);
  settle();
  EXPECT_EQ(orders(), 1);
}

TEST_F(RaftRepairTest, WhoPutsAStateInUseIsNotSentAnother) {
  lead_one_without_state();
  step(SnapshotDone{kThird, 1, true});
  hear_for(milliseconds(10'000), true, true);
  EXPECT_EQ(orders(), 1);
  // But who has it and says nothing of it is.
  hear_for(milliseconds(10'000), true, false);
  EXPECT_GT(orders(), 1);
}

// It had that state from an earlier leader.
TEST_F(RaftRepairTest, ANewLeaderSendsNothingToWhoPutsAStateInUse) {
  start();
  lead();
  receive(kThird, term(), Appended{raft_->status().last.index});
  settle();
  hear_for(milliseconds(2'000), true, true);
  EXPECT_EQ(orders(), 0);
  hear(true, false);
  EXPECT_EQ(orders(), 1);
}

TEST_F(RaftRepairTest, ATransferThatFailedIsNotOrderedAgainAtOnce) {
  lead_one_without_state();
  step(SnapshotDone{kThird, 1, false});
  hear(true);
  hear(true);
  EXPECT_EQ(orders(), 1);
  hear_for(milliseconds(400), true, false);
  EXPECT_EQ(orders(), 2);
}

TEST_F(RaftRepairTest, NobodyHandsOverToWhoCannotStand) {
  lead_one_without_state();
  step(TransferLeader{kThird});
  propose({1});
  settle();
  EXPECT_TRUE(said("entries=1/2")) << "changes do not wait for it";
  EXPECT_FALSE(said("TakeOver"));
}

}  // namespace
}  // namespace holdfast::raft
