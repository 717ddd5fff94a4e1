// A node whose log lost entries that it had acknowledged, and its leader.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

class RaftQuarantineTest : public RaftTest {
 protected:
  // Its log ends with `last` entries of term 1; before it was damaged it went on.
  void start_quarantined(uint64_t last) { start_with(last, /*is_known=*/true); }
  // The disk says nothing of it.
  void start_forgetful(uint64_t last) { start_with(last, /*is_known=*/false); }
  void start_with(uint64_t last, bool is_known) {
    Recovered found;
    for (const NodeId id : {kSelf, kOther, kThird})
      found.members.list.push_back({id, "n" + std::to_string(id.value), "", true});
    found.hard_state = {Term{1}, {}};
    if (last > 0) found.runs = {{LogIndex{1}, Term{1}}};
    found.last = {last};
    found.quarantined = is_known;
    Config limits;
    limits.self = kSelf;
    raft_.emplace(limits, std::move(found), Random(++lives_), now_);
  }
  bool quarantined() const { return raft_->status().quarantined; }

  // Answers the leader's heartbeat; what the answer calls this moment.
  uint64_t moment_of_reply(uint64_t term) {
    receive(kOther, term, Heartbeat{{}, ++round_});
    settle();
    for (const Envelope& envelope : std::views::reverse(sent_))
      if (const auto* reply = std::get_if<HeartbeatReply>(&envelope.body)) return reply->moment;
    return 0;
  }
  void reach(uint64_t term, uint64_t moment, uint64_t last) {
    receive(kOther, term, Heartbeat{{}, ++round_, std::nullopt, Reach{moment, LogIndex{last}}});
    settle();
  }

  // The leader says that this is committed, and was acknowledged here.
  void hear_what_it_forgot(LogPosition committed) {
    const uint64_t term = committed.term.value;
    lines_.clear();
    receive(kOther, term, Heartbeat{committed, ++round_});
    settle();
    EXPECT_TRUE(quarantined() && raft_->quarantine_is_due());
    EXPECT_FALSE(said("HeartbeatReply")) << "a restart may forget what was said";
    step(QuarantineNoted{});
    receive(kOther, term, Heartbeat{committed, ++round_});
    settle();
    EXPECT_TRUE(said("HeartbeatReply") && said("quarantined"));
  }

  uint64_t round_ = 0;
};

TEST_F(RaftQuarantineTest, NeitherVotesNorStands) {
  start_quarantined(2);
  wait(milliseconds(2000));
  EXPECT_EQ(raft_->status().role, Role::kFollower);
  const LogPosition longer{Term{1}, LogIndex{9}};
  receive(kOther, 1, VoteRequest{VotePhase::kPreVote, Term{2}, longer});
  receive(kOther, 2, VoteRequest{VotePhase::kVote, Term{2}, longer});
  settle();
  for (const Envelope& envelope : sent_)
    if (const auto* reply = std::get_if<VoteReply>(&envelope.body)) {
      EXPECT_FALSE(reply->granted);
    }
  EXPECT_EQ(raft_->status().term, Term{2});
  EXPECT_FALSE(raft_->status().vote);
  // Not when it is told to, either.
  receive(kOther, 2, Heartbeat{{}, 1});
  receive(kOther, 2, TakeOver{});
  settle();
  EXPECT_EQ(raft_->status().role, Role::kFollower);
}

TEST_F(RaftQuarantineTest, BeginsWhereTheLeaderKnowsOfMoreThanThereIs) {
  start_forgetful(2);
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{2}}, ++round_});
  settle();
  EXPECT_FALSE(quarantined());
  hear_what_it_forgot({Term{1}, LogIndex{5}});
  EXPECT_LE(raft_->status().commit, LogIndex{2});
  receive(kThird, 2, VoteRequest{VotePhase::kVote, Term{2}, {Term{1}, LogIndex{2}}});
  settle();
  EXPECT_FALSE(raft_->status().vote);
  const uint64_t moment = moment_of_reply(2);
  reach(2, moment, 5);
  append(2, {Term{1}, LogIndex{2}}, 3);
  settle();
  EXPECT_FALSE(quarantined());
}

// The entries that a later leader's had replaced are back.
TEST_F(RaftQuarantineTest, BeginsWhereTheDiskForgotACut) {
  start_forgetful(3);
  hear_what_it_forgot({Term{2}, LogIndex{3}});
  EXPECT_EQ(raft_->status().commit, LogIndex{});
  append(2, {Term{1}, LogIndex{2}}, 1, 3);
  settle();
  EXPECT_EQ(raft_->status().commit, LogIndex{3});
}

