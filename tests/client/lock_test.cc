// A lock as its holder has it: asked for, kept alive, lost, released.

#include "client/lock.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

using Kind = Step::Kind;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kConflict = problem_answer(409, "conflict", "not_applied", true);
const std::string kReleased = http_answer(200, R"({"revision":9,"deleted":0,"finished":true})");

// As long as one of an hour is held for sure.
constexpr Duration kSure = Duration(hours(1)) / 100 * 99;

LockOptions options(std::vector<Endpoint> endpoints, Duration ttl = hours(1)) {
  return {.cluster = {.endpoints = std::move(endpoints), .timeout = seconds(20)},
          .name = "jobs/ü",
          .owner = "me",
          .ttl = ttl};
}

using Acquired = WriteOutcome<std::unique_ptr<Lock>>;

TEST(ClientLock, IsHeldFromBeforeItWasAskedFor) {
  ScriptedServer server({{Kind::kAnswer, lock_answer(7)}, {Kind::kAnswer, kReleased}});
  const Instant before = SystemClock().now();
  Acquired outcome = Lock::acquire(options({server.endpoint()}));
  const Instant after = SystemClock().now();
  Lock& lock = *std::get<std::unique_ptr<Lock>>(outcome);
  EXPECT_EQ(lock.token(), 7u);
  EXPECT_EQ(lock.lease(), "00000000000000a1");
  EXPECT_TRUE(lock.is_held());
  EXPECT_GE(lock.held_until(), before + kSure);
  EXPECT_LE(lock.held_until(), after + kSure);
  EXPECT_THAT(server.requests().at(0), StartsWith("POST /v1/locks/jobs/%C3%BC?timeout="));
  EXPECT_EQ(server.fields("Idempotency-Key").at(0).size(), 32u);
  EXPECT_TRUE(std::holds_alternative<RevokeAnswer>(lock.release()));
  EXPECT_THAT(server.requests().at(1), StartsWith("DELETE /v1/locks/jobs/%C3%BC?token=7&timeout="));
}

TEST(ClientLock, IsReleasedWithItsLife) {
  ScriptedServer server({{Kind::kAnswer, lock_answer(7)}, {Kind::kAnswer, kReleased}});
  {
    const Acquired outcome = Lock::acquire(options({server.endpoint()}));
  }
  EXPECT_THAT(server.requests().at(1), StartsWith("DELETE /v1/locks/jobs/%C3%BC?token=7&timeout="));
}

TEST(ClientLock, SomebodyElsesIsRefusedAfterOneWait) {
  ScriptedServer server({{Kind::kAnswer, kConflict}});
  const Acquired outcome = Lock::acquire(options({server.endpoint()}));
  ASSERT_TRUE(std::holds_alternative<Refusal>(outcome));
  EXPECT_EQ(std::get<Refusal>(outcome).code, "conflict");
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(ClientLock, IsWaitedForAsLongAsIsWanted) {
  ScriptedServer server({{Kind::kAnswer, kConflict},
                         {Kind::kAnswer, kConflict},
                         {Kind::kAnswer, lock_answer(9)},
                         {Kind::kAnswer, kReleased}});
  LockOptions patient = options({server.endpoint()});
  patient.wait = std::nullopt;
  const Acquired outcome = Lock::acquire(std::move(patient));
  EXPECT_EQ(std::get<std::unique_ptr<Lock>>(outcome)->token(), 9u);
  EXPECT_NE(server.fields("Idempotency-Key").at(0), server.fields("Idempotency-Key").at(1));
}

TEST(ClientLock, AnotherNodeIsAskedForTheSameLock) {
  ScriptedServer first({{Kind::kCloseUnanswered, ""}});
  ScriptedServer second({{Kind::kAnswer, lock_answer(9)}, {Kind::kAnswer, kReleased}});
  const Acquired outcome = Lock::acquire(options({first.endpoint(), second.endpoint()}));
  EXPECT_EQ(std::get<std::unique_ptr<Lock>>(outcome)->token(), 9u);
  EXPECT_EQ(first.fields("Idempotency-Key").at(0), second.fields("Idempotency-Key").at(0));
}

TEST(ClientLock, IsLostWhenNobodyConfirmsItInTime) {
  const Duration ttl = seconds(3);
  ScriptedServer server({{Kind::kAnswer, lock_answer(7)}, {Kind::kStaySilent, ""}});
  std::promise<Instant> lost;
  const Acquired outcome =
      Lock::acquire(options({server.endpoint()}, ttl), [&](const std::string& why) {
        EXPECT_THAT(why, HasSubstr("nobody has confirmed"));
        lost.set_value(SystemClock().now());
      });
  const Lock& lock = *std::get<std::unique_ptr<Lock>>(outcome);
  const Instant until = lock.held_until();
  EXPECT_GE(lost.get_future().get(), until);
  EXPECT_FALSE(lock.is_held());
  EXPECT_EQ(lock.held_until(), until) << "it is not had again";
}

}  // namespace
}  // namespace holdfast
