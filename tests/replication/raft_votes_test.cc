// Who stands, who votes, and who may go on leading.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

class RaftVotesTest : public RaftTest {
 protected:
  void stand() {
    do {
      now_ = raft_->next_deadline();
      step(Wake{});
      settle();
    } while (raft_->status().role != Role::kCandidate);
  }
  void grant(VotePhase phase, uint64_t term) {
    receive(kOther, raft_->status().term.value, VoteReply{phase, Term{term}, true});
    settle();
  }
  Role role() const { return raft_->status().role; }
};

TEST_F(RaftVotesTest, AVoteForAnEarlierCandidacyDoesNotCount) {
  start();
  stand();
  grant(VotePhase::kPreVote, 1);
  stand();
  // Asked in term 1, and comes while it asks again, and then in term 2.
  grant(VotePhase::kVote, 1);
  EXPECT_EQ(role(), Role::kCandidate);
  grant(VotePhase::kPreVote, 2);
  ASSERT_EQ(raft_->status().term, Term{2});
  grant(VotePhase::kVote, 1);
  EXPECT_EQ(role(), Role::kCandidate);
  grant(VotePhase::kVote, 2);
  EXPECT_EQ(role(), Role::kLeader);
}

// Others do not know of the removal yet, and would elect it.
TEST_F(RaftVotesTest, WhoIsToldThatItWasRemovedTakesNoOffice) {
  start();
  stand();
  grant(VotePhase::kPreVote, 1);
  receive(kThird, 0, VoteReply{VotePhase::kVote, Term{1}, false, true});
  settle();
  grant(VotePhase::kVote, 1);
  EXPECT_EQ(role(), Role::kFollower);
}

TEST_F(RaftVotesTest, GrantingAPreVoteChangesNothing) {
  start();
  const Instant before = raft_->next_deadline();
  now_ += milliseconds(10);
  receive(kOther, 0, VoteRequest{VotePhase::kPreVote, Term{1}, {}});
  settle();
  EXPECT_TRUE(said("1 -> 2 PreVoteReply term=0 for=1 granted"));
  EXPECT_EQ(raft_->next_deadline(), before);
  EXPECT_EQ(raft_->status().term, Term{});
  EXPECT_TRUE(writes_.empty());
  // It is as free to grant another's.
  receive(kThird, 0, VoteRequest{VotePhase::kPreVote, Term{1}, {}});
  settle();
  EXPECT_TRUE(said("1 -> 3 PreVoteReply term=0 for=1 granted"));
}

TEST_F(RaftVotesTest, ACandidateFollowsWhoLeadsItsTerm) {
  start();
  stand();
  grant(VotePhase::kPreVote, 1);
  receive(kThird, 1, Heartbeat{{}, 1});
  settle();
  EXPECT_EQ(role(), Role::kFollower);
  EXPECT_EQ(raft_->status().leader, kThird);
}

TEST_F(RaftVotesTest, LearnersDoNotKeepALeaderInOffice) {
  start({kSelf, kOther});
  lead();
  for (int i = 0; i < 10; ++i) {
    receive(kThird, raft_->status().term.value, HeartbeatReply{0, {}});
    wait(milliseconds(50));
  }
  EXPECT_NE(role(), Role::kLeader);
}

TEST_F(RaftVotesTest, ALearnerIsNotHandedTheLeadership) {
  start({kSelf, kOther});
  lead();
  for (const NodeId id : {kOther, kThird}) receive(id, 1, Appended{LogIndex{1}});
  settle();
  step(TransferLeader{kThird});
  settle();
  EXPECT_FALSE(said("TakeOver"));
  step(TransferLeader{kOther});
  settle();
  EXPECT_TRUE(said("1 -> 2 TakeOver"));
}

// Where leaders follow each other faster than heartbeats.
TEST_F(RaftVotesTest, ChangesOfLeaderKeepNoRequestFromItsDeadline) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  step(Propose{{{RequestId{7}, now_ + milliseconds(100), Bytes("x")}}});
  settle();
  for (uint64_t term = 1; term < 20; term += 2) {
    receive(kOther, term, TakeOver{});
    settle();
    receive(kThird, term + 1, VoteReply{VotePhase::kVote, Term{term + 1}, true});
    settle();
    EXPECT_EQ(role(), Role::kLeader);
    wait(milliseconds(10));
    receive(kOther, term + 2, Heartbeat{{}, 1});
    settle();
    wait(milliseconds(10));
  }
  EXPECT_TRUE(said("refused request=7 unknown"));
}

TEST_F(RaftVotesTest, TimeThatGoesBackEndsTheProcess) {
  start();
  now_ += milliseconds(10);
  step(Wake{});
  now_ -= milliseconds(1);
  EXPECT_DEATH(step(Wake{}), "time went back");
}

}  // namespace
}  // namespace holdfast::raft