TEST_F(RaftQuarantineTest, ANoteThatComesTwiceBeginsNoOther) {
  start_forgetful(2);
  append(1, {}, 2);
  settle();
  step(QuarantineNoted{});
  EXPECT_FALSE(quarantined());
}

TEST_F(RaftQuarantineTest, NoVoteIsGivenWhileItIsNoted) {
  start_forgetful(2);
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{5}}, ++round_});
  receive(kThird, 2,
          VoteRequest{VotePhase::kVote, Term{2}, {Term{1}, LogIndex{2}}, /*handed_over=*/true});
  settle();
  EXPECT_EQ(raft_->status().term, Term{2});
  EXPECT_FALSE(raft_->status().vote);
}

TEST_F(RaftQuarantineTest, EndsWhenTheLogHoldsWhatTheLeadersHeldAtContact) {
  start_quarantined(2);
  const uint64_t moment = moment_of_reply(1);
  EXPECT_TRUE(said("quarantined"));
  reach(1, moment, 4);
  append(1, {Term{1}, LogIndex{2}}, 1);
  settle();
  reach(1, moment, 3);  // the first counts
  EXPECT_TRUE(quarantined());
  disk_answers_ = false;
  append(1, {Term{1}, LogIndex{3}}, 1);
  settle();
  EXPECT_TRUE(quarantined()) << "what is not on its disk is not in its log";
  step(Persisted{writes_.back().ticket});
  settle();
  EXPECT_FALSE(quarantined());
}

TEST_F(RaftQuarantineTest, AWordToAnEarlierLifeDoesNotEndIt) {
  start_quarantined(2);
  append(1, {Term{1}, LogIndex{1}}, 1);
  const uint64_t moment = moment_of_reply(1);
  reach(1, moment - 1000, 2);
  reach(1, moment + 1000, 2);
  reach(1, 0, 2);
  EXPECT_TRUE(quarantined());
  reach(1, moment, 2);
  EXPECT_FALSE(quarantined());
}

TEST_F(RaftQuarantineTest, AnotherTermsLeaderIsMatchedAnew) {
  start_quarantined(2);
  const uint64_t moment = moment_of_reply(1);
  reach(1, moment, 3);
  receive(kThird, 2, Heartbeat{{}, 1});
  receive(kThird, 2, Append{{Term{1}, LogIndex{2}}, {}, {}});
  settle();
  EXPECT_TRUE(quarantined());
  receive(kThird, 2, Heartbeat{{}, 2, std::nullopt, Reach{moment, LogIndex{2}}});
  settle();
  EXPECT_FALSE(quarantined());
}

TEST_F(RaftQuarantineTest, EntriesThatItHoldsAreNotTakenForTheLeadersUnseen) {
  start_quarantined(3);
  // The leader knew the log to go to 5. Its third entry may be one that was cut since.
  receive(kOther, 1, Heartbeat{{Term{1}, LogIndex{5}}, 1});
  settle();
  EXPECT_EQ(raft_->status().commit, LogIndex{});
  append(1, {Term{1}, LogIndex{1}}, 1, 5);
  settle();
  EXPECT_EQ(raft_->status().commit, LogIndex{2});
}

TEST_F(RaftQuarantineTest, ALeaderTakesBackWhatItKnewAndSendsItAgain) {
  start();
  lead();
  propose({1, 2});
  settle();
  const uint64_t term = raft_->status().term.value;
  const LogIndex last = raft_->status().last.index;
  receive(kThird, term, Appended{last});
  settle();
  lines_.clear();
  HeartbeatReply reply{1, LogIndex{1}, 77};
  reply.quarantined = true;
  receive(kThird, term, reply);
  settle();
  for (const FollowerStatus& follower : raft_->status().followers)
    if (follower.id == kThird) {
      EXPECT_EQ(follower.match, LogIndex{1});
    }
  EXPECT_TRUE(said("1 -> 3 Append term=1 previous=1/1 entries=1/2..3"));
  wait(milliseconds(60));
  const auto tells = [&](const Envelope& envelope) {
    const auto* heartbeat = std::get_if<Heartbeat>(&envelope.body);
    return envelope.to == kThird && heartbeat && heartbeat->reach == Reach{77, last};
  };
  EXPECT_TRUE(std::ranges::any_of(sent_, tells));
}

}  // namespace
}  // namespace holdfast::raft
