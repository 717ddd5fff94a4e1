// What a load measures, on a clock that a test moves: a server that answers as the test says, and
// as many places for requests as there are connections.

#include "bench/load/driver.h"

#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "bench/load/run_result.h"
#include "bench/load/sweep.h"

namespace holdfast::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kBegin{seconds(1'000)};
constexpr Duration kLength = seconds(10);

// When a request that came at some time is answered.
using Server = std::function<Instant(Instant)>;

Window window_of(Duration warmup = Duration::zero()) {
  return {.begin = kBegin,
          .measured_from = kBegin + warmup,
          .measured_until = kBegin + warmup + kLength,
          .drained_until = kBegin + warmup + 2 * kLength};
}

class GetSource final : public Source {
 public:
  std::optional<Operation> draw() override { return Operation{.kind = OpKind::kGet}; }
  void settle(const Operation&, Fate) override { ++settled_; }
  uint64_t settled() const { return settled_; }

 private:
  uint64_t settled_ = 0;
};

// A run, event by event.
RunResult run_against(const Server& server, std::optional<double> rate, size_t places,
                      Window window = window_of()) {
  RunResult run(kLength);
  run.asked = rate;
  GetSource source;
  Driver driver(source, run.tally, window,
                rate ? std::optional(pace_of(*rate, 0, 1, window.begin)) : std::nullopt);
  std::multimap<Instant, Operation> under_way;
  Instant now = window.begin;
  Instant room_since = now;
  while (now < window.drained_until) {
    while (under_way.size() < places) {
      const std::optional<Operation> operation = driver.next(now, room_since);
      if (!operation) break;
      under_way.emplace(server(now), *operation);
    }
    if (driver.is_at_end(now) && under_way.empty()) break;
    Instant next = under_way.size() < places ? driver.due_at(now) : kNever;
    if (!under_way.empty()) next = std::min(next, under_way.begin()->first);
    now = std::min(next, window.drained_until);
    while (!under_way.empty() && under_way.begin()->first <= now) {
      if (under_way.size() == places) room_since = now;
      driver.answered(under_way.begin()->second, {}, now);
      under_way.erase(under_way.begin());
    }
  }
  for (const auto& [due, operation] : under_way) driver.lost(operation, now);
  driver.finish(now);
  return run;
}

// A millisecond for each; but nothing from the third second to the fourth.
Instant stalls_for_a_second(Instant asked) {
  const Instant answered = asked + milliseconds(1);
  const Instant stall = kBegin + seconds(3);
  const bool is_hit = answered > stall && asked < stall + seconds(1);
  return is_hit ? stall + seconds(1) + milliseconds(1) : answered;
}

double ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

TEST(DriverTest, AClosedLoopOmitsWhatItDidNotAskDuringAStall) {
  const RunResult run = run_against(stalls_for_a_second, std::nullopt, 1);
  const Histogram latency = run.tally.latency_of_all();
  // One of nine thousand met the stall: the median of a tenth of the time is not to be seen.
  EXPECT_NEAR(ms(latency.percentile(0.99)), 1, 0.02);
  EXPECT_NEAR(ms(latency.percentile(0.999)), 1, 0.02);
  EXPECT_NEAR(ms(latency.longest()), 1'001, 2);
  EXPECT_NEAR(run.rate(), 900, 2);
}

TEST(DriverTest, AnOpenLoopSeesAStallAsThoseWhoComeByThemselves) {
  const RunResult run = run_against(stalls_for_a_second, 500, 10'000);
  const Histogram latency = run.tally.latency_of_all();
  EXPECT_EQ(latency.count(), 5'000U);
  // A tenth of all came into the stall, and waited for what was left of it.
  EXPECT_NEAR(ms(latency.percentile(0.85)), 1, 0.02);
  EXPECT_NEAR(ms(latency.percentile(0.95)), 501, 501 * 0.02);
  EXPECT_NEAR(ms(latency.percentile(0.99)), 901, 901 * 0.02);
  EXPECT_EQ(run.verdict(), Verdict::kMeasured);
}

// One connection, one request at a time: all that were due in the stall wait in line behind it,
// which is what a load that counts from when it could send would leave out.
TEST(DriverTest, WhatCouldNotBeSentHasWaitedSinceItWasDue) {
  const RunResult run = run_against(stalls_for_a_second, 500, 1);
  const Histogram latency = run.tally.latency_of_all();
  EXPECT_EQ(latency.count(), 5'000U);
  EXPECT_GT(ms(latency.percentile(0.95)), 480);
  EXPECT_NEAR(ms(latency.longest()), 1'001, 1'001 * 0.02);
  // The generator was not late: there was no room.
  EXPECT_EQ(run.tally.late.longest(), Duration::zero());
}

TEST(DriverTest, PercentilesAreThoseOfTheServer) {
  uint64_t number = 0;
  const auto server = [&](Instant asked) {
    const uint64_t turn = number++ % 100;
    return asked + (turn < 80 ? milliseconds(5) : turn < 98 ? milliseconds(20) : milliseconds(70));
  };
  for (const std::optional<double> rate : {std::optional<double>(), std::optional<double>(1'000)}) {
    const RunResult run = run_against(server, rate, 64);
    const Histogram latency = run.tally.latency_of_all();
    EXPECT_NEAR(ms(latency.percentile(0.5)), 5, 5 * 0.02);
    EXPECT_NEAR(ms(latency.percentile(0.9)), 20, 20 * 0.02);
    EXPECT_NEAR(ms(latency.percentile(0.99)), 70, 70 * 0.02);
  }
}

TEST(DriverTest, AServerThatNeverComesBackIsSeenInWhatItDidNotAnswer) {
  const auto server = [](Instant asked) {
    return asked < kBegin + seconds(5) ? asked + milliseconds(1) : kNever;
  };
  const RunResult run = run_against(server, 100, 10);
  EXPECT_EQ(run.tally.outcomes.ok, 500U);
  EXPECT_EQ(run.tally.outcomes.unknown.at("no_answer"), 10U);
  EXPECT_EQ(run.tally.unsent.count(), 490U);
  // They have waited for up to fifteen seconds, and count for it.
  EXPECT_GT(run.tally.latency_of_all().percentile(0.9), Duration(seconds(10)));
  EXPECT_EQ(run.verdict(), Verdict::kServerBehind);
  EXPECT_FALSE(run.has_rate());
  EXPECT_EQ(warnings(run).size(), 2U);
}

TEST(DriverTest, ARateThatTheServerCannotKeepIsNotReported) {
  Instant free = kBegin;
  const auto one_at_a_time = [&](Instant asked) {
    free = std::max(free, asked) + milliseconds(2);
    return free;
  };
  const RunResult run = run_against(one_at_a_time, 1'000, 64);
  EXPECT_NEAR(run.rate(), 500, 5);
  EXPECT_FALSE(run.has_rate());
  EXPECT_EQ(run.verdict(), Verdict::kServerBehind);
  ASSERT_EQ(warnings(run).size(), 1U);
  EXPECT_TRUE(warnings(run)[0].starts_with("NOT KEPT: 1000/s were asked for")) << warnings(run)[0];
}

TEST(DriverTest, AnswersThatComeAfterTheEndCountForWhatWasDueBefore) {
  const auto slow_at_the_end = [](Instant asked) {
    return asked < kBegin + seconds(9) ? asked + milliseconds(1) : kBegin + seconds(12);
  };
  const RunResult run = run_against(slow_at_the_end, 100, 1'000);
  EXPECT_EQ(run.tally.latency_of_all().count(), 1'000U);
  EXPECT_NEAR(ms(run.tally.latency_of_all().percentile(0.99)), 2'900, 2'900 * 0.02);
  EXPECT_NEAR(run.rate(), 90, 1);
}

TEST(DriverTest, TheWarmUpIsNotMeasured) {
  const Window window = window_of(seconds(2));
  const auto slow_at_first = [&](Instant asked) {
    return asked + (asked < window.measured_from ? milliseconds(50) : milliseconds(1));
  };
  const RunResult run = run_against(slow_at_first, 100, 100, window);
  EXPECT_EQ(run.tally.latency_of_all().count(), 1'000U);
  EXPECT_NEAR(ms(run.tally.latency_of_all().longest()), 1, 0.02);
}

TEST(DriverTest, NothingIsSentBeforeTheBeginningNorAfterTheEnd) {
  Tally tally(kLength);
  const Window window = window_of();
  GetSource source;
  Driver driver(source, tally, window, std::nullopt);
  const Instant before = kBegin - milliseconds(1);
  EXPECT_FALSE(driver.next(before, before));
  EXPECT_EQ(driver.due_at(before), kBegin);
  EXPECT_FALSE(driver.is_at_end(before));
  EXPECT_TRUE(driver.next(kBegin, kBegin));
  EXPECT_FALSE(driver.next(window.measured_until, kBegin));
  EXPECT_TRUE(driver.is_at_end(window.measured_until));
  EXPECT_EQ(driver.due_at(window.measured_until), kNever);
  // What an open loop could not send in time is sent later, but not for ever.
  Driver open(source, tally, window, pace_of(100, 0, 1, kBegin));
  EXPECT_TRUE(open.next(window.measured_until, kBegin));
  EXPECT_FALSE(open.is_at_end(window.measured_until));
  EXPECT_FALSE(open.next(window.drained_until, kBegin));
}

TEST(DriverTest, ThreadsTakeTurns) {
  std::vector<Instant> due;
  for (uint32_t thread = 0; thread < 3; ++thread) {
    const Pace pace = pace_of(100, thread, 3, kBegin);
    for (int i = 0; i < 3; ++i) due.push_back(pace.first + i * pace.gap);
  }
  std::ranges::sort(due);
  for (size_t i = 0; i < due.size(); ++i) {
    EXPECT_EQ(due[i], kBegin + static_cast<int>(i) * milliseconds(10));
  }
}

TEST(DriverTest, AReadModifyWriteIsOneOperation) {
  Tally tally(kLength);
  const Window window = window_of();
  GetSource source;
  Driver driver(source, tally, window, std::nullopt);
  Operation operation = *driver.next(kBegin, kBegin);
  operation.kind = OpKind::kReadModifyWrite;
  const std::optional<Operation> write = driver.answered(operation, {}, kBegin + milliseconds(3));
  ASSERT_TRUE(write);
  EXPECT_TRUE(write->has_read);
  EXPECT_EQ(source.settled(), 0U);
  EXPECT_FALSE(driver.answered(*write, {}, kBegin + milliseconds(8)));
  EXPECT_EQ(source.settled(), 1U);
  EXPECT_EQ(tally.outcomes.ok, 1U);
  EXPECT_NEAR(ms(tally.latency_of_all().longest()), 8, 0.01);
  // One whose read was refused has no second half.
  EXPECT_FALSE(driver.answered(operation, {.fate = Fate::kRefused, .code = "stale"}, kBegin));
  EXPECT_EQ(tally.outcomes.refused.at("stale"), 1U);
}

TEST(DriverTest, OutcomesAreCountedByWhatTheyAre) {
  RunResult run(kLength);
  const Window window = window_of();
  GetSource source;
  Driver driver(source, run.tally, window, std::nullopt);
  const Operation operation = *driver.next(kBegin, kBegin);
  driver.answered(operation, {}, kBegin);
  driver.answered(operation, {.fate = Fate::kMissing}, kBegin);
  driver.answered(operation, {.fate = Fate::kRefused, .code = "overloaded"}, kBegin);
  driver.answered(operation, {.fate = Fate::kUnknown, .code = "timeout"}, kBegin);
  driver.answered(operation, {.code = "value_too_large", .done = 7, .refused = 3}, kBegin);
  driver.lost(operation, kBegin);
  const Outcomes& outcomes = run.tally.outcomes;
  EXPECT_EQ(outcomes.ok, 8U);
  EXPECT_EQ(outcomes.missing, 1U);
  EXPECT_EQ(outcomes.errors(), 6U);
  EXPECT_EQ(error_line(run),
            "4 refused (overloaded ×1, value_too_large ×3), 2 unknown (no_answer ×1, timeout ×1)");
  EXPECT_EQ(warnings(run).front(), "ERRORS: " + error_line(run));
  // What failed has no latency: quick refusals would make a server look fast.
  EXPECT_EQ(run.tally.latency_of_all().count(), 3U);
}

TEST(RunResultTest, AGeneratorWithoutTimeToSpareSaysSo) {
  RunResult run(kLength);
  run.cpu = {{.busy = milliseconds(500), .elapsed = seconds(1)},
             {.busy = milliseconds(960), .elapsed = seconds(1)}};
  EXPECT_DOUBLE_EQ(run.busiest(), 0.96);
  EXPECT_DOUBLE_EQ(run.cores(), 1.46);
  EXPECT_EQ(run.verdict(), Verdict::kGeneratorBehind);
  EXPECT_TRUE(warnings(run).front().starts_with("THE GENERATOR WAS THE LIMIT"));
  // Of a closed loop it is a rate all the same; of an open one that was not kept, none.
  EXPECT_TRUE(run.has_rate());
  run.asked = 1'000;
  EXPECT_FALSE(run.has_rate());
  EXPECT_NE(warnings(run).front().find("The generator was behind"), std::string::npos);
}

TEST(RunResultTest, WhatIsUnderWayAtTheEndIsNoLack) {
  RunResult run(kLength);
  run.asked = 1'000;
  run.tally.done[0] = 9'600;
  EXPECT_FALSE(run.has_rate());
  run.places = 500;
  EXPECT_TRUE(run.has_rate());
  // However many places there are, a server that answers less than it is asked for is behind.
  run.tally.done[0] = 9'400;
  run.places = 5'000;
  EXPECT_FALSE(run.has_rate());
}

TEST(RunResultTest, AGeneratorThatSentLateIsToBlameForARateNotKept) {
  RunResult run(kLength);
  run.asked = 1'000;
  for (int i = 0; i < 100; ++i) run.tally.late.record(milliseconds(30));
  EXPECT_EQ(run.verdict(), Verdict::kGeneratorBehind);
}

TEST(SweepTest, ItFindsTheHighestRateThatIsGood) {
  Sweep sweep(1'000, 2, 4);
  std::vector<double> tried;
  while (const std::optional<double> rate = sweep.next()) {
    tried.push_back(*rate);
    sweep.tell(*rate <= 11'000);
    ASSERT_LT(tried.size(), 20U);
  }
  EXPECT_EQ(tried.size(), 5U + 4U);
  EXPECT_EQ(tried[4], 16'000);
  EXPECT_LE(*sweep.knee(), 11'000);
  EXPECT_GT(*sweep.knee(), 11'000 / 1.05);
}

TEST(SweepTest, WhereNothingIsGoodThereIsNoKnee) {
  Sweep sweep(1'000, 2, 4);
  sweep.tell(false);
  EXPECT_FALSE(sweep.next());
  EXPECT_FALSE(sweep.knee());
}

}  // namespace
}  // namespace holdfast::load
