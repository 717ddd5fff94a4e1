// The whole generator, over real sockets, against a server whose latencies the test knows.

#include "bench/load/generator.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

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

// Between what and what each latency lies, by what its server saw of the same requests: however
// busy the machine is, nothing is sent after it was received, nor has an answer come before it was
// sent.
struct Bounds {
  std::vector<Duration> least;
  std::vector<Duration> most;
};

// Requests that are due when the last answer of their connection has come.
Bounds bounds_of_closed_loop(const std::vector<Served>& served, Instant before, Instant after) {
  std::map<uint64_t, std::vector<Served>> by_connection;
  for (const Served& one : served) by_connection[one.connection].push_back(one);
  Bounds bounds;
  for (const auto& [connection, its] : by_connection) {
    for (size_t i = 0; i < its.size(); ++i) {
      const Instant begun = i == 0 ? before : its[i - 1].answered;
      const Instant ended = i + 1 == its.size() ? after : its[i + 1].received;
      bounds.least.push_back(its[i].answered - its[i].received);
      bounds.most.push_back(ended - begun);
    }
  }
  return bounds;
}

// One that is due each `gap`, with one place, which is never free in time.
Bounds bounds_of_full_place(const std::vector<Served>& served, Duration gap, Instant before,
                            Instant after) {
  Bounds bounds;
  for (size_t i = 0; i < served.size(); ++i) {
    const Duration since_first = static_cast<int64_t>(i) * gap;
    const Instant due_at_latest =
        std::min(served.front().received + since_first, served[i].received);
    const Instant ended = i + 1 == served.size() ? after : served[i + 1].received;
    bounds.least.push_back(served[i].answered - due_at_latest);
    bounds.most.push_back(ended - (before + since_first));
  }
  return bounds;
}

// Where each lies between its bounds, so do the percentiles of all.
void expect_between(const Histogram& told, Bounds bounds) {
  ASSERT_EQ(told.count(), bounds.least.size());
  ASSERT_GT(told.count(), 0U);
  std::ranges::sort(bounds.least);
  std::ranges::sort(bounds.most);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(told.count())));
    const double ms = to_ms(told.percentile(share));
    EXPECT_GE(ms, to_ms(bounds.least[rank - 1]) * (1 - Histogram::kErrorMax)) << share;
    EXPECT_LE(ms, to_ms(bounds.most[rank - 1]) * (1 + Histogram::kErrorMax)) << share;
  }
}

TEST(GeneratorTest, AClosedLoopTellsOfTheLatenciesThatItsServerSaw) {
  const PacedServer server([](uint64_t number) {
    const uint64_t turn = number % 20;
    const Duration after = milliseconds(turn < 15 ? 40 : turn < 19 ? 80 : 160);
    return PacedAnswer{.after = after, .bytes = http_ok()};
  });
  const Instant before = kClock.now();
  const RunResult run = run_with(settings_at(server));
  const Instant after = kClock.now();
  EXPECT_FALSE(run.has_errors());
  expect_between(run.tally.latency_of_all(), bounds_of_closed_loop(server.served(), before, after));
}

TEST(GeneratorTest, AnOpenLoopCountsFromWhenEachWasDue) {
  const PacedServer server(
      [](uint64_t) { return PacedAnswer{.after = milliseconds(20), .bytes = http_ok()}; });
  Settings settings = settings_at(server);
  settings.connections = 1;
  settings.duration = milliseconds(500);
  settings.timeout = seconds(60);
  const Instant before = kClock.now();
  const RunResult run = run_with(settings, 100);
  const Instant after = kClock.now();
  EXPECT_FALSE(run.has_errors());
  EXPECT_EQ(run.tally.latency_of_all().count(), 50U);
  // The last one was due after 490 ms, and waited for 49 others.
  EXPECT_GT(to_ms(run.tally.latency_of_all().longest()), 50 * 20 - 490 - 1);
  expect_between(run.tally.latency_of_all(),
                 bounds_of_full_place(server.served(), milliseconds(10), before, after));
}

