#include "server/gate.h"

#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

// A coroutine that starts at once and keeps nothing: what a handler looks like to the gate.
struct Fire {
  struct promise_type {
    Fire get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

class GateTest : public testing::Test {
 protected:
  Fire put(std::optional<Gate::Outcome>& outcome) {
    Gate::Waiting waiting = gate_.propose(Bytes(std::string("x")), kNever);
    outcome = co_await waiting;
  }
  Fire read(std::optional<Gate::Outcome>& outcome) {
    Gate::Waiting waiting = gate_.read_barrier(kNever);
    outcome = co_await waiting;
  }
  Fire at_revision(Revision minimum, Instant deadline, std::optional<Gate::Outcome>& outcome) {
    Gate::Waiting waiting = gate_.await_revision(minimum, deadline);
    outcome = co_await waiting;
  }
  void end_turn() {
    for (const auto& act : std::exchange(deferred_, {})) act();
  }
  const std::vector<raft::Proposal>& proposals(size_t input) {
    return std::get<raft::Propose>(submitted_.at(input)).proposals;
  }

  std::vector<std::function<void()>> deferred_;
  std::vector<raft::Input> submitted_;
  Revision revision_{5};
  Gate gate_{{.defer = [this](std::function<void()> act) { deferred_.push_back(std::move(act)); },
              .submit = [this](raft::Input input) { submitted_.push_back(std::move(input)); },
              .revision = [this] { return revision_; }},
             1000,
             3};
};

TEST_F(GateTest, AllProposalsOfATurnAreOneBatchInOrder) {
  std::optional<Gate::Outcome> a, b;
  put(a);
  put(b);
  EXPECT_TRUE(submitted_.empty());
  end_turn();
  ASSERT_EQ(submitted_.size(), 1u);
  ASSERT_EQ(proposals(0).size(), 2u);
  EXPECT_LT(proposals(0)[0].request, proposals(0)[1].request);
  EXPECT_EQ(Gate::number_of(proposals(0)[0].request), 3u);

  gate_.complete({{proposals(0)[1].request, Reply{.revision = {7}}}});
  EXPECT_FALSE(a.has_value());
  ASSERT_TRUE(b.has_value());
  EXPECT_EQ((*b)->revision, Revision{7});
  gate_.refuse({{proposals(0)[0].request, raft::RefusalReason::kUnknown}});
  EXPECT_EQ(a->error().reason, raft::RefusalReason::kUnknown);
}

TEST_F(GateTest, OnlyTheFirstAnswerCounts) {
  std::optional<Gate::Outcome> outcome;
  put(outcome);
  end_turn();
  const RequestId request = proposals(0)[0].request;
  gate_.refuse({{request, raft::RefusalReason::kUnknown}});
  gate_.complete({{request, Reply{}}});
  EXPECT_EQ(outcome->error().reason, raft::RefusalReason::kUnknown);
}

TEST_F(GateTest, AReadIsAnsweredWithTheRevisionThatItMayUse) {
  std::optional<Gate::Outcome> outcome;
  read(outcome);
  end_turn();
  revision_ = Revision{9};
  gate_.readable({std::get<raft::ReadBarrier>(submitted_[0]).reads[0].request});
  EXPECT_EQ((*outcome)->revision, Revision{9});
}

TEST_F(GateTest, AWaitForARevisionEndsWhenItIsThereOrTooLate) {
  std::optional<Gate::Outcome> there, soon, never;
  at_revision(Revision{5}, kNever, there);
  at_revision(Revision{6}, kNever, soon);
  at_revision(Revision{99}, Instant(Duration(10)), never);
  end_turn();
  EXPECT_TRUE(there->has_value());
  revision_ = Revision{6};
  gate_.look_again(Instant(Duration(9)));
  EXPECT_TRUE(soon->has_value());
  EXPECT_FALSE(never.has_value());
  gate_.look_again(Instant(Duration(10)));
  EXPECT_EQ(never->error().reason, raft::RefusalReason::kTimeout);
}

// Nobody is there any more who would answer.
TEST_F(GateTest, BehindTheEndWhoAsksIsRefusedAtOnceAndCertainly) {
  std::optional<Gate::Outcome> before;
  put(before);
  gate_.end();
  EXPECT_EQ(before->error().reason, raft::RefusalReason::kUnknown);
  std::optional<Gate::Outcome> change, barrier, revision;
  put(change);
  read(barrier);
  at_revision(Revision{99}, kNever, revision);
  for (const auto& outcome : {change, barrier, revision}) {
    ASSERT_TRUE(outcome.has_value() && !outcome->has_value());
    EXPECT_EQ(outcome->error().reason, raft::RefusalReason::kNoLeader);
  }
  EXPECT_EQ(gate_.waiting(), 0u);
  EXPECT_FALSE(gate_.awaits_revision());
  end_turn();
  EXPECT_TRUE(submitted_.empty());
}

TEST_F(GateTest, AtTheEndChangesAreUnknownAndReadsAreNot) {
  std::optional<Gate::Outcome> change, look;
  put(change);
  read(look);
  end_turn();
  gate_.abandon();
  EXPECT_EQ(change->error().reason, raft::RefusalReason::kUnknown);
  EXPECT_EQ(look->error().reason, raft::RefusalReason::kTimeout);
  EXPECT_EQ(gate_.waiting(), 0u);
}

}  // namespace
}  // namespace holdfast
