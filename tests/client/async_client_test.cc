#include "client/async_client.h"

#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

namespace net = boost::asio;
using Kind = Step::Kind;

struct Seen {
  std::vector<std::string> values;
  std::vector<std::thread::id> threads;  // that the coroutine was on behind each call
  bool is_unknown = false;
};

net::awaitable<void> read_twice_and_write(AsyncClient& client, Seen& seen) {
  for (int i = 0; i < 2; ++i) {
    const ReadOutcome<Value> value = co_await client.get("k");
    seen.values.push_back(value ? value->bytes : value.error().code);
    seen.threads.push_back(std::this_thread::get_id());
  }
  const WriteOutcome<PutAnswer> put = co_await client.put("k", "v");
  seen.is_unknown = std::holds_alternative<Unknown>(put);
  seen.threads.push_back(std::this_thread::get_id());
}

TEST(AsyncClient, ACoroutineGoesOnWhereItWasWithTheOutcomesOfTheClient) {
  ScriptedServer server(
      {{Kind::kAnswer, http_answer(200, "a")},
       {Kind::kAnswer, problem_answer(404, "key_not_found", "not_applied", false)},
       {Kind::kCloseUnanswered, {}}});
  AsyncClient client({.endpoints = {server.endpoint()}, .repeats_unknown = false}, 2);
  net::io_context loop;
  Seen seen;
  net::co_spawn(loop, read_twice_and_write(client, seen), net::detached);
  loop.run();
  EXPECT_EQ(seen.values, (std::vector<std::string>{"a", "key_not_found"}));
  EXPECT_EQ(seen.threads, std::vector<std::thread::id>(3, std::this_thread::get_id()));
  EXPECT_TRUE(seen.is_unknown);
}

net::awaitable<void> count_reads(AsyncClient& client, int& done) {
  const ReadOutcome<Value> value = co_await client.get("k");
  if (value) ++done;
}

TEST(AsyncClient, MoreCallsThanThreadsAllEnd) {
  std::vector<Step> steps(20, Step{Kind::kAnswerAndClose, http_answer(200, "v")});
  ScriptedServer server(std::move(steps));
  AsyncClient client({.endpoints = {server.endpoint()}}, 1);
  net::io_context loop;
  int done = 0;
  for (int i = 0; i < 20; ++i) net::co_spawn(loop, count_reads(client, done), net::detached);
  loop.run();
  EXPECT_EQ(done, 20);
}

}  // namespace
}  // namespace holdfast
