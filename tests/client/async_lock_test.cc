// A lock that a loop keeps alive.

#include "client/async_lock.h"

#include <exception>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

namespace net = boost::asio;
using Kind = Step::Kind;
using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kTaken = problem_answer(404, "lease_not_found", "not_applied", false);
const std::string kFree = http_answer(200, R"({"revision":9,"deleted":0,"finished":true})");

LockOptions options_of(const ScriptedServer& server, Duration ttl) {
  return {.cluster = {.endpoints = {server.endpoint()}, .timeout = seconds(20)},
          .name = "l",
          .owner = "me",
          .ttl = ttl};
}

// What a lock's life came to.
struct Lived {
  uint64_t token = 0;
  bool was_held = false;
  bool was_released = false;
  std::string why_lost;
};

net::awaitable<void> have_and_release(LockOptions options, Lived& lived) {
  OnLoss nothing;
  auto outcome = co_await AsyncLock::acquire(std::move(options), std::move(nothing));
  const auto lock = std::get<std::unique_ptr<AsyncLock>>(std::move(outcome));
  lived.token = lock->token();
  lived.was_held = lock->is_held();
  const auto released = co_await lock->release();
  lived.was_released = std::holds_alternative<RevokeAnswer>(released);
}

void run_to_its_end(net::awaitable<void> coroutine) {
  net::io_context loop;
  net::co_spawn(loop, std::move(coroutine), [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  loop.run();
}

TEST(AsyncLock, IsHadAndReleasedAndThenNothingIsLeftInTheLoop) {
  ScriptedServer server({{Kind::kAnswerAndClose, lock_answer(7)}, {Kind::kAnswer, kFree}});
  Lived lived;
  run_to_its_end(have_and_release(options_of(server, hours(1)), lived));
  EXPECT_EQ(lived.token, 7u);
  EXPECT_TRUE(lived.was_held);
  EXPECT_TRUE(lived.was_released);
  EXPECT_THAT(server.requests().at(1), StartsWith("DELETE /v1/locks/l?token=7&timeout="));
}

net::awaitable<void> have_until_lost(LockOptions options, Lived& lived) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  net::steady_timer lost(executor, Instant::max());
  OnLoss on_loss = [&](const std::string& why) {
    lived.why_lost = why;
    lost.cancel();
  };
  auto outcome = co_await AsyncLock::acquire(std::move(options), std::move(on_loss));
  const auto lock = std::get<std::unique_ptr<AsyncLock>>(std::move(outcome));
  lived.token = lock->token();
  boost::system::error_code rung;
  co_await lost.async_wait(net::redirect_error(net::use_awaitable, rung));
  lived.was_held = lock->is_held();
}

TEST(AsyncLock, IsKeptAliveAndItsLossIsTold) {
  ScriptedServer server({{Kind::kAnswerAndClose, lock_answer(7)},
                         {Kind::kAnswer, lock_answer(7)},
                         {Kind::kAnswer, kTaken}});
  Lived lived;
  run_to_its_end(have_until_lost(options_of(server, seconds(3)), lived));
  EXPECT_THAT(lived.why_lost, HasSubstr("lease_not_found"));
  EXPECT_FALSE(lived.was_held);
  for (size_t i = 1; i < 3; ++i)
    EXPECT_THAT(server.requests().at(i), StartsWith("PUT /v1/locks/l?token=7&timeout="));
}

net::awaitable<void> be_refused(LockOptions options, std::string& code) {
  OnLoss nothing;
  const auto outcome = co_await AsyncLock::acquire(std::move(options), std::move(nothing));
  code = std::get<Refusal>(outcome).code;
}

TEST(AsyncLock, SomebodyElsesIsRefused) {
  ScriptedServer server({{Kind::kAnswer, problem_answer(409, "conflict", "not_applied", true)}});
  std::string code;
  run_to_its_end(be_refused(options_of(server, hours(1)), code));
  EXPECT_EQ(code, "conflict");
}

net::awaitable<void> have_until(net::steady_timer& end, LockOptions options) {
  OnLoss on_loss = [](const std::string&) { throw std::runtime_error("nobody is there to hear"); };
  auto outcome = co_await AsyncLock::acquire(std::move(options), std::move(on_loss));
  const auto lock = std::get<std::unique_ptr<AsyncLock>>(std::move(outcome));
  boost::system::error_code rung;
  co_await end.async_wait(net::redirect_error(net::use_awaitable, rung));
}

TEST(AsyncLock, WhatIsThrownWhereItsLossIsToldComesOutOfTheLoop) {
  ScriptedServer server({{Kind::kAnswerAndClose, lock_answer(7)}, {Kind::kAnswer, kTaken}});
  net::io_context loop;
  net::steady_timer end(loop, Instant::max());
  net::co_spawn(loop, have_until(end, options_of(server, seconds(3))), net::detached);
  net::steady_timer patience(loop, seconds(20));
  patience.async_wait([&](boost::system::error_code rung) {
    if (!rung) end.cancel();
  });
  EXPECT_THROW(loop.run(), std::runtime_error);
  patience.cancel();
  end.cancel();
  loop.restart();
  loop.run();
}

}  // namespace
}  // namespace holdfast
