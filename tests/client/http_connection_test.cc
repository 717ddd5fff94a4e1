#include "client/http_connection.h"

#include <poll.h>

#include <gtest/gtest.h>

#include "client/supply.h"
#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

using Kind = Step::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

class HttpConnectionTest : public ::testing::Test {
 protected:
  std::expected<HttpResponse, NoAnswer> exchange(HttpConnection& connection, std::string body = {},
                                                 Duration patience = seconds(20)) {
    return connection.exchange(
        {.method = "PUT", .target = "/v1/kv/a", .headers = {}, .body = std::move(body)},
        clock_.now() + patience);
  }

  SystemClock clock_;
};

TEST_F(HttpConnectionTest, OneConnectionCarriesManyExchanges) {
  ScriptedServer server({{Kind::kAnswer, http_answer(200, "one", "ETag: \"7\"\r\n")},
                         {Kind::kAnswer, http_answer(404, "two")}});
  HttpConnection connection(server.endpoint(), clock_);
  const auto first = exchange(connection, "x");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->status, 200u);
  EXPECT_EQ(first->body, "one");
  EXPECT_EQ(first->header("etag"), "\"7\"");
  EXPECT_EQ(first->header("X-None"), "");
  EXPECT_EQ(exchange(connection)->status, 404u);
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(HttpConnectionTest, RefusedConnectionIsCertainlyNotServed) {
  HttpConnection connection(closed_endpoint(), clock_);
  const auto answer = exchange(connection);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().delivery, Delivery::kNotServed);
  EXPECT_NE(answer.error().message.find("Connection refused"), std::string::npos);
}

TEST_F(HttpConnectionTest, ClosingAfterTheRequestIsUnknown) {
  ScriptedServer server({{Kind::kCloseUnanswered, {}}});
  HttpConnection connection(server.endpoint(), clock_);
  EXPECT_EQ(exchange(connection).error().delivery, Delivery::kUnknown);
}

TEST_F(HttpConnectionTest, SilenceUntilTheDeadlineIsUnknown) {
  ScriptedServer server({{Kind::kStaySilent, {}}});
  HttpConnection connection(server.endpoint(), clock_);
  EXPECT_EQ(exchange(connection, {}, milliseconds(50)).error().delivery, Delivery::kUnknown);
}

TEST_F(HttpConnectionTest, HalfAnAnswerIsUnknown) {
  ScriptedServer server(
      {{Kind::kAnswerAndClose, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"}});
  HttpConnection connection(server.endpoint(), clock_);
  EXPECT_EQ(exchange(connection).error().delivery, Delivery::kUnknown);
}

TEST_F(HttpConnectionTest, WhatIsNotHttpIsUnknown) {
  ScriptedServer server({{Kind::kAnswerAndClose, "220 mail.example.org ready\r\n"}});
  HttpConnection connection(server.endpoint(), clock_);
  EXPECT_EQ(exchange(connection).error().delivery, Delivery::kUnknown);
}

TEST_F(HttpConnectionTest, AnIdleConnectionThatWasClosedIsReplacedBeforeSending) {
  ScriptedServer server(
      {{Kind::kAnswerAndClose, http_answer(200, "")}, {Kind::kAnswer, http_answer(201, "")}});
  HttpConnection connection(server.endpoint(), clock_);
  ASSERT_TRUE(exchange(connection));
  server.wait_until_closed(1);
  const auto second = exchange(connection);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->status, 201u);
  EXPECT_EQ(server.connections(), 2u);
}

TEST_F(HttpConnectionTest, TheAnswerToARequestThatWasLeftIsNobodysAnswer) {
  ScriptedServer server({{Kind::kAnswer, http_answer(200, "of the first")},
                         {Kind::kAnswer, ""},  // the end of that connection
                         {Kind::kAnswer, http_answer(200, "of the second")}});
  HttpConnection connection(server.endpoint(), clock_);
  const HttpRequest request{.method = "GET", .target = "/", .headers = {}, .body = {}};
  const Instant deadline = clock_.now() + std::chrono::seconds(20);
  {
    Standing standing;
    auto left = connection.begin(request, deadline);
    left.start(standing);
    while (true) {
      const auto* const readiness = std::get_if<Readiness>(&standing.need);
      if (readiness != nullptr && readiness->events == POLLIN) break;
      standing.supply = supply_connection(standing.need, clock_);
      standing.waiting.resume();
    }
  }
  const auto answer = connection.exchange(request, deadline);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "of the second");
}

TEST_F(HttpConnectionTest, ConnectionCloseIsHeeded) {
  ScriptedServer server({{Kind::kAnswerAndClose, http_answer(200, "", "Connection: close\r\n")},
                         {Kind::kAnswer, http_answer(200, "")}});
  HttpConnection connection(server.endpoint(), clock_);
  ASSERT_TRUE(exchange(connection));
  EXPECT_TRUE(exchange(connection));
}

TEST_F(HttpConnectionTest, AnAnswerBeforeTheEndOfTheRequestIsTaken) {
  ScriptedServer server({{Kind::kRefuseEarly, http_answer(413, "too large")}});
  HttpConnection connection(server.endpoint(), clock_);
  const auto answer = exchange(connection, std::string(size_t{64} << 20, 'x'));
  // The reset that follows an unread body may overtake the answer; either way nothing happened.
  if (answer) {
    EXPECT_EQ(answer->status, 413u);
  } else {
    EXPECT_EQ(answer.error().delivery, Delivery::kNotServed);
  }
}

TEST_F(HttpConnectionTest, ARequestThatIsNotTakenWholeIsCertainlyNotServed) {
  ScriptedServer server({{Kind::kRefuseEarly, {}}});
  HttpConnection connection(server.endpoint(), clock_);
  const auto answer = exchange(connection, std::string(size_t{64} << 20, 'x'));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().delivery, Delivery::kNotServed);
}

