// Rules that are easiest shown on one node alone. Stories of several nodes are in tests/scenarios.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

TEST_F(RaftTest, AnOvertakenAppendDoesNotLowerTheAcknowledgement) {
  start();
  append(1, {}, 3);
  append(1, {}, 1);
  settle();
  EXPECT_TRUE(said("Appended term=1 match=3"));
}

TEST_F(RaftTest, APreVoteOfAVoterInAnEarlierTermCounts) {
  start();
  receive(kOther, 5, VoteReply{VotePhase::kPreVote, Term{1}, false});
  wait(milliseconds(600));
  ASSERT_EQ(raft_->status().role, Role::kCandidate);
  receive(kOther, 3, VoteReply{VotePhase::kPreVote, Term{6}, true});
  settle();
  EXPECT_EQ(raft_->status().term, Term{6});
}

TEST_F(RaftTest, WhoVotesForAnotherStopsAskingForPreVotes) {
  start();
  receive(kOther, 1, VoteReply{VotePhase::kPreVote, Term{1}, false});
  wait(milliseconds(600));
  ASSERT_EQ(raft_->status().role, Role::kCandidate);
  receive(kThird, 1, VoteRequest{VotePhase::kVote, Term{1}, {}});
  settle();
  EXPECT_TRUE(said("VoteReply term=1 for=1 granted"));
  receive(kOther, 1, VoteReply{VotePhase::kPreVote, Term{2}, true});
  settle();
  EXPECT_EQ(raft_->status().term, Term{1}) << "it would depose the leader that it elected";
}

TEST_F(RaftTest, ALearnerForgetsALeaderThatFellSilent) {
  start({kOther, kThird});
  receive(kOther, 1, Heartbeat{{}, 1});
  settle();
  EXPECT_EQ(raft_->status().leader, kOther);
  wait(milliseconds(700));
  EXPECT_EQ(raft_->status().leader, NodeId{});
}

TEST_F(RaftTest, AReadAttemptIsNeverNumberedAsInAnEarlierLife) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  read(1);
  const uint64_t first = newest_attempt();
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  read(2);
  EXPECT_NE(newest_attempt(), first);
}

TEST_F(RaftTest, AReadAnswerMayTakeLongerThanAHeartbeat) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  read(7);
  const uint64_t attempt = newest_attempt();
  for (int i = 0; i < 5; ++i) {
    wait(milliseconds(50));
    receive(kOther, 1, Heartbeat{{}, 1});
  }
  receive(kOther, 1, ReadReply{attempt, {}});
  settle();
  EXPECT_TRUE(said("readable 7"));
}

TEST_F(RaftTest, ReadsDoNotKeepAChangeFromItsDeadline) {
  start();
  lead();
  const uint64_t term = raft_->status().term.value;
  receive(kOther, term, Appended{raft_->status().last.index});
  propose({7});
  settle();
  // The others answer every heartbeat, so that reads go through, and acknowledge no entry.
  for (uint64_t i = 0; i < 120; ++i) {
    receive(kOther, term, HeartbeatReply{1'000'000 + i, raft_->status().last.index});
    read(100 + i);
    wait(milliseconds(10));
  }
  EXPECT_TRUE(said("refused request=7 unknown"));
}

TEST_F(RaftTest, AFollowerWhoseStateIsBehindKeepsABoundedWindow) {
  Config limits;
  limits.proposals_bytes_max = 1000;
  limits.window_bytes_max = 500;
  start({kSelf, kOther, kThird}, limits);
  append(1, {}, 100);
  settle();
  EXPECT_LE(raft_->log().window_bytes(), 1500U);
  // What was let go is read back to be applied.
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{100}}, 1});
  settle();
  EXPECT_TRUE(said("load for=1 first=1 last=100"));
}

