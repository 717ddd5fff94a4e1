// What a leader makes of a wish to change the members, and what a member makes of it.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

constexpr NodeId kFourth{4};

class RaftMembersTest : public RaftTest {
 protected:
  void ask(uint64_t request, MemberChange::Act act, NodeId id) {
    const Member member{id, "n" + std::to_string(id.value), "host:" + std::to_string(id.value)};
    Propose propose;
    propose.proposals.push_back({RequestId{request}, now_ + milliseconds(1000),
                                 encode_change({act, member}), EntryKind::kMembers});
    step(std::move(propose));
    settle();
  }
  // That follower's log is on its disk as far as the leader's goes.
  void acknowledge(NodeId from) {
    const Status status = raft_->status();
    receive(from, status.term.value, Appended{status.last.index});
    settle();
  }
  void hear(NodeId from) {
    receive(from, raft_->status().term.value, HeartbeatReply{0, raft_->status().last.index});
    settle();
  }
  // Leads, and knows what is committed.
  void lead_for_sure() {
    lead();
    acknowledge(kOther);
    acknowledge(kThird);
  }
  // Time passes, and it hears both of the others.
  void lead_on(int beats) {
    for (int i = 0; i < beats; ++i) {
      hear(kOther);
      hear(kThird);
      wait(milliseconds(50));
    }
  }
  const Members& members() const { return raft_->members(); }
};

TEST_F(RaftMembersTest, AnAddedMemberLearnsFirstAndVotesOnceItHasCaughtUp) {
  start();
  lead_for_sure();
  ask(1, MemberChange::Act::kAdd, kFourth);
  ASSERT_NE(members().find(kFourth), nullptr);
  EXPECT_FALSE(members().votes(kFourth));
  acknowledge(kOther);
  EXPECT_FALSE(members().votes(kFourth));
  acknowledge(kFourth);
  wait(milliseconds(60));
  EXPECT_TRUE(members().votes(kFourth));
}

TEST_F(RaftMembersTest, ALearnerThatWantsToStaysOne) {
  start({kSelf, kOther});
  lead();
  acknowledge(kOther);
  Member learner{kFourth, "n4", "host:4"};
  learner.stays_learner = true;
  Propose propose;
  propose.proposals.push_back({RequestId{1}, now_ + milliseconds(1000),
                               encode_change({MemberChange::Act::kAdd, learner}),
                               EntryKind::kMembers});
  step(std::move(propose));
  settle();
  acknowledge(kOther);
  for (int i = 0; i < 10; ++i) {
    acknowledge(kFourth);
    acknowledge(kOther);
    wait(milliseconds(60));
  }
  EXPECT_FALSE(members().votes(kFourth));
  ask(2, MemberChange::Act::kPromote, kFourth);
  EXPECT_TRUE(members().votes(kFourth));
}

TEST_F(RaftMembersTest, ALearnerThatIsBehindIsNotPromoted) {
  start({kSelf, kOther});
  append(1, {}, 3);
  settle();
  lead();
  acknowledge(kOther);
  ask(1, MemberChange::Act::kPromote, kThird);
  EXPECT_TRUE(said("refused request=1 rejected: n3 cannot vote yet: it is 4 entries behind"));
  // Nor one that answers, and has nothing yet.
  receive(kThird, raft_->status().term.value, HeartbeatReply{0, {}});
  ask(2, MemberChange::Act::kPromote, kThird);
  EXPECT_TRUE(said("refused request=2 rejected: n3 cannot vote yet: it is 4 entries behind"));
}

TEST_F(RaftMembersTest, NothingIsChangedBeforeAnEntryOfTheOwnTermIsCommitted) {
  start();
  lead();
  hear(kThird);
  ask(1, MemberChange::Act::kRemove, kThird);
  EXPECT_NE(members().find(kThird), nullptr);
  acknowledge(kOther);
  EXPECT_EQ(members().find(kThird), nullptr);
}

TEST_F(RaftMembersTest, OneChangeAtATimeIsInTheLogUncommitted) {
  start();
  lead_for_sure();
  ask(1, MemberChange::Act::kAdd, kFourth);
  ask(2, MemberChange::Act::kRemove, kThird);
  EXPECT_NE(members().find(kFourth), nullptr);
  EXPECT_NE(members().find(kThird), nullptr);
  acknowledge(kOther);
  EXPECT_EQ(members().find(kThird), nullptr);
}

