#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/http/http_fixture.h"

namespace holdfast::http {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class LimitsTest : public HttpTest {
 protected:
  void expect_refused(const std::string& bytes, int status, const std::string& code) {
    Client client(port());
    client.try_send(bytes);
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, status);
    EXPECT_THAT(answer.body, HasSubstr("\"code\":\"" + code + "\""));
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_TRUE(client.at_end());
  }
  void expect_taken(const std::string& bytes) {
    Client client(port());
    client.send(bytes);
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
};

TEST_F(LimitsTest, HeadOfTheLimitAndOneMore) {
  start();
  const auto head = [](size_t size) {
    const std::string bare = request("GET", "/echo/x", "", "X: \r\n");
    return request("GET", "/echo/x", "", "X: " + std::string(size - bare.size(), 'x') + "\r\n");
  };
  ASSERT_EQ(head(32768).size(), 32768u);
  expect_taken(head(32768));
  expect_refused(head(32769), 431, "headers_too_large");
  expect_refused("GET /echo/x HTTP/1.1\r\nX: " + std::string(100'000, 'x'), 431,
                 "headers_too_large");
}

TEST_F(LimitsTest, FieldsOfTheLimitAndOneMore) {
  start();
  const auto fields = [](int count) {
    std::string text;
    for (int i = 1; i < count; ++i) text += "X: y\r\n";  // Host is one
    return request("GET", "/echo/x", "", text);
  };
  expect_taken(fields(64));
  expect_refused(fields(65), 431, "headers_too_large");
}

TEST_F(LimitsTest, TargetOfTheLimitAndOneMore) {
  start();
  const auto target = [](size_t size) {
    return request("GET", "/echo/" + std::string(size - 6, 'x'));
  };
  expect_taken(target(16384));
  expect_refused(target(16385), 414, "key_too_large");
}

TEST_F(LimitsTest, BodyOfTheLimitAndOneMore) {
  limits.body_bytes_max = 100'000;
  start();
  const auto chunks = [](size_t size) {
    return fmt::format(
        "PUT /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n"
        "1\r\nx\r\n0\r\n\r\n",
        size - 1, std::string(size - 1, 'x'));
  };
  expect_taken(request("PUT", "/echo/x", std::string(100'000, 'x')));
  expect_taken(chunks(100'000));
  expect_refused(request("PUT", "/echo/x", std::string(100'001, 'x')), 413, "value_too_large");
  expect_refused(chunks(100'001), 413, "value_too_large");
}

TEST_F(LimitsTest, ALengthThatIsNotSentCostsNothing) {
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<Client>(port()));
    clients.back()->send("PUT /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\nx");
  }
  expect_taken(request("GET", "/echo/x"));
}

TEST_F(LimitsTest, TooManyBytesOfRequestsOnTheThreadAreRefused) {
  limits.thread_request_bytes_max = 100'000;
  start();
  Client first(port());
  first.send(request("PUT", "/held/a", std::string(90'000, 'x')));
  ASSERT_TRUE(told("start a"));
  expect_refused(request("PUT", "/echo/b", std::string(20'000, 'x')), 503, "overloaded");
  expect_refused("PUT /echo/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n" +
                     std::string(0x5000, 'x') + "\r\n",
                 503, "overloaded");
  expect_taken(request("PUT", "/echo/d", "small"));
  release("a");
  EXPECT_EQ(first.read().status, 200);
  expect_taken(request("PUT", "/echo/e", std::string(20'000, 'x')));
}

// Though its client is still there: it may take its time to read why.
TEST_F(LimitsTest, WhatIsRefusedTakesNoRoom) {
  limits.thread_request_bytes_max = 100'000;
  start();
  Client first(port());
  first.send(request("PUT", "/held/a", std::string(60'000, 'x')));
  ASSERT_TRUE(told("start a"));
  Client refused(port());
  refused.send("PUT /echo/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nc350\r\n" +
               std::string(50'000, 'x'));
  EXPECT_EQ(refused.read().status, 503);
  expect_taken(request("PUT", "/echo/c", std::string(30'000, 'x')));
  release("a");
  EXPECT_EQ(first.read().status, 200);
}

// Many that are slow hold all that there is for large ones.
TEST_F(LimitsTest, SmallBodiesAreTakenWhereLargeOnesAreNot) {
  limits.thread_request_bytes_max = 100'000;
  start();
  Client first(port());
  first.send(request("PUT", "/held/a", std::string(99'990, 'x')));
  ASSERT_TRUE(told("start a"));
  expect_refused(request("PUT", "/echo/b", std::string(4097, 'x')), 503, "overloaded");
  expect_taken(request("PUT", "/echo/c", std::string(4096, 'x')));
  // As far as there is room for them.
  std::vector<std::unique_ptr<Client>> others;
  for (int i = 0; i < 3; ++i) {
    others.push_back(std::make_unique<Client>(port()));
    others.back()->send(request("PUT", "/held/" + std::to_string(i), std::string(4096, 'x')));
    ASSERT_TRUE(told("start " + std::to_string(i)));
  }
  expect_refused(request("PUT", "/echo/d", std::string(4096, 'x')), 503, "overloaded");
  release("a");
  for (int i = 0; i < 3; ++i) release(std::to_string(i));
  EXPECT_EQ(first.read().status, 200);
}

TEST_F(LimitsTest, TooManyBytesOfAnswersOnTheThreadAreRefusedToReads) {
  limits.thread_answer_bytes_max = 1'000'000;
  limits.unsent_bytes_max = 100'000'000;
  start();
  Client slow(port(), 4096);
  slow.send(request("GET", "/big/30000000"));
  Client other(port());
  Answer answer;
  // Until the first answer stands in the sum.
  do {
    other.send(request("GET", "/big/5000"));
    answer = other.read();
  } while (answer.status == 200);
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("\"outcome\":\"not_applied\""));
  other.send(request("PUT", "/echo/x", std::string(5000, 'x')));
  EXPECT_EQ(other.read().status, 200) << "a write has happened and must say so";
}

TEST_F(LimitsTest, AClientThatDoesNotReadIsNotReadFrom) {
  limits.unsent_bytes_max = 1'000'000;
  start();
  Client slow(port(), 4096);
  slow.send(request("GET", "/big/20000000") + request("GET", "/echo/second"));
  Client other(port());
  other.send(request("GET", "/echo/other"));
  EXPECT_EQ(other.read().status, 200);
  settle();
  EXPECT_THAT(story(), testing::Not(testing::Contains("echo second")));
  EXPECT_EQ(slow.read().body.size(), 20'000'000u);
  EXPECT_EQ(slow.read().body, "GET second ");
}

TEST_F(LimitsTest, ConnectionsBeyondTheLimitAreTurnedAway) {
  limits.connections_max = 2;
  start();
  Client first(port());
  auto second = std::make_unique<Client>(port());
  wait_for_connections(2);
  Client third(port());
  const Answer answer = third.read();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("Retry-After"), "1");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(third.at_end());
  second.reset();
  wait_for_connections(1);
  expect_taken(request("GET", "/echo/x"));
}

TEST_F(LimitsTest, ASlowHeadIsTimedOut) {
  start();
  Client client(port());
  client.send("GET /echo/x HTTP/1.1\r\n");
  wait_for_connections(1);
  settle();
  advance_and_sweep(seconds(9));
  client.send("Host: a\r\n");  // more bytes give no more time
  EXPECT_FALSE(client.has_bytes_within(20));
  advance_and_sweep(seconds(1));
  const Answer answer = client.read();
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(LimitsTest, ASlowBodyIsTimedOutAndAProgressingOneIsNot) {
  start();
  Client client(port());
  client.send("PUT /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n");
  wait_for_connections(1);
  settle();
  advance_and_sweep(seconds(29));
  client.send(std::string(20'000, 'x'));
  settle();
  advance_and_sweep(seconds(29));
  client.send("x");
  settle();
  EXPECT_FALSE(client.has_bytes_within(20));
  advance_and_sweep(seconds(1));
  EXPECT_EQ(client.read().status, 408);
  EXPECT_TRUE(client.at_end());
}

TEST_F(LimitsTest, WaitingForLeaveToSendIsNotSlowness) {
  start();
  Client client(port());
  client.send(request("GET", "/held/a") +
              "PUT /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
              "Expect: 100-continue\r\n\r\n");
  ASSERT_TRUE(told("start a"));
  settle();
  advance_and_sweep(seconds(100));
  release("a");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read().status, 100);
  advance_and_sweep(seconds(29));
  client.send("abc");
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(LimitsTest, AnIdleConnectionIsClosedInSilence) {
  start();
  Client fresh(port());
  Client used(port());
  used.send(request("GET", "/echo/x"));
  EXPECT_EQ(used.read().status, 200);
  wait_for_connections(2);
  advance_and_sweep(seconds(59));
  used.send(request("GET", "/echo/x"));
  EXPECT_EQ(used.read().status, 200);
  advance_and_sweep(seconds(1));
  EXPECT_TRUE(fresh.at_end());
  wait_for_connections(1);
  advance_and_sweep(seconds(59));
  EXPECT_TRUE(used.at_end());
}

TEST_F(LimitsTest, AWaitingClientIsNotIdle) {
  start();
  Client client(port());
  client.send(request("GET", "/held/a"));
  ASSERT_TRUE(told("start a"));
  advance_and_sweep(seconds(1000));
  release("a");
  EXPECT_EQ(client.read().body, "a");
}

TEST_F(LimitsTest, AClientThatTakesNoAnswerIsClosed) {
  start();
  Client client(port(), 4096);
  client.send(request("GET", "/big/30000000"));
  wait_for_connections(1);
  Client other(port());
  other.send(request("GET", "/echo/x"));
  EXPECT_EQ(other.read().status, 200);
  settle();
  advance_and_sweep(seconds(29));
  wait_for_connections(2);
  advance_and_sweep(seconds(1));
  wait_for_connections(1);
}

TEST_F(LimitsTest, AClientThatDoesNotCloseAfterItsLastAnswerIsClosed) {
  start();
  Client client(port());
  client.send("bad\r\n\r\n");
  EXPECT_EQ(client.read().status, 400);
  EXPECT_TRUE(client.at_end());
  wait_for_connections(1);
  advance_and_sweep(seconds(2));
  wait_for_connections(0);
}

}  // namespace
}  // namespace holdfast::http
