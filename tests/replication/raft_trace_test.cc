// When a traced request passed its stages. What is not traced leaves nothing behind.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

class TraceTest : public RaftTest {
 protected:
  void propose_traced(uint64_t request, Tracing tracing = Tracing::kTraced) {
    Propose propose;
    propose.proposals.push_back(
        {RequestId{request}, now_ + milliseconds(1000), Bytes("x"), EntryKind::kCommand, tracing});
    step(std::move(propose));
    settle();
  }
  void read_traced(uint64_t request) {
    step(ReadBarrier{{{RequestId{request}, now_ + milliseconds(1000), Tracing::kTraced}}});
    settle();
  }
  void other_has(uint64_t term, LogIndex upto) {
    receive(kOther, term, Appended{upto});
    settle();
  }
};

TEST_F(TraceTest, AChangeHereIsGivenThenOnDiskThenCommitted) {
  start();
  lead();
  const uint64_t term = raft_->status().term.value;
  other_has(term, raft_->log().last().index);
  disk_answers_ = false;
  now_ += milliseconds(1);
  const Instant given = now_;
  propose_traced(7);
  propose_traced(8, Tracing::kNone);
  now_ += milliseconds(2);
  step(Persisted{writes_.back().ticket});
  const Instant persisted = now_;
  settle();
  EXPECT_TRUE(traces_.empty());
  now_ += milliseconds(3);
  other_has(term, raft_->log().last().index);
  EXPECT_EQ(traces_, (std::vector<Trace>{{RequestId{7}, false, given, persisted, now_}}));
}

TEST_F(TraceTest, OfAChangeElsewhereItIsKnownWhenItWasGivenAndCommitted) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  settle();
  const Instant given = now_;
  propose_traced(7);
  now_ += milliseconds(4);
  append_of(1, {}, 7);
  settle();
  EXPECT_EQ(traces_, (std::vector<Trace>{{RequestId{7}, true, given, std::nullopt, now_}}));
}

TEST_F(TraceTest, AReadIsConfirmedHereOrElsewhere) {
  start();
  receive(kOther, 1, Heartbeat{{}, 1});
  settle();
  const Instant given = now_;
  read_traced(7);
  now_ += milliseconds(4);
  receive(kOther, 1, ReadReply{newest_attempt(), {}});
  settle();
  EXPECT_EQ(traces_, (std::vector<Trace>{{RequestId{7}, true, given, std::nullopt, now_}}));
  traces_.clear();
  lead();
  const uint64_t term = raft_->status().term.value;
  other_has(term, raft_->log().last().index);
  read_traced(8);
  const Instant asked = now_;
  now_ += milliseconds(1);
  uint64_t round = 0;
  for (const Envelope& envelope : sent_)
    if (const auto* beat = std::get_if<Heartbeat>(&envelope.body))
      round = std::max(round, beat->round);
  receive(kOther, term, HeartbeatReply{.round = round});
  settle();
  EXPECT_EQ(traces_, (std::vector<Trace>{{RequestId{8}, false, asked, std::nullopt, now_}}));
}

// Its number may be met again by nobody, but what it left would never go.
TEST_F(TraceTest, ARefusedRequestLeavesNothingBehind) {
  start();
  propose_traced(7);
  wait(milliseconds(3000));
  EXPECT_TRUE(said("refused"));
  propose_traced(7, Tracing::kNone);
  receive(kOther, 9, Heartbeat{{}, 1});
  settle();
  append_of(9, {}, 7);
  settle();
  EXPECT_TRUE(traces_.empty());
}

}  // namespace
}  // namespace holdfast::raft
