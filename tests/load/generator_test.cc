// The whole generator, over real sockets, against a server whose latencies the test knows.

#include "bench/load/generator.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <optional>

#include <gtest/gtest.h>

#include "tests/load/paced_server_fixture.h"

namespace holdfast::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SystemClock kClock;

Settings settings_at(const PacedServer& server) {
  Settings settings{.product = Product::kStatic,
                    .endpoints = {server.endpoint()},
                    .workload = *find_workload("get")};
  settings.warmup = Duration::zero();
  settings.duration = milliseconds(1'500);
  settings.timeout = seconds(5);
  settings.connections = 16;
  return settings;
}

RunResult run_with(const Settings& settings, std::optional<double> rate = std::nullopt) {
  Generator generator(settings, kClock);
  const Result<> connected = generator.connect();
  EXPECT_TRUE(connected) << connected.error().message;
  return generator.run(rate);
}

double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// A machine that is busy with something else only makes latencies longer: the quietest of a few
// runs tells what the generator itself adds.
double least_error(const std::function<double()>& measured) {
  double least = 1;
  for (int i = 0; i < 20 && least > 0.02; ++i) least = std::min(least, measured());
  return least;
}

TEST(GeneratorTest, PercentilesAreWithinTwoPercentOfTheServers) {
  const PacedServer server([](uint64_t number) {
    const uint64_t turn = number % 20;
    const Duration after = milliseconds(turn < 15 ? 40 : turn < 19 ? 80 : 160);
    return PacedAnswer{.after = after, .bytes = http_ok()};
  });
  for (const std::optional<double> rate : {std::optional<double>(), std::optional<double>(150)}) {
    const double error = least_error([&] {
      const RunResult run = run_with(settings_at(server), rate);
      EXPECT_FALSE(run.has_errors());
      const Histogram latency = run.tally.latency_of_all();
      return std::max({std::abs(to_ms(latency.percentile(0.5)) / 40 - 1),
                       std::abs(to_ms(latency.percentile(0.9)) / 80 - 1),
                       std::abs(to_ms(latency.percentile(0.99)) / 160 - 1)});
    });
    EXPECT_LE(error, 0.02) << (rate ? "open loop" : "closed loop");
  }
}

// From the 30th request on nothing is answered for half a second.
PacedAnswer stall_once(std::atomic<int64_t>& until, uint64_t number) {
  const Instant now = kClock.now();
  if (number == 30) until = (now + milliseconds(500)).time_since_epoch().count();
  const Duration left = Instant(Duration(until.load())) - now;
  return {.after = std::max(Duration(milliseconds(1)), left), .bytes = http_ok()};
}

TEST(GeneratorTest, AStallIsSeenByTheOpenLoopAndOmittedByTheClosedOne) {
  std::atomic<int64_t> until = 0;
  const auto script = [&](uint64_t number) { return stall_once(until, number); };
  Settings settings;
  RunResult open(seconds(1));
  {
    const PacedServer server(script);
    settings = settings_at(server);
    settings.connections = 4;
    open = run_with(settings, 200);
  }
  until = 0;
  const PacedServer server(script);
  settings.endpoints = {server.endpoint()};
  const RunResult closed = run_with(settings);
  // 300 were due, a third of them in the stall, with 4 places: most waited before they were sent.
  EXPECT_EQ(open.tally.latency_of_all().count(), 300U);
  EXPECT_GT(to_ms(open.tally.latency_of_all().percentile(0.9)), 300);
  // Only four of its many met the stall.
  EXPECT_LT(to_ms(closed.tally.latency_of_all().percentile(0.95)), 300);
  EXPECT_GT(to_ms(closed.tally.latency_of_all().longest()), 450);
}

TEST(GeneratorTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  const PacedServer server([](uint64_t number) {
    return PacedAnswer{.after = milliseconds(number % 3),
                       .bytes = http_ok(std::string(3'000, 'x'))};
  });
  Settings settings = settings_at(server);
  settings.connections = 2;
  settings.depth = 16;
  settings.threads = 2;
  settings.duration = milliseconds(300);
  const RunResult run = run_with(settings);
  EXPECT_FALSE(run.has_errors());
  EXPECT_GT(run.tally.outcomes.ok, 0U);
  EXPECT_EQ(run.cpu.size(), 2U);
}

TEST(GeneratorTest, ABrokenConnectionIsOpenedAgainAndWhatItHeldIsUnknown) {
  const PacedServer server([](uint64_t number) {
    return PacedAnswer{.after = milliseconds(1), .bytes = number % 50 == 49 ? "" : http_ok()};
  });
  Settings settings = settings_at(server);
  settings.duration = milliseconds(500);
  const RunResult run = run_with(settings);
  EXPECT_GT(run.tally.outcomes.unknown.at("no_answer"), 2U);
  EXPECT_GT(run.tally.outcomes.ok, 0U);
  EXPECT_TRUE(run.has_errors());
}

TEST(GeneratorTest, AnAnswerThatIsNoneEndsItsConnection) {
  const PacedServer server([](uint64_t number) {
    return PacedAnswer{.after = milliseconds(1),
                       .bytes = number % 50 == 49 ? "garbage\r\n\r\n" : http_ok()};
  });
  Settings settings = settings_at(server);
  settings.duration = milliseconds(500);
  EXPECT_GT(run_with(settings).tally.outcomes.unknown.at("no_answer"), 2U);
}

TEST(GeneratorTest, ASilentServerIsGivenUpAfterTheTimeout) {
  const PacedServer server(
      [](uint64_t) { return PacedAnswer{.after = std::chrono::hours(1), .bytes = http_ok()}; });
  Settings settings = settings_at(server);
  settings.duration = milliseconds(300);
  settings.timeout = milliseconds(200);
  const RunResult run = run_with(settings, 100);
  EXPECT_EQ(run.tally.outcomes.ok, 0U);
  EXPECT_GE(run.tally.outcomes.unknown.at("no_answer"), 16U);
  EXPECT_EQ(run.verdict(), Verdict::kServerBehind);
}

TEST(GeneratorTest, WhereNobodyListensItDoesNotBegin) {
  std::optional<PacedServer> server(std::in_place, [](uint64_t) { return PacedAnswer{}; });
  const Settings settings = settings_at(*server);
  server.reset();
  Generator generator(settings, kClock);
  const Result<> connected = generator.connect();
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(connected.error().message.find("nobody answers at 127.0.0.1:"), std::string::npos);
}

TEST(GeneratorTest, KeysAreStoredBeforeTheyAreRead) {
  std::atomic<uint64_t> requests = 0;
  const PacedServer server([&](uint64_t) {
    ++requests;
    return PacedAnswer{.bytes = http_ok()};
  });
  Settings settings = settings_at(server);
  settings.product = Product::kHoldfast;
  settings.keys = 1'000;
  Generator generator(settings, kClock);
  ASSERT_TRUE(generator.connect());
  ASSERT_TRUE(generator.preload());
  EXPECT_EQ(requests.load(), 1'000U);
}

TEST(GeneratorTest, KeysThatCannotBeStoredAreSaid) {
  const PacedServer server([](uint64_t) {
    return PacedAnswer{.bytes =
                           "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 43\r\n\r\n"
                           R"({"code":"no_space","outcome":"not_applied"})"};
  });
  Settings settings = settings_at(server);
  settings.product = Product::kHoldfast;
  Generator generator(settings, kClock);
  ASSERT_TRUE(generator.connect());
  const Result<> stored = generator.preload();
  ASSERT_FALSE(stored);
  EXPECT_NE(stored.error().message.find("no_space"), std::string::npos) << stored.error().message;
}

}  // namespace
}  // namespace holdfast::load
