#include "client/async_client.h"

#include <atomic>
#include <exception>
#include <optional>
#include <thread>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

namespace net = boost::asio;
using Kind = Step::Kind;

const std::string kLeased = http_answer(201, R"({"id":"00000000000000a1","ttl_ms":1500})");

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

net::awaitable<void> count_read(AsyncClient& client, std::atomic<int>& done) {
  const ReadOutcome<Value> value = co_await client.get("k");
  if (value) ++done;
}

net::awaitable<void> count_reads(AsyncClient& client, int& done) {
  const ReadOutcome<Value> value = co_await client.get("k");
  if (value) ++done;
}

TEST(AsyncClient, OfMoreCallsThanMayBeMadeAtOnceTheOthersWait) {
  std::vector<Step> steps(20, Step{Kind::kAnswerAndClose, http_answer(200, "v")});
  ScriptedServer server(std::move(steps));
  AsyncClient client({.endpoints = {server.endpoint()}}, 1);
  net::io_context loop;
  int done = 0;
  for (int i = 0; i < 20; ++i) net::co_spawn(loop, count_reads(client, done), net::detached);
  loop.run();
  EXPECT_EQ(done, 20);
}

TEST(AsyncClient, SoTheyDoInALoopOfManyThreads) {
  std::vector<Step> steps(60, Step{Kind::kAnswer, http_answer(200, "v")});
  ScriptedServer server(std::move(steps));
  AsyncClient client({.endpoints = {server.endpoint()}}, 1);
  net::thread_pool loop(3);
  std::atomic<int> done = 0;
  for (int i = 0; i < 60; ++i) net::co_spawn(loop, count_read(client, done), net::detached);
  loop.join();
  EXPECT_EQ(done, 60);
}

// What a coroutine without an end of its own has come to.
template <class T>
T run(net::awaitable<T> coroutine) {
  net::io_context loop;
  std::optional<T> result;
  net::co_spawn(loop, std::move(coroutine), [&](const std::exception_ptr& thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    result = std::move(value);
  });
  loop.run();
  return *std::move(result);
}

TEST(AsyncClient, IsTriedAgainAtTheNextNodeUnderTheSameKey) {
  ScriptedServer first({{Kind::kAnswer, no_leader_answer()}, {Kind::kAnswer, kLeased}});
  ScriptedServer second({{Kind::kCloseUnanswered, ""}});
  AsyncClient client({.endpoints = {closed_endpoint(), first.endpoint(), second.endpoint()}}, 1);
  const auto outcome = run(client.grant_lease(std::chrono::seconds(1)));
  EXPECT_EQ(std::get<LeaseAnswer>(outcome).id, "00000000000000a1");
  EXPECT_EQ(first.fields("Idempotency-Key").at(0), first.fields("Idempotency-Key").at(1));
  EXPECT_EQ(first.fields("Idempotency-Key").at(0), second.fields("Idempotency-Key").at(0));
}

TEST(AsyncClient, NamesAreLookedUp) {
  ScriptedServer server({{Kind::kAnswer, http_answer(200, "v")}});
  AsyncClient client({.endpoints = {{.host = "localhost", .port = server.endpoint().port}}}, 1);
  EXPECT_EQ(run(client.get("k"))->bytes, "v");
  AsyncClient lost({.endpoints = {{.host = "nobody.invalid", .port = 1}}}, 1);
  EXPECT_EQ(run(lost.get("k")).error().code, "unreachable");
}

TEST(AsyncClient, SilenceEndsWithTheTimeOfACall) {
  ScriptedServer server({{Kind::kStaySilent, ""}});
  AsyncClient client({.endpoints = {server.endpoint()},
                      .timeout = std::chrono::milliseconds(50),
                      .repeats_unknown = false},
                     1);
  EXPECT_TRUE(std::holds_alternative<Unknown>(run(client.remove("k"))));
}

TEST(AsyncClient, EachLineOfABulkHasItsOutcome) {
  ScriptedServer server({{Kind::kAnswerAndClose, http_answer(200, "{\"put\":{}}\n")}});
  AsyncClient client({.endpoints = {server.endpoint()}}, 1);
  const auto outcomes = run(client.bulk({"{}\n", "{}\n"}));
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<BulkAnswer>(outcomes[0]));
  EXPECT_TRUE(std::holds_alternative<Unknown>(outcomes[1]));
}

std::string change_of(uint64_t id) {
  return fmt::format(
      "event: change\nid: {}\ndata: {{\"revision\":{},\"events\":[{{\"type\":\"delete\","
      "\"key\":\"k\"}}]}}\n\n",
      id, id);
}

