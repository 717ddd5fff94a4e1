// Disks that fill up: who says so, what the leader makes of it, and who leads on.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

class RaftRoomTest : public RaftTest {
 protected:
  enum class Word { kRoom, kShort };
  // Both followers answer the newest heartbeat.
  void hear(Word other, Word third) {
    answer(kOther, other);
    answer(kThird, third);
    settle();
  }
  void answer(NodeId from, Word word) {
    HeartbeatReply reply{1'000'000, raft_->status().last.index};
    reply.short_of_room = word == Word::kShort;
    receive(from, raft_->status().term.value, reply);
    receive(from, raft_->status().term.value, Appended{raft_->status().last.index});
  }
  // A second in which both answer each heartbeat.
  void pass(Word other, Word third) {
    for (int i = 0; i < 20; ++i) {
      hear(other, third);
      wait(milliseconds(50));
    }
  }
  size_t takeovers() const {
    return static_cast<size_t>(std::ranges::count_if(sent_, [](const Envelope& envelope) {
      return std::holds_alternative<TakeOver>(envelope.body);
    }));
  }
  bool refuses() const { return raft_->status().refuses_growth; }
};

TEST_F(RaftRoomTest, TheLeadersOwnDiskCounts) {
  start();
  lead();
  hear(Word::kShort, Word::kShort);
  step(RoomChanged{true});
  EXPECT_TRUE(refuses());
  EXPECT_TRUE(raft_->status().short_of_room);
  hear(Word::kRoom, Word::kRoom);
  EXPECT_TRUE(refuses());
  step(RoomChanged{false});
  EXPECT_FALSE(refuses());
}

TEST_F(RaftRoomTest, OneFollowerThatIsShortIsLeftBehind) {
  start();
  lead();
  hear(Word::kShort, Word::kRoom);
  EXPECT_FALSE(refuses());
  EXPECT_TRUE(std::ranges::any_of(raft_->status().followers, &FollowerStatus::short_of_room));
  hear(Word::kShort, Word::kShort);
  EXPECT_TRUE(refuses()) << "no majority with room is left";
  hear(Word::kShort, Word::kRoom);
  EXPECT_FALSE(refuses());
}

TEST_F(RaftRoomTest, OneThatIsShortIsNeededWhereAnotherIsGone) {
  start();
  lead();
  hear(Word::kShort, Word::kRoom);
  for (int i = 0; i < 20; ++i) {
    wait(milliseconds(50));
    answer(kOther, Word::kShort);
    settle();
  }
  EXPECT_TRUE(refuses()) << "nothing would be committed but through a disk that is short";
  hear(Word::kRoom, Word::kRoom);
  EXPECT_FALSE(refuses());
}

TEST_F(RaftRoomTest, WhoIsGoneIsNotCalledShort) {
  start();
  lead();
  hear(Word::kRoom, Word::kRoom);
  for (int i = 0; i < 20; ++i) {
    wait(milliseconds(50));
    answer(kOther, Word::kRoom);
    settle();
  }
  EXPECT_FALSE(refuses());
}

TEST_F(RaftRoomTest, ALearnersDiskIsNoReason) {
  start({kSelf, kOther});
  lead();
  hear(Word::kRoom, Word::kShort);
  EXPECT_FALSE(refuses());
}

TEST_F(RaftRoomTest, AllHearItFromTheLeader) {
  start();
  lead();
  step(RoomChanged{true});
  wait(milliseconds(100));
  EXPECT_TRUE(said("refuses_growth"));
  receive(kOther, raft_->status().term.value + 1, Heartbeat{{}, 1});
  settle();
  EXPECT_FALSE(refuses()) << "the new leader has not said so";
  const uint64_t term = raft_->status().term.value;
  Heartbeat heartbeat{{}, 2};
  heartbeat.refuses_growth = true;
  receive(kOther, term, heartbeat);
  settle();
  EXPECT_TRUE(refuses());
  EXPECT_TRUE(said("short_of_room"));
  receive(kOther, term, Heartbeat{{}, 3});
  EXPECT_FALSE(refuses());
}

