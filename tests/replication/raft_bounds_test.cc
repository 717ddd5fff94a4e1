// What waits is bounded, and who is refused hears so at once.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

// What `propose` of the fixture takes of a limit.
constexpr size_t kOne = LogEntry::kOverheadBytes + 1;

class RaftBoundsTest : public RaftTest {
 protected:
  uint64_t appended_to(NodeId id) const {
    uint64_t last = 0;
    for (const Envelope& envelope : sent_)
      if (const auto* append = std::get_if<Append>(&envelope.body); append && envelope.to == id)
        last = std::max(last, append->previous.index.value + append->entries.size());
    return last;
  }
};

TEST_F(RaftBoundsTest, ChangesBeyondTheLimitAreRefusedAtOnce) {
  start({kSelf, kOther, kThird}, {.proposals_bytes_max = 2 * kOne});
  propose({1, 2, 3});
  settle();
  EXPECT_TRUE(said("refused request=3 overloaded"));
  EXPECT_FALSE(said("refused request=1"));
  EXPECT_FALSE(said("refused request=2"));
}

// Without a majority nothing is applied, and what was taken stays.
TEST_F(RaftBoundsTest, ALeaderThatNobodyAnswersTakesNoMoreThanTheLimit) {
  start({kSelf, kOther, kThird}, {.proposals_bytes_max = 3 * kOne, .window_bytes_max = 0});
  lead();
  propose({1, 2});
  settle();
  receive(kThird, 1, Forward{77, 1, {{RequestId{5}, Bytes("x")}, {RequestId{6}, Bytes("x")}}});
  settle();
  EXPECT_TRUE(said("1 -> 3 ForwardRefused term=1 overloaded given=1 requests=6"));
  EXPECT_FALSE(said("requests=5"));
}

// Whatever they wait for: here that the state machine catches up.
TEST_F(RaftBoundsTest, ReadsThatWaitAreBounded) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  constexpr uint64_t kMost = 100'000;
  ReadBarrier reads;
  for (uint64_t request = 1; request <= kMost; ++request)
    reads.reads.push_back({RequestId{request}, now_ + milliseconds(1000)});
  step(std::move(reads));
  settle();
  receive(kOther, 1, ReadReply{newest_attempt(), LogIndex{9}});
  read(kMost + 1);
  EXPECT_TRUE(said("refused request=100001 overloaded"));
  EXPECT_FALSE(said("refused request=100000"));
}

TEST_F(RaftBoundsTest, WhatIsOnItsWayToOneFollowerIsBounded) {
  start({kSelf, kOther, kThird}, {.append_bytes_max = kOne, .in_flight_bytes_max = 3 * kOne});
  lead();
  receive(kOther, 1, Appended{LogIndex{1}});
  settle();
  for (uint64_t request = 1; request <= 10; ++request) {
    propose({request});
    settle();
  }
  EXPECT_EQ(appended_to(kOther), 4U);
  receive(kOther, 1, Appended{LogIndex{3}});
  settle();
  EXPECT_EQ(appended_to(kOther), 6U);
}

}  // namespace
}  // namespace holdfast::raft