// From the tenth request on nothing is answered for half a second.
PacedAnswer stall_once(std::atomic<int64_t>& until, std::atomic<uint64_t>& held, uint64_t number) {
  const Instant now = kClock.now();
  if (number == 10) until = (now + milliseconds(500)).time_since_epoch().count();
  const Duration left = Instant(Duration(until.load())) - now;
  if (left <= Duration::zero()) return {.after = milliseconds(1), .bytes = http_ok()};
  ++held;
  return {.after = left, .bytes = http_ok()};
}

TEST(GeneratorTest, AStallIsSeenByTheOpenLoopAndOmittedByTheClosedOne) {
  std::atomic<int64_t> until = 0;
  std::atomic<uint64_t> held = 0;
  const auto script = [&](uint64_t number) { return stall_once(until, held, number); };
  Settings settings;
  RunResult open(seconds(1));
  {
    const PacedServer server(script);
    settings = settings_at(server);
    settings.connections = 4;
    open = run_with(settings, 200);
  }
  until = 0;
  held = 0;
  const PacedServer server(script);
  settings.endpoints = {server.endpoint()};
  const Instant before = kClock.now();
  const RunResult closed = run_with(settings);
  const Instant after = kClock.now();
  // 300 were due, a third of them in the stall, with 4 places: most waited before they were sent.
  EXPECT_EQ(open.tally.latency_of_all().count(), 300U);
  EXPECT_GT(to_ms(open.tally.latency_of_all().percentile(0.9)), 300);
  // Only four of its many met the stall: it asked no more of them.
  EXPECT_LE(held.load(), 4U);
  EXPECT_GT(to_ms(closed.tally.latency_of_all().longest()), 450);
  expect_between(closed.tally.latency_of_all(),
                 bounds_of_closed_loop(server.served(), before, after));
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

// Of all its requests, which were due in the measured time, so many have no answer.
void expect_lost(const RunResult& run, uint64_t lost) {
  ASSERT_GT(lost, 0U);
  EXPECT_EQ(run.tally.outcomes.unknown.at("no_answer"), lost);
  EXPECT_GT(run.tally.outcomes.ok, 0U);
  EXPECT_TRUE(run.has_errors());
}

TEST(GeneratorTest, ABrokenConnectionIsOpenedAgainAndWhatItHeldIsUnknown) {
  std::atomic<uint64_t> closed = 0;
  const PacedServer server([&](uint64_t number) {
    const bool closes = number % 10 == 9;
    if (closes) ++closed;
    return PacedAnswer{.after = milliseconds(1), .bytes = closes ? "" : http_ok()};
  });
  Settings settings = settings_at(server);
  settings.duration = milliseconds(500);
  const RunResult run = run_with(settings);
  expect_lost(run, closed.load());
}

TEST(GeneratorTest, AnAnswerThatIsNoneEndsItsConnection) {
  std::atomic<uint64_t> garbage = 0;
  const PacedServer server([&](uint64_t number) {
    const bool is_garbage = number % 10 == 9;
    if (is_garbage) ++garbage;
    return PacedAnswer{.after = milliseconds(1),
                       .bytes = is_garbage ? "garbage\r\n\r\n" : http_ok()};
  });
  Settings settings = settings_at(server);
  settings.duration = milliseconds(500);
  const RunResult run = run_with(settings);
  expect_lost(run, garbage.load());
}

TEST(GeneratorTest, ASilentServerIsGivenUpAfterTheTimeout) {
  const PacedServer server(
      [](uint64_t) { return PacedAnswer{.after = std::chrono::hours(1), .bytes = http_ok()}; });
  Settings settings = settings_at(server);
  settings.duration = milliseconds(300);
  settings.timeout = milliseconds(200);
  const RunResult run = run_with(settings, 100);
  EXPECT_EQ(run.tally.outcomes.ok, 0U);
  // Each of the 30 was given up, or had no place until the end.
  EXPECT_EQ(run.tally.outcomes.unknown.at("no_answer") + run.tally.unsent.count(), 30U);
  EXPECT_NE(run.verdict(), Verdict::kMeasured);
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