// As long as the others can do without it.
TEST_F(RaftRoomTest, AFullDiskIsSparedForVotes) {
  start();
  const auto takes = [this](uint64_t index) {
    append(2, {Term{index == 1 ? 0U : 2U}, LogIndex{index - 1}}, 1);
    settle();
    return raft_->status().last.index.value == index;
  };
  EXPECT_TRUE(takes(1));
  step(RoomChanged{true});
  EXPECT_TRUE(takes(2)) << "short is not full";
  step(RoomChanged{true, true});
  lines_.clear();
  EXPECT_FALSE(takes(3));
  EXPECT_FALSE(said("Append")) << "neither taken nor rejected: it is as if it had been lost";
  Heartbeat heartbeat{{}, 2};
  heartbeat.refuses_growth = true;
  receive(kOther, 2, heartbeat);
  settle();
  EXPECT_TRUE(takes(3)) << "the leader has nobody else with room";
  receive(kOther, 2, Heartbeat{{}, 3});
  settle();
  EXPECT_FALSE(takes(4));
  step(RoomChanged{true, false});
  EXPECT_TRUE(takes(4));
}

TEST_F(RaftRoomTest, ALeaderThatIsShortHandsOverToWhoHasRoom) {
  start();
  lead();
  pass(Word::kRoom, Word::kRoom);
  EXPECT_EQ(takeovers(), 0U);
  hear(Word::kShort, Word::kRoom);
  step(RoomChanged{true});
  pass(Word::kShort, Word::kRoom);
  EXPECT_EQ(takeovers(), 0U) << "two of three are short: another leader would change nothing";
  pass(Word::kRoom, Word::kRoom);
  EXPECT_GT(takeovers(), 0U);
}

// Two that are short would hand over to each other for ever.
TEST_F(RaftRoomTest, WhoHasNotSaidWhetherItHasRoomIsHandedNothing) {
  start();
  lead();
  step(RoomChanged{true});
  receive(kOther, raft_->status().term.value, Appended{raft_->status().last.index});
  receive(kThird, raft_->status().term.value, Appended{raft_->status().last.index});
  wait(milliseconds(60));
  EXPECT_EQ(takeovers(), 0u);
  hear(Word::kRoom, Word::kRoom);
  wait(milliseconds(60));
  EXPECT_GE(takeovers(), 1u);
}

TEST_F(RaftRoomTest, OnlyNowAndThenIsAHandoverTried) {
  start();
  lead();
  step(RoomChanged{true});
  // Ten seconds; nobody ever takes over.
  for (int i = 0; i < 10; ++i) pass(Word::kRoom, Word::kRoom);
  EXPECT_GT(takeovers(), 0U);
  EXPECT_LT(takeovers(), 60U) << "changes wait while one lasts";
  EXPECT_EQ(raft_->status().role, Role::kLeader);
}

TEST_F(RaftRoomTest, ASuccessorIsRatherOneWithRoom) {
  start();
  lead();
  const uint64_t last = raft_->status().last.index.value;
  propose({7});
  settle();
  answer(kOther, Word::kShort);  // it has everything
  HeartbeatReply behind{1'000'000, LogIndex{last}};
  receive(kThird, raft_->status().term.value, behind);
  receive(kThird, raft_->status().term.value, Appended{LogIndex{last}});
  settle();
  sent_.clear();
  step(TransferLeader{});
  answer(kThird, Word::kRoom);
  wait(milliseconds(60));
  bool told_third = false;
  for (const Envelope& envelope : sent_)
    told_third |= std::holds_alternative<TakeOver>(envelope.body) && envelope.to == kThird;
  EXPECT_TRUE(told_third);
}

}  // namespace
}  // namespace holdfast::raft
