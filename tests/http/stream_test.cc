#include <fmt/format.h>
#include <gmock/gmock.h>

#include "server/http/outbox.h"
#include "tests/http/http_fixture.h"

namespace holdfast::http {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class StreamTest : public HttpTest {
 protected:
  // The sockets are full, and no stream is asked for more.
  void wait_until_stalled() {
    size_t before = services.pieces;
    for (int quiet = 0; quiet < 50; ++quiet) {
      settle();
      if (services.pieces != before) quiet = 0;
      before = services.pieces;
    }
  }
};

TEST_F(StreamTest, ABodyComesInChunksAndTheConnectionGoesOn) {
  start();
  Client client(port());
  client.send(request("GET", "/stream/3x5") + request("GET", "/echo/after"));
  const Answer answer = client.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(answer.header("Content-Length"), "");
  EXPECT_EQ(read_chunks(client), "first aaaaabbbbbccccc");
  EXPECT_EQ(client.read().body, "GET after ");
  EXPECT_TRUE(told("stream gone"));
}

TEST_F(StreamTest, LargeAndManyPiecesArriveWhole) {
  start();
  Client client(port());
  client.send(request("GET", "/stream/40x700000"));
  client.read();
  std::string whole = "first ";
  for (int i = 0; i < 40; ++i) whole += std::string(700'000, static_cast<char>('a' + i % 26));
  EXPECT_TRUE(read_chunks(client) == whole);
}

TEST_F(StreamTest, HeadHasNoBodyAndAsksForNoPiece) {
  start();
  Client client(port());
  client.send(request("HEAD", "/stream/3x5") + request("GET", "/echo/after"));
  EXPECT_EQ(client.read(Method::kHead).header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(client.read().body, "GET after ");
  EXPECT_EQ(services.pieces, 0u);
}

TEST_F(StreamTest, InHttp10TheEndOfTheConnectionIsTheEnd) {
  start();
  Client client(port());
  client.send(
      "GET /stream/2x3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
      "PUT /echo/never HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
  const Answer answer = client.read();
  EXPECT_EQ(answer.header("Transfer-Encoding"), "");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_EQ(client.read_to_end(), "first aaabbb");
}

// A client that takes nothing costs no more than what is sent ahead, one piece, and the sockets.
TEST_F(StreamTest, ASlowClientHoldsTheStreamBackInBoundedMemory) {
  start();
  Client client(port(), 16 << 10);
  client.send(request("GET", "/stream/1000x100000"));
  ASSERT_TRUE(told("stream 1000x100000"));
  wait_until_stalled();
  EXPECT_GE(services.pieces, 3u);
  EXPECT_LT(services.pieces, 100u) << "of 100 kB each, while nothing was read";
  client.read();
  EXPECT_EQ(read_chunks(client).size(), 6 + 1000u * 100'000);
}

TEST_F(StreamTest, AClientThatTakesNothingIsClosedInTheEnd) {
  start();
  Client client(port(), 16 << 10);
  client.send(request("GET", "/stream/1000x100000"));
  ASSERT_TRUE(told("stream 1000x100000"));
  settle();
  advance_and_sweep(seconds(29));
  wait_for_connections(1);
  // What the sockets on the way still take begins the patience anew.
  for (int i = 0; i < 100 && connections().size() > 0; ++i) {
    advance_and_sweep(seconds(31));
    settle();
  }
  wait_for_connections(0);
  EXPECT_TRUE(told("stream gone"));
}

TEST_F(StreamTest, WhatOthersWaitForIsTakenFromASlowClient) {
  start();
  for (const auto& [order, stays] :
       {std::pair{"1000x100000", true}, {"1000x100000@100000000", false}}) {
    Client client(port(), 16 << 10);
    client.send(request("GET", std::string("/stream/") + order));
    client.read();
    for (int i = 0; i < 20 && client.read_some(200'000).size() == 200'000; ++i) {
      settle();
      advance_and_sweep(seconds(3));
    }
    wait_for_connections(stays ? 1 : 0);
  }
}

TEST_F(StreamTest, AQuietStreamIsNotAStalledClient) {
  start();
  Client client(port());
  client.send(request("GET", "/held-stream/x"));
  EXPECT_EQ(client.read().status, 200);
  settle();
  advance_and_sweep(seconds(300));
  wait_for_connections(1);
  release("x");
  EXPECT_EQ(read_chunks(client), "x");
}

TEST_F(StreamTest, TheStreamEndsSoonAfterItsClient) {
  start();
  Client client(port(), 16 << 10);
  client.send(request("GET", "/stream/1000000x100000"));
  client.read();
  client.reset();
  EXPECT_TRUE(told("stream gone"));
  wait_for_connections(0);
}

// Of an answer that would end, whoever has shut his sending side may still take the rest.
TEST_F(StreamTest, WhoLeavesAnAnswerWithoutAnEndIsLetGoAtOnce) {
  start();
  {
    Client client(port());
    client.send(request("GET", "/endless/x"));
    EXPECT_EQ(client.read().status, 200);
    EXPECT_EQ(client.read_some(11), "6\r\nfirst \r\n");
  }
  wait_for_connections(0);
  release("x");
  EXPECT_TRUE(told("stream gone"));
}

TEST_F(StreamTest, WhoLeavesAnAnswerWithoutAnEndBehindALastRequestIsLetGoByTheSweep) {
  start();
  {
    Client client(port());
    client.send(request("GET", "/endless/x", "", "Connection: close\r\n"));
    EXPECT_EQ(client.read().status, 200);
    EXPECT_EQ(client.read_some(11), "6\r\nfirst \r\n");
    advance_and_sweep(seconds(1));
  }
  wait_for_connections(0);
  release("x");
  EXPECT_TRUE(told("stream gone"));
}

TEST_F(StreamTest, APieceThatComesAfterItsClientIsGoneFindsNobody) {
  start();
  Client client(port());
  client.send(request("GET", "/held-stream/x"));
  client.read();
  client.reset();
  wait_for_connections(0);
  release("x");
  EXPECT_TRUE(told("stream gone"));
}

TEST_F(StreamTest, ABodyThatCannotGoOnDoesNotEndWell) {
  start();
  for (const std::string version : {"1.0", "1.1"}) {
    Client client(port());
    client.send(fmt::format("GET /stream/2x3! HTTP/{}\r\nHost: a\r\n\r\n", version));
    EXPECT_THAT(client.read_to_end(), Not(HasSubstr("\r\n0\r\n")));
    // Only a reset tells a client of HTTP/1.0 that this is not the end.
    EXPECT_TRUE(client.was_reset()) << version;
  }
}

TEST_F(StreamTest, RequestsBehindAStreamStartAndTheirAnswersWait) {
  start();
  Client client(port());
  client.send(request("GET", "/held-stream/x") + request("PUT", "/echo/w", "v"));
  EXPECT_TRUE(told("echo w"));
  EXPECT_EQ(client.read().status, 200);
  settle();
  EXPECT_FALSE(client.has_bytes_within(0));
  release("x");
  EXPECT_EQ(read_chunks(client), "x");
  EXPECT_EQ(client.read().body, "PUT w v");
}

// What all streams of a thread hold is bounded with all other answers.
TEST_F(StreamTest, AThreadThatHoldsTooMuchAsksForNoPiece) {
  limits.thread_answer_bytes_max = 1 << 20;
  start();
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(std::make_unique<Client>(port(), 16 << 10));
    idle.back()->send(request("GET", "/stream/1000x250000"));
  }
  wait_until_stalled();
  const size_t before = services.pieces;
  Client late(port());
  late.send(request("GET", "/stream/1x9"));
  EXPECT_EQ(late.read().status, 200);
  settle();
  EXPECT_EQ(services.pieces, before);
  idle.clear();
  wait_for_connections(1);
  advance_and_sweep(seconds(1));
  EXPECT_EQ(read_chunks(late), "first aaaaaaaaa");
}

// However many wait for something to happen, the bound is on what is held for them.
TEST_F(StreamTest, AStreamThatWaitsHoldsNothing) {
  limits.thread_answer_bytes_max = 1 << 20;
  start();
  std::vector<std::unique_ptr<Client>> waiting;
  for (int i = 0; i < 40; ++i) {
    waiting.push_back(std::make_unique<Client>(port()));
    waiting.back()->send(request("GET", "/endless/" + std::to_string(i)));
    EXPECT_EQ(waiting.back()->read().status, 200);
  }
  settle();
  Client other(port());
  other.send(request("GET", "/stream/2x9"));
  other.read();
  EXPECT_EQ(read_chunks(other), "first aaaaaaaaabbbbbbbbb");
  for (int i = 0; i < 40; ++i) release(std::to_string(i));
  EXPECT_EQ(waiting[7]->read_some(15), "6\r\nfirst \r\n1\r\n7");
  for (int i = 0; i < 40; ++i) wait_until_held(std::to_string(i));
  on_io_thread([this] { connections().drain(); });
  for (int i = 0; i < 40; ++i) release(std::to_string(i));
  waiting.clear();
  wait_for_connections(0);
}

TEST_F(StreamTest, ADrainEndsWhatHasNoEnd) {
  start();
  Client client(port());
  client.send(request("GET", "/endless/x") + request("GET", "/echo/behind"));
  client.read();
  release("x");
  EXPECT_EQ(client.read_some(12), "6\r\nfirst \r\n1");
  on_io_thread([this] { connections().drain(); });
  EXPECT_EQ(client.read_some(10), "\r\nx\r\n0\r\n\r\n");
  EXPECT_EQ(client.read().body, "GET behind ");
  EXPECT_TRUE(client.at_end());
  release("x");  // finds nobody
  EXPECT_TRUE(told("stream gone"));
}

// What an ended stream waited for happens while another is sent.
TEST_F(StreamTest, OneStreamIsNotTakenForAnother) {
  start();
  Client client(port());
  client.send(request("GET", "/endless/x") + request("GET", "/held-stream/z"));
  client.read();
  settle();
  on_io_thread([this] { connections().drain(); });
  EXPECT_EQ(read_chunks(client), "first ");
  EXPECT_EQ(client.read().status, 200);
  release("x");
  settle();
  release("z");
  EXPECT_EQ(read_chunks(client), "z");
}

TEST(Outbox, ALengthThatIsNotKnownIsNotSaid) {
  for (const bool says_length : {true, false}) {
    Pipeline::Answer answer{{.kind = AnswerForm::Kind::kHeadOnly}, Response(200, "text/plain", "")};
    answer.response.says_length = says_length;
    Outbox outbox;
    outbox.add(std::move(answer), "Date: x\r\n");
    EXPECT_EQ(outbox.front().pieces[0].contains("Content-Length: 0"), says_length);
  }
}

TEST_F(StreamTest, ADrainWaitsForTheEndOfTheStream) {
  start();
  Client client(port());
  client.send(request("GET", "/held-stream/x"));
  client.read();
  on_io_thread([this] { connections().drain(); });
  release("x");
  EXPECT_EQ(read_chunks(client), "x");
  EXPECT_TRUE(client.at_end());
}

}  // namespace
}  // namespace holdfast::http