net::awaitable<bool> take_change(std::vector<uint64_t>& told, AsyncClient& client, size_t enough,
                                 const WatchedRevision& change) {
  // Another call of the same client, while the watch waits.
  const ReadOutcome<Value> value = co_await client.get("k");
  told.push_back(value ? change.revision : 0);
  co_return told.size() < enough;
}

TEST(AsyncClient, AWatchGoesOnAtAnotherNodeAndItsListenerIsWaitedFor) {
  ScriptedServer values(std::vector<Step>(3, Step{Kind::kAnswer, http_answer(200, "v")}));
  ScriptedServer first({{Kind::kAnswerAndClose, "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" +
                                                    change_of(3) + change_of(4)}});
  ScriptedServer second({{Kind::kAnswer, http_answer(200, change_of(7) + change_of(8))}});
  AsyncClient reader({.endpoints = {values.endpoint()}}, 1);
  AsyncClient client({.endpoints = {first.endpoint(), second.endpoint()}}, 1);
  std::vector<uint64_t> told;
  const WatchQuery query{.prefix = "k"};
  const auto end = run(client.watch(
      query, [&](const WatchedRevision& change) { return take_change(told, reader, 3, change); }));
  EXPECT_TRUE(end);
  EXPECT_EQ(told, (std::vector<uint64_t>{3, 4, 7}));
  EXPECT_EQ(second.fields("Last-Event-ID").at(0), "4");
}

net::awaitable<bool> take_event(std::string& text, const NodeEvent* event) {
  if (event != nullptr) text = event->text;
  co_return event == nullptr;
}

TEST(AsyncClient, EventsOfANodeAreFollowed) {
  ScriptedServer server(
      {{Kind::kAnswer,
        http_answer(200,
                    "event: progress\nid: a-1\ndata: {}\n\nevent: event\nid: a-2\n"
                    "data: {\"time\":\"t\",\"node\":\"n1\",\"term\":1,\"kind\":\"role\","
                    "\"level\":\"info\",\"text\":\"leads\",\"fields\":{}}\n\n")}});
  AsyncClient client({.endpoints = {server.endpoint()}}, 1);
  EventsPlace place;
  std::string text;
  EXPECT_TRUE(run(client.follow_events(
      place, [&](const NodeEvent* event) { return take_event(text, event); })));
  EXPECT_EQ(text, "leads");
  EXPECT_EQ(place.last_id, "a-2");
}

TEST(AsyncClient, ACallThatIsCancelledEndsAndItsConnectionIsNotUsedAgain) {
  ScriptedServer server({{Kind::kStaySilent, ""}, {Kind::kAnswer, http_answer(200, "v")}});
  AsyncClient client({.endpoints = {server.endpoint()}}, 1);
  net::io_context loop;
  net::cancellation_signal stop;
  std::exception_ptr thrown;
  net::co_spawn(
      loop, client.get("k"),
      net::bind_cancellation_slot(stop.slot(), [&](const std::exception_ptr& error,
                                                   const ReadOutcome<Value>&) { thrown = error; }));
  while (server.requests().empty()) loop.poll();
  stop.emit(net::cancellation_type::terminal);
  loop.run();
  EXPECT_TRUE(thrown) << "its outcome is unknown";
  EXPECT_EQ(run(client.get("k"))->bytes, "v");
}

TEST(AsyncClient, WhoIsCancelledWhileItWaitsForItsTurnLeavesItToTheNext) {
  ScriptedServer server({{Kind::kStaySilent, ""}, {Kind::kAnswer, http_answer(200, "v")}});
  AsyncClient client({.endpoints = {server.endpoint()}}, 1);
  net::io_context loop;
  net::cancellation_signal stop_first;
  net::cancellation_signal stop_second;
  int ended = 0;
  for (net::cancellation_signal* const stop : {&stop_first, &stop_second})
    net::co_spawn(loop, client.get("k"),
                  net::bind_cancellation_slot(
                      stop->slot(), [&](const std::exception_ptr& thrown,
                                        const ReadOutcome<Value>&) { ended += thrown ? 1 : 0; }));
  std::string third;
  net::co_spawn(loop, client.get("k"),
                [&](const std::exception_ptr&, const ReadOutcome<Value>& value) {
                  third = value ? value->bytes : value.error().message;
                });
  while (server.requests().empty()) loop.poll();
  stop_first.emit(net::cancellation_type::terminal);
  stop_second.emit(net::cancellation_type::terminal);
  loop.run();
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(third, "v");
}

}  // namespace
}  // namespace holdfast