TEST_F(RaftMembersTest, WhatWouldLeaveNoHealthyMajorityIsRefusedWithTheReason) {
  start();
  lead_for_sure();
  for (int i = 0; i < 8; ++i) {
    hear(kOther);
    wait(milliseconds(50));
  }
  // The third has been silent for 400 ms: without the second, no majority could answer.
  ask(1, MemberChange::Act::kRemove, kOther);
  EXPECT_TRUE(
      said("refused request=1 rejected: afterwards 2 of 2 voters would be needed, and only "
           "1 can be counted on (silent or not whole: n3)"));
  ask(2, MemberChange::Act::kRemove, kThird);
  EXPECT_EQ(members().find(kThird), nullptr);
}

TEST_F(RaftMembersTest, WhoMayLackWhatItAcknowledgedIsNotCountedOn) {
  start();
  lead_for_sure();
  lead_on(2);
  HeartbeatReply reply{1, raft_->status().last.index, 7};
  reply.quarantined = true;
  receive(kThird, raft_->status().term.value, reply);
  settle();
  ask(1, MemberChange::Act::kRemove, kOther);
  EXPECT_TRUE(
      said("refused request=1 rejected: afterwards 2 of 2 voters would be needed, and only "
           "1 can be counted on (silent or not whole: n3)"));
}

TEST_F(RaftMembersTest, WhoHasNotBeenHeardInThisLeadershipIsNotHealthy) {
  start();
  lead();
  acknowledge(kOther);
  ask(1, MemberChange::Act::kRemove, kOther);
  // It has some time to be heard.
  EXPECT_FALSE(said("refused request=1"));
  for (int i = 0; i < 7; ++i) {
    hear(kOther);
    wait(milliseconds(50));
  }
  EXPECT_TRUE(said("refused request=1 rejected: afterwards 2 of 2 voters would be needed"));
}

TEST_F(RaftMembersTest, TheLeadIsHandedToNobodyWhoHasNotBeenHeardInThisLeadership) {
  start();
  lead();
  acknowledge(kOther);
  step(TransferLeader{kThird});
  propose({1});
  settle();
  EXPECT_TRUE(said("1 -> 2 Append term=1 previous=1/1 entries=1/2"));
}

TEST_F(RaftMembersTest, TheLastVoterIsNotRemoved) {
  start({kSelf});
  lead();
  ask(1, MemberChange::Act::kRemove, kSelf);
  wait(milliseconds(350));
  EXPECT_TRUE(said("refused request=1 rejected: n1 is the only voter"));
}

TEST_F(RaftMembersTest, ALeaderDoesNotRemoveItselfItsSuccessorDoes) {
  start();
  lead_for_sure();
  lead_on(7);
  ask(1, MemberChange::Act::kRemove, kSelf);
  EXPECT_TRUE(said("1 -> 2 TakeOver") || said("1 -> 3 TakeOver"));
  EXPECT_NE(members().find(kSelf), nullptr);
  // The successor stands for election: the change goes to it, in a term of its own.
  const uint64_t next = raft_->status().term.value + 1;
  receive(kOther, next, Heartbeat{{}, 1});
  settle();
  EXPECT_FALSE(said("refused request=1"));
  append(next, raft_->status().last, 1, raft_->status().last.index.value + 1);
  settle();
  EXPECT_TRUE(said("1 -> 2 Forward"));
}

// Else two voters, each to be removed through the other, would hand over to each other.
TEST_F(RaftMembersTest, ANewLeaderFirstDoesWhatElseItIsAskedFor) {
  start();
  lead_for_sure();
  ask(1, MemberChange::Act::kRemove, kSelf);
  EXPECT_FALSE(said("TakeOver"));
  ask(2, MemberChange::Act::kRemove, kOther);
  EXPECT_EQ(members().find(kOther), nullptr);
  acknowledge(kThird);
  lead_on(7);
  EXPECT_TRUE(said("1 -> 3 TakeOver"));
}