TEST_F(HttpConnectionTest, ABodyEndedByTheConnectionIsWhole) {
  ScriptedServer server({{Kind::kAnswerAndClose, "HTTP/1.1 200 OK\r\n\r\nall of it"}});
  HttpConnection connection(server.endpoint(), clock_);
  const auto answer = exchange(connection);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "all of it");
}

// A chunked answer; `end` may be missing.
std::string chunked(const std::string& end) {
  return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n" + end;
}

TEST_F(HttpConnectionTest, ASinkTakesTheBodyOfASuccessAndNothingElse) {
  ScriptedServer server({{Kind::kAnswer, http_answer(404, "not there")},
                         {Kind::kAnswer, chunked("0\r\n\r\n")},
                         {Kind::kAnswer, http_answer(200, "with a length")}});
  HttpConnection connection(server.endpoint(), clock_);
  std::string taken;
  BodySink sink{.take =
                    [&](std::string_view bytes) {
                      taken += bytes;
                      return true;
                    },
                .patience = seconds(20)};
  const auto ask = [&] {
    return connection.exchange({.method = "GET", .target = "/", .headers = {}, .body = {}},
                               clock_.now() + seconds(20), &sink);
  };
  EXPECT_EQ(ask()->body, "not there");
  EXPECT_FALSE(sink.begun);
  EXPECT_EQ(ask()->body, "");
  EXPECT_EQ(taken, "firstsecond");
  EXPECT_TRUE(sink.begun);
  EXPECT_EQ(ask()->status, 200u);
  EXPECT_EQ(taken, "firstsecondwith a length");
}

TEST_F(HttpConnectionTest, ABodyThatBreaksOffIsNoAnswerThoughASinkTookSome) {
  ScriptedServer server({{Kind::kAnswerAndClose, chunked("")}});
  HttpConnection connection(server.endpoint(), clock_);
  std::string taken;
  BodySink sink{.take =
                    [&](std::string_view bytes) {
                      taken += bytes;
                      return true;
                    },
                .patience = seconds(20)};
  EXPECT_FALSE(connection.exchange({.method = "GET", .target = "/", .headers = {}, .body = {}},
                                   clock_.now() + seconds(20), &sink));
  EXPECT_EQ(taken, "firstsecond");
}

TEST_F(HttpConnectionTest, ASinkThatWantsNoMoreEndsTheExchange) {
  ScriptedServer server({{Kind::kAnswerAndClose, chunked("0\r\n\r\n")}});
  HttpConnection connection(server.endpoint(), clock_);
  BodySink sink{.take = [](std::string_view) { return false; }, .patience = seconds(20)};
  EXPECT_FALSE(connection.exchange({.method = "GET", .target = "/", .headers = {}, .body = {}},
                                   clock_.now() + seconds(20), &sink));
}

TEST_F(HttpConnectionTest, AnAnswerMayComeWhileTheRequestIsSentWhereThatIsAskedFor) {
  ScriptedServer server({{Kind::kAnswerEarly, http_answer(200, "meanwhile")},
                         {Kind::kAnswer, http_answer(200, "again")}});
  HttpConnection connection(server.endpoint(), clock_);
  HttpRequest request{.method = "POST",
                      .target = "/",
                      .headers = {},
                      .body = std::string(size_t{20} << 20, 'x'),
                      .is_answered_meanwhile = true};
  const auto first = connection.exchange(request, clock_.now() + seconds(20));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->body, "meanwhile");
  request.body = "small";
  const auto second = connection.exchange(request, clock_.now() + seconds(20));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->body, "again");
  EXPECT_EQ(server.connections(), 1u) << "the first request was sent whole";
}

}  // namespace
}  // namespace holdfast