TEST_F(RaftTest, ALeaderIsCurrentAsOfTheStartOfARoundThatAMajorityAnswered) {
  start();
  lead();
  const uint64_t term = raft_->status().term.value;
  EXPECT_EQ(raft_->status().current_as_of, std::nullopt) << "nothing of its term is committed";
  receive(kOther, term, Appended{raft_->status().last.index});
  settle();
  const Instant committed = now_;
  wait(milliseconds(170));
  EXPECT_EQ(raft_->status().current_as_of, std::nullopt) << "nobody has answered";
  receive(kOther, term, HeartbeatReply{1'000'000, raft_->status().last.index});
  ASSERT_TRUE(raft_->status().current_as_of);
  EXPECT_GE(*raft_->status().current_as_of, committed);
  EXPECT_LT(*raft_->status().current_as_of, now_) << "an answer proves no more than its question";
}

TEST_F(RaftTest, AFollowerIsCurrentAsOfItsReplyOnceItHasAppliedWhatWasProven) {
  start();
  append(1, {}, 2, 1);
  settle();
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{1}}, 3});
  settle();
  const Instant replied = now_;
  uint64_t moment = 0;
  for (const Envelope& envelope : sent_) {
    if (const auto* reply = std::get_if<HeartbeatReply>(&envelope.body)) moment = reply->moment;
  }
  wait(milliseconds(20));
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{1}}, 5});
  wait(milliseconds(20));
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{1}}, 6, CurrencyProof{moment, LogIndex{2}}});
  settle();
  EXPECT_EQ(raft_->status().current_as_of, std::nullopt) << "entry 2 is not applied";
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{2}}, 7});
  settle();
  EXPECT_EQ(raft_->status().current_as_of, replied);
}

// Of the same node, which may lead this term too and count its rounds anew.
TEST_F(RaftTest, AnAnswerToAnEarlierTermConfirmsNoRoundOfThis) {
  start();
  receive(kOther, 6, Heartbeat{{}, 1});
  receive(kOther, 3, Heartbeat{{}, 25});
  settle();
  EXPECT_TRUE(said("1 -> 2 HeartbeatReply term=6 round=0"));
  EXPECT_FALSE(said("round=25"));
}

TEST_F(RaftTest, AVoteOfAnEarlierElectionIsNotCounted) {
  start();
  for (const uint64_t term : {1U, 2U}) {
    wait(milliseconds(1300));
    receive(kOther, term - 1, VoteReply{VotePhase::kPreVote, Term{term}, true});
    settle();
    ASSERT_EQ(raft_->status().term, Term{term});
  }
  receive(kOther, 2, VoteReply{VotePhase::kVote, Term{1}, true});
  settle();
  EXPECT_EQ(raft_->status().role, Role::kCandidate);
  receive(kOther, 2, VoteReply{VotePhase::kVote, Term{2}, true});
  settle();
  EXPECT_EQ(raft_->status().role, Role::kLeader);
}

TEST_F(RaftTest, AVoteGoesByTheLastTermBeforeTheLength) {
  start();
  append(2, {}, 1);
  settle();
  wait(milliseconds(600));
  receive(kThird, 3, VoteRequest{VotePhase::kVote, Term{3}, {Term{1}, LogIndex{9}}});
  settle();
  EXPECT_FALSE(said("VoteReply term=3 for=3 granted"));
  receive(kThird, 4, VoteRequest{VotePhase::kVote, Term{4}, {Term{2}, LogIndex{1}}});
  settle();
  EXPECT_TRUE(said("VoteReply term=4 for=4 granted"));
}

TEST_F(RaftTest, AHeartbeatTellsNoCommitBeyondWhatTheFollowerIsKnownToHave) {
  start();
  lead();
  propose({1});
  settle();
  receive(kThird, raft_->status().term.value, Appended{raft_->status().last.index});
  settle();
  ASSERT_EQ(raft_->status().commit, raft_->status().last.index);
  lines_.clear();
  wait(milliseconds(60));
  EXPECT_TRUE(said("1 -> 2 Heartbeat term=1 commit=0/0"));
  EXPECT_TRUE(said("1 -> 3 Heartbeat term=1 commit=1/2"));
}

