// A lock by a clock that only passes in the pauses of whoever has it.

#include "client/lock_course.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/supply.h"
#include "tests/client/scripted_server_fixture.h"
#include "tests/client/still_clock.h"

namespace holdfast {
namespace {

using Kind = Step::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kNotHeldAnyMore = problem_answer(404, "lease_not_found", "not_applied", false);
const std::string kHeldByAnother = problem_answer(409, "conflict", "not_applied", true);
// Of a node that wants to be left alone for half a second at least, and a second at most.
const std::string kLater =
    problem_answer(503, "overloaded", "not_applied", true, "Retry-After: 1\r\n");
constexpr Duration kTtl = milliseconds(1'200);

class LockCourse : public testing::Test {
 protected:
  Caller caller(const ScriptedServer& server) {
    options_.cluster = {.endpoints = {server.endpoint()}, .timeout = seconds(20)};
    return {options_.cluster, clock_, Random(1)};
  }
  template <class T>
  T carry(Task<T> task) {
    return carry_out(std::move(task), [this](const Need& need) {
      return supply_call(need, clock_, [this](Duration pause) { clock_.pass(pause); });
    });
  }

  StillClock clock_;
  LockOptions options_{.cluster = {}, .name = "l", .owner = "me", .ttl = kTtl};
};

TEST_F(LockCourse, ALeaseThatMayHaveBegunLongAgoBeginsAnew) {
  ScriptedServer server(
      {{Kind::kAnswer, kLater}, {Kind::kAnswer, lock_answer(9)}, {Kind::kAnswer, lock_answer(9)}});
  Caller asking = caller(server);
  const Instant began = clock_.now();
  const WriteOutcome<HeldLock> outcome = carry(acquire(asking, options_));
  const HeldLock& held = std::get<HeldLock>(outcome);
  EXPECT_EQ(held.answer.token, 9u);
  EXPECT_EQ(held.sent, clock_.now());
  EXPECT_GE(held.sent, began + milliseconds(500));
  EXPECT_THAT(server.requests().at(2), StartsWith("PUT /v1/locks/l?token=9&timeout="));
}

TEST_F(LockCourse, OneThatCameInTimeCountsFromBeforeItWasAskedFor) {
  ScriptedServer server({{Kind::kAnswer, kLater}, {Kind::kAnswer, lock_answer(9)}});
  options_.ttl = seconds(4);
  Caller asking = caller(server);
  const Instant began = clock_.now();
  const WriteOutcome<HeldLock> outcome = carry(acquire(asking, options_));
  EXPECT_EQ(std::get<HeldLock>(outcome).sent, began);
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(LockCourse, OneThatIsOverMeanwhileIsAskedForAgain) {
  ScriptedServer server({{Kind::kAnswer, kLater},
                         {Kind::kAnswer, lock_answer(9)},
                         {Kind::kAnswer, kNotHeldAnyMore},
                         {Kind::kAnswer, lock_answer(10)}});
  options_.wait = seconds(60);
  Caller asking = caller(server);
  const WriteOutcome<HeldLock> outcome = carry(acquire(asking, options_));
  EXPECT_EQ(std::get<HeldLock>(outcome).answer.token, 10u);
}

TEST_F(LockCourse, WhatWasHadAndCannotBeConfirmedIsUnknown) {
  ScriptedServer server(
      {{Kind::kAnswer, kLater},
       {Kind::kAnswer, lock_answer(9)},
       {Kind::kAnswer, problem_answer(400, "bad_request", "not_applied", false)}});
  Caller asking = caller(server);
  const WriteOutcome<HeldLock> outcome = carry(acquire(asking, options_));
  EXPECT_TRUE(std::holds_alternative<Unknown>(outcome)) << "it may be held";
}

TEST_F(LockCourse, WhatIsUnknownStaysSoWhenAnotherHasItLater) {
  std::vector<Step> steps(5, Step{Kind::kAnswer, kHeldByAnother});
  steps.front() = {Kind::kAnswer, problem_answer(504, "outcome_unknown", "unknown", false)};
  ScriptedServer server(std::move(steps));
  options_.wait = milliseconds(150);
  Caller asking = caller(server);
  const WriteOutcome<HeldLock> outcome = carry(acquire(asking, options_));
  EXPECT_TRUE(std::holds_alternative<Unknown>(outcome));
}

class LockIsKept : public LockCourse {
 protected:
  // Why it was lost.
  std::string keep_until_lost(const ScriptedServer& server) {
    Caller keeping = caller(server);
    const HeldLock held{.answer = {.token = 7, .lease = "a1", .ttl_ms = 1'200},
                        .sent = clock_.now()};
    term_.emplace(kTtl, held.sent, clock_);
    return carry(keep(keeping, options_, held, *term_));
  }

  std::optional<LockTerm> term_;
};

TEST_F(LockIsKept, EachThirdOfItsTimeUntilItIsNotHeldAnyMore) {
  ScriptedServer server({{Kind::kAnswer, lock_answer(7)},
                         {Kind::kAnswer, no_leader_answer()},
                         {Kind::kAnswer, lock_answer(7)},
                         {Kind::kAnswer, kNotHeldAnyMore}});
  const Instant began = clock_.now();
  EXPECT_THAT(keep_until_lost(server), HasSubstr("lease_not_found"));
  EXPECT_FALSE(term_->is_held());
  EXPECT_GE(clock_.now(), began + kTtl);
  EXPECT_LT(clock_.now(), began + kTtl + milliseconds(100))
      << "one of the tries failed, and was made again soon";
  for (const std::string& request : server.requests())
    EXPECT_THAT(request, StartsWith("PUT /v1/locks/l?token=7&timeout="));
}

TEST_F(LockIsKept, ForItsTimeLessAHundredthWhereNobodyConfirmsIt) {
  ScriptedServer server(std::vector<Step>(200, Step{Kind::kAnswer, no_leader_answer()}));
  const Instant began = clock_.now();
  EXPECT_THAT(keep_until_lost(server), HasSubstr("nobody has confirmed"));
  EXPECT_FALSE(term_->is_held());
  EXPECT_EQ(term_->held_until(), began + kTtl / 100 * 99) << "it is not had again";
  EXPECT_GE(clock_.now(), term_->held_until());
  EXPECT_LT(clock_.now(), began + kTtl);
}

}  // namespace
}  // namespace holdfast