TEST_F(RaftMembersTest, ARemovalOfTheLeaderIsRejectedWhenNobodyTakesOver) {
  start();
  lead_for_sure();
  ask(1, MemberChange::Act::kRemove, kSelf);
  lead_on(14);
  EXPECT_TRUE(said("refused request=1 rejected: the leader cannot be removed"));
  EXPECT_EQ(raft_->status().role, Role::kLeader);
}

TEST_F(RaftMembersTest, AForwardedChangeIsAnsweredWithTheReason) {
  start();
  lead_for_sure();
  Forward forward{9, 1, {}};
  forward.proposals.push_back({RequestId{7},
                               encode_change({MemberChange::Act::kPromote, Member{kFourth, "n4"}}),
                               EntryKind::kMembers});
  receive(kOther, raft_->status().term.value, std::move(forward));
  settle();
  const ForwardRefused* refused = nullptr;
  for (const Envelope& envelope : sent_)
    if (const auto* found = std::get_if<ForwardRefused>(&envelope.body)) refused = found;
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->reason, ForwardRefusal::kRejected);
  EXPECT_EQ(refused->detail, "no member has the id 0000000000000004");
}

TEST_F(RaftMembersTest, ARejectionEndsTheRequestWhereItBegan) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  ask(1, MemberChange::Act::kPromote, kFourth);
  receive(kOther, 1, ForwardRefused{ForwardRefusal::kRejected, Term{1}, {RequestId{1}}, "why"});
  settle();
  EXPECT_TRUE(said("refused request=1 rejected: why"));
}

TEST_F(RaftMembersTest, ARemovedCandidateIsToldOnceTheRemovalIsCommitted) {
  start();
  lead_for_sure();
  ask(1, MemberChange::Act::kRemove, kThird);
  receive(kThird, 1, VoteRequest{VotePhase::kPreVote, Term{9}, {}});
  settle();
  EXPECT_FALSE(said("PreVoteReply term=1 for=9 refused, removed"));
  acknowledge(kOther);
  receive(kThird, 1, VoteRequest{VotePhase::kPreVote, Term{9}, {}});
  settle();
  EXPECT_TRUE(said("PreVoteReply term=1 for=9 refused, removed"));
}

TEST_F(RaftMembersTest, ANodeThatWasRemovedStandsForNoElection) {
  start();
  receive(kOther, 0, VoteReply{VotePhase::kPreVote, Term{1}, false, true});
  EXPECT_TRUE(raft_->status().removed);
  wait(milliseconds(2000));
  EXPECT_EQ(raft_->status().role, Role::kFollower);
  EXPECT_FALSE(said("VoteRequest"));
}

TEST_F(RaftMembersTest, ARemovedFollowerIsFedUntilItKnows) {
  start();
  lead_for_sure();
  ask(1, MemberChange::Act::kRemove, kThird);
  acknowledge(kOther);
  acknowledge(kThird);
  sent_.clear();
  wait(milliseconds(50));
  const bool told = std::ranges::any_of(sent_, [&](const Envelope& envelope) {
    const auto* heartbeat = std::get_if<Heartbeat>(&envelope.body);
    return envelope.to == kThird && heartbeat &&
           heartbeat->commit.index == raft_->status().last.index;
  });
  EXPECT_TRUE(told);
  sent_.clear();
  hear(kOther);
  wait(milliseconds(100));
  EXPECT_TRUE(std::ranges::none_of(sent_, [](const Envelope& e) { return e.to == kThird; }));
}

TEST_F(RaftMembersTest, VotesOfLearnersAndStrangersDoNotCount) {
  start({kSelf, kOther});
  now_ = raft_->next_deadline();
  step(Wake{});
  settle();
  receive(kThird, 0, VoteReply{VotePhase::kPreVote, Term{1}, true});
  receive(kFourth, 0, VoteReply{VotePhase::kPreVote, Term{1}, true});
  settle();
  EXPECT_EQ(raft_->status().term, Term{});
}

TEST_F(RaftMembersTest, AChangeThatWasCutFromTheLogCountsNoMore) {
  start();
  lead_for_sure();
  const LogPosition before = raft_->status().last;
  ask(1, MemberChange::Act::kAdd, kFourth);
  ASSERT_NE(members().find(kFourth), nullptr);
  append(9, before, 1);
  settle();
  EXPECT_EQ(members().find(kFourth), nullptr);
}

}  // namespace
}  // namespace holdfast::raft