TEST_F(RaftTest, ACommitGoesNoFurtherThanWhatTheAppendCompared) {
  start();
  append(1, {}, 5);
  settle();
  // The leader of term 2 has other entries 3 to 5, of which this one has not heard yet.
  receive(kThird, 2, Append{{Term{1}, LogIndex{2}}, {}, LogIndex{5}});
  settle();
  EXPECT_EQ(raft_->status().commit, LogIndex{2});
}

TEST_F(RaftTest, AnAcknowledgementOfAnEarlierTermIsNotCounted) {
  start();
  lead();
  const uint64_t term = raft_->status().term.value;
  receive(kOther, term - 1, Appended{raft_->status().last.index});
  settle();
  EXPECT_EQ(raft_->status().commit, LogIndex{});
  receive(kOther, term, Appended{raft_->status().last.index});
  settle();
  EXPECT_EQ(raft_->status().commit, LogIndex{1});
}

TEST_F(RaftTest, ARejectionThatAnAcknowledgementOvertookChangesNothing) {
  start();
  lead();
  const uint64_t term = raft_->status().term.value;
  receive(kOther, term, Appended{raft_->status().last.index});
  settle();
  const auto streams = [&] {
    const std::vector<FollowerStatus> all = raft_->status().followers;
    return std::ranges::find(all, kOther, &FollowerStatus::id)->streaming;
  };
  ASSERT_TRUE(streams());
  receive(kOther, term, AppendRejected{{}, {}});
  EXPECT_TRUE(streams());
}

TEST_F(RaftTest, AnAppendWithAGapIsNotTaken) {
  start();
  std::vector<EntryPtr> entries;
  for (const uint64_t index : {1U, 3U})
    entries.push_back(std::make_shared<const LogEntry>(
        LogEntry{LogIndex{index}, Term{1}, EntryKind::kCommand, {}, Bytes("x")}));
  receive(kOther, 1, Append{{}, std::move(entries), LogIndex{1}});
  settle();
  EXPECT_EQ(raft_->status().last.index, LogIndex{});
  EXPECT_EQ(raft_->status().commit, LogIndex{});
  EXPECT_FALSE(said("Appended"));
}

TEST_F(RaftTest, AnAnswerToAReadCommitsNothing) {
  start();
  append(1, {}, 3);
  read(5);
  receive(kOther, 1, ReadReply{newest_attempt(), LogIndex{3}});
  settle();
  EXPECT_EQ(raft_->status().commit, LogIndex{});
  EXPECT_FALSE(said("readable"));
  // It waits for what it was told, and a word of the leader that this is committed.
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{3}}, 1});
  settle();
  EXPECT_TRUE(said("readable 5"));
}

TEST_F(RaftTest, AnAnswerOfALeaderThatIsGoneReleasesNoRead) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  read(5);
  const uint64_t asked = newest_attempt();
  receive(kThird, 2, Heartbeat{{}, 1});
  receive(kOther, 1, ReadReply{asked, {}});
  settle();
  receive(kThird, 2, ReadReply{asked, {}});
  settle();
  EXPECT_FALSE(said("readable"));
  receive(kThird, 2, ReadReply{newest_attempt(), {}});
  settle();
  EXPECT_TRUE(said("readable 5"));
}

TEST_F(RaftTest, WhoLeadsNoMoreServesNoReadThatItTookAsLeader) {
  start();
  lead();
  receive(kOther, 1, Appended{LogIndex{1}});
  settle();
  read(5);
  EXPECT_TRUE(said("1 -> 2 Heartbeat term=1 commit=1/1 round=1"));
  receive(kThird, 2, Heartbeat{{}, 1});
  receive(kOther, 1, HeartbeatReply{1, LogIndex{1}});
  receive(kOther, 2, HeartbeatReply{1, LogIndex{1}});
  settle();
  EXPECT_FALSE(said("readable"));
}

TEST_F(RaftTest, AForwardedChangeIsNotPassedOnAgain) {
  start();
  receive(kOther, 4, Heartbeat{{}, 1});
  receive(kThird, 4, Forward{77, 1, {{RequestId{5}, Bytes("x")}}});
  settle();
  EXPECT_FALSE(said("1 -> 2 Forward"));
}

TEST_F(RaftTest, OnlyWhoLedTheTermSaysThatAForwardedChangeWasNotTaken) {
  start();
  receive(kOther, 4, Heartbeat{{}, 1});
  receive(kThird, 4, Forward{77, 1, {{RequestId{5}, Bytes("x")}}});
  settle();
  EXPECT_FALSE(said("ForwardRefused"));
}

TEST_F(RaftTest, ALaterChangeDoesNotOvertakeOneWhoseFateIsOpen) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  propose({7});
  settle();
  EXPECT_TRUE(said("Forward term=1 number=1 requests=7"));
  receive(kThird, 2, Heartbeat{{}, 1});
  propose({8});
  settle();
  EXPECT_FALSE(said("requests=8"));
  // Committed in term 2, and 7 is not among it: it never will be.
  append(2, {}, 1, 1);
  settle();
  EXPECT_TRUE(said("Forward term=2 number=2 requests=7,8"));
}

// The term is on disk, an entry behind it is not yet: what waits for the term alone leaves at once.
TEST_F(RaftTest, AForwardIsNotOvertakenOnItsWayOutOfTheNode) {
  start();
  disk_answers_ = false;
  receive(kOther, 1, Heartbeat{{}, 1});
  settle();
  append(1, {}, 1);
  settle();
  propose({7});
  settle();
  ASSERT_EQ(writes_.size(), 2U);
  step(Persisted{writes_[0].ticket});
  settle();
  EXPECT_TRUE(said("Forward term=1 number=1 requests=7"));
  EXPECT_FALSE(said("Appended"));
}

// Of three changes that were given one after the other only the second reached the leader.
TEST_F(RaftTest, AChangeThatWasLostIsNotGivenAgainBehindALaterOne) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  for (const uint64_t request : {7U, 8U, 9U}) {
    propose({request});
    settle();
  }
  append_of(1, {}, 8);
  append_of(2, {Term{1}, LogIndex{1}}, 0);
  settle();
  EXPECT_TRUE(said("refused request=7 overtaken"));
  EXPECT_TRUE(said("Forward term=2 number=4 requests=9"));
  EXPECT_FALSE(said("requests=7,"));
}

// The second may be in the log, though nobody waits for it.
TEST_F(RaftTest, AChangeThatWasLostIsNotGivenAgainBehindOneWhoseOutcomeIsUnknown) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  step(Propose{{{RequestId{7}, now_ + milliseconds(1000), Bytes("x")}}});
  settle();
  step(Propose{{{RequestId{8}, now_ + milliseconds(100), Bytes("x")}}});
  settle();
  wait(milliseconds(200));
  EXPECT_TRUE(said("refused request=8 unknown"));
  append_of(2, {}, 0);
  settle();
  EXPECT_TRUE(said("refused request=7 overtaken"));
}

TEST_F(RaftTest, AChangeOfMembersIsGivenAgainBehindAnyChange) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  const Bytes change = encode_change({MemberChange::Act::kRemove, {kThird, "n3", "", true, false}});
  step(Propose{{{RequestId{7}, now_ + milliseconds(1000), change, EntryKind::kMembers}}});
  settle();
  propose({8});
  settle();
  append_of(1, {}, 8);
  append_of(2, {Term{1}, LogIndex{1}}, 0);
  settle();
  EXPECT_TRUE(said("Forward term=2 number=3 requests=7"));
}

}  // namespace
}  // namespace holdfast::raft
