// Requests whose body is taken while it is sent.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/http/http_fixture.h"

namespace holdfast::http {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

std::string chunk(std::string_view bytes) {
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

std::string chunked(std::string_view target, std::string_view body, std::string_view fields = "") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: a\r\n{}Transfer-Encoding: chunked\r\n\r\n{}",
                     target, fields, body);
}

class IncomingTest : public HttpTest {
 protected:
  static std::string letters(size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += static_cast<char>('a' + i % 26);
    return text;
  }
  // The sockets are full, and no more is taken.
  void wait_until_stalled() {
    while (services.pieces < limits.stream_room_bytes) settle();
    size_t before = services.pieces;
    for (int quiet = 0; quiet < 200; ++quiet) {
      settle();
      if (services.pieces != before) quiet = 0;
      before = services.pieces;
    }
  }
};

TEST_F(IncomingTest, TheAnswerBeginsBeforeTheBodyHasEnded) {
  start();
  Client client(port());
  client.send("POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read_some(8), "3\r\nabc\r\n");
  client.send("def" + request("GET", "/echo/after"));
  EXPECT_EQ(read_chunks(client), "def");
  EXPECT_EQ(client.read().body, "GET after ");
}

TEST_F(IncomingTest, IsTheSameWhereverTheBytesAreSplit) {
  start();
  for (const std::string& whole :
       {request("POST", "/mirror/free", letters(20)), request("POST", "/mirror/free"),
        chunked("/mirror/free", chunk("abc") + "5;x=y\r\ndefgh\r\n0\r\n\r\n"),
        chunked("/mirror/free", "0\r\n\r\n")}) {
    const std::string behind = request("GET", "/echo/after");
    std::string expected;
    for (size_t at = 0; at <= whole.size(); ++at) {
      Client client(port());
      client.send(whole.substr(0, at));
      settle();
      client.send(whole.substr(at) + behind);
      ASSERT_EQ(client.read().status, 200) << at;
      const std::string body = read_chunks(client);
      if (at == 0) expected = body;
      EXPECT_EQ(body, expected) << at;
      EXPECT_EQ(client.read().body, "GET after ") << at;
    }
  }
}

TEST_F(IncomingTest, ABodyHasNoLimitAndIsNeverHeldWhole) {
  limits.body_bytes_max = 1000;
  limits.thread_request_bytes_max = size_t{2} << 20;
  start();
  Client client(port());
  constexpr size_t kBytes = size_t{64} << 20;
  std::thread sender([&] {
    client.try_send(
        fmt::format("POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", kBytes));
    const std::string part(1 << 20, 'x');
    for (size_t sent = 0; sent < kBytes; sent += part.size()) client.try_send(part);
  });
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(read_chunks(client).size(), kBytes);
  sender.join();
}

TEST_F(IncomingTest, WhatIsBehindItWaitsForItsAnswer) {
  start();
  Client client(port());
  client.send(request("POST", "/mirror/held", "abc") + request("PUT", "/echo/after", "x"));
  EXPECT_EQ(client.read().status, 200);
  settle();
  EXPECT_EQ(story(), (std::vector<std::string>{"mirror held"}));
  release("held");
  release("held");
  EXPECT_EQ(read_chunks(client), "abc");
  EXPECT_EQ(client.read().body, "PUT after x");
}

TEST_F(IncomingTest, WhatIsBeforeItGoesFirst) {
  start();
  Client client(port());
  client.send(request("GET", "/held/first") + request("POST", "/mirror/free", "abc"));
  ASSERT_TRUE(told("start first"));
  settle();
  EXPECT_EQ(story(), (std::vector<std::string>{"start first"}));
  release("first");
  EXPECT_EQ(client.read().body, "first");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(read_chunks(client), "abc");
}

// Nobody takes the body: a bounded part of it is read, and the sender held back.
TEST_F(IncomingTest, ABodyThatIsNotTakenHoldsItsSenderBack) {
  limits.thread_request_bytes_max = size_t{1} << 20;
  start();
  Client client(port());
  constexpr size_t kBytes = size_t{64} << 20;
  std::thread sender([&] {
    client.try_send(
        fmt::format("POST /mirror/held HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", kBytes));
    client.try_send(letters(kBytes));
  });
  EXPECT_EQ(client.read().status, 200);
  settle();
  size_t taken = 0;
  release("held");
  while (taken < kBytes) {
    std::string size;
    while (!size.ends_with("\r\n")) size += client.read_some(1);
    const size_t piece = std::stoul(size, nullptr, 16);
    ASSERT_GT(piece, 0u);
    EXPECT_LE(piece, limits.stream_room_bytes + (64 << 10));
    client.read_some(piece + 2);
    taken += piece;
    release("held");
  }
  sender.join();
  EXPECT_EQ(read_chunks(client), "");
}

TEST_F(IncomingTest, LeaveToSendIsGivenOnlyWhereItIsWanted) {
  start();
  Client client(port());
  const std::string head =
      "POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
  client.send(head);
  EXPECT_EQ(client.read().status, 100);
  client.send("abc");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(read_chunks(client), "abc");
  client.send(head + "def");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(read_chunks(client), "def");
}

TEST_F(IncomingTest, ARefusalBeforeTheBodyHasEndedEndsTheConnection) {
  start();
  Client client(port());
  client.send("POST /mirror/refused HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
  const Answer answer = client.read();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());
  Client whole(port());
  whole.send(request("POST", "/mirror/refused", "abc") + request("GET", "/echo/after"));
  EXPECT_EQ(whole.read().status, 400);
  EXPECT_EQ(whole.read().body, "GET after ");
}

// Also where its form is what ended it, and where it had ended by itself.
TEST_F(IncomingTest, ARefusalBehindWhichTheConnectionClosesSaysSo) {
  start();
  const std::string head =
      "POST /mirror/refused%20later HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string body : {"3\r\nabc\r\nxyz\r\n", "3\r\nabc\r\n"}) {
    Client client(port());
    client.send(head + body);
    settle();
    release("refused later");
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.header("Connection"), "close") << body;
    EXPECT_TRUE(client.at_end());
  }
  Client whole(port());
  whole.send(head + "0\r\n\r\n" + request("GET", "/echo/after"));
  release("refused later");
  EXPECT_EQ(whole.read().header("Connection"), "");
  EXPECT_EQ(whole.read().body, "GET after ");
}

TEST_F(IncomingTest, ABodyThatBreaksOffIsSaidToItsReader) {
  start();
  for (const auto& [bytes, why] : {
           std::pair{"POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc",
                     "[the body ended before its end]"},
           std::pair{"POST /mirror/free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "3\r\nabc\r\nxyz\r\n",
                     "[the chunks of the body are malformed]"},
       }) {
    Client client(port());
    client.send(bytes);
    client.end_sending();
    EXPECT_EQ(client.read().status, 200);
    EXPECT_EQ(read_chunks(client), std::string("abc") + why);
    EXPECT_TRUE(client.at_end());
  }
}

TEST_F(IncomingTest, ABodyThatStopsComingIsEndedAndToldSo) {
  start();
  Client client(port());
  client.send("POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
  EXPECT_EQ(client.read().status, 200);
  settle();
  advance_and_sweep(seconds(29));
  client.send("d");
  settle();
  // It may come byte by byte.
  advance_and_sweep(seconds(29));
  wait_for_connections(1);
  advance_and_sweep(seconds(2));
  EXPECT_THAT(read_chunks(client), HasSubstr("abcd[the body came too slowly"));
  EXPECT_TRUE(client.at_end());
}

// Many a client takes nothing before it has sent all. What was begun is answered, the rest is
// thrown away, and it is told so when it reads.
TEST_F(IncomingTest, WhoSendsAllBeforeHeTakesAnythingIsToldWhatWasNotTaken) {
  start();
  Client client(port(), 16 << 10);
  constexpr size_t kBytes = size_t{48} << 20;
  const std::string text = letters(kBytes);
  std::atomic<bool> sent = false;
  std::thread sender([&] {
    client.try_send(
        fmt::format("POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", kBytes));
    sent = client.try_send(text);
  });
  ASSERT_TRUE(told("mirror free"));
  wait_until_stalled();
  EXPECT_FALSE(sent);
  const size_t taken = services.pieces;
  EXPECT_LT(taken, kBytes / 2);
  advance_and_sweep(seconds(9));
  settle();
  EXPECT_FALSE(sent);
  advance_and_sweep(seconds(2));
  sender.join();
  EXPECT_TRUE(sent) << "the rest is read";
  settle();
  // Who has sent for long has not been slow to take.
  advance_and_sweep(seconds(29));
  EXPECT_EQ(client.read().status, 200);
  const std::string body = read_chunks(client);
  ASSERT_GE(body.size(), taken);
  EXPECT_LT(body.size(), kBytes);
  EXPECT_THAT(body.substr(body.size() - 150), HasSubstr("[none of the answers was taken for 10 s"));
}

// What is thrown away has to come as any body does: a byte now and then would hold the connection,
// and the answers that wait in it, for ever.
TEST_F(IncomingTest, WhoDripsWhatIsThrownAwayIsEnded) {
  start();
  Client client(port(), 16 << 10);
  std::atomic<bool> sent = false;
  std::thread sender([&] {
    client.try_send("POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    client.try_send(letters(size_t{32} << 20));
    sent = true;
  });
  ASSERT_TRUE(told("mirror free"));
  wait_until_stalled();
  advance_and_sweep(seconds(11));
  sender.join();
  ASSERT_TRUE(sent) << "the rest is read";
  settle();
  for (int i = 0; i < 4; ++i) {
    client.try_send("x");
    settle();
    advance_and_sweep(seconds(20));
  }
  wait_for_connections(0);
}

TEST_F(IncomingTest, AClientThatGoesInMidBodyLeavesNothingBehind) {
  start();
  for (const bool with_reset : {false, true}) {
    Client client(port());
    client.send("POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nabc");
    EXPECT_EQ(client.read().status, 200);
    if (with_reset) client.reset();
  }
  wait_for_connections(0);
  EXPECT_TRUE(told("mirror gone"));
}

TEST_F(IncomingTest, AStopEndsABodyThatIsBeingSent) {
  start();
  Client client(port());
  client.send("POST /mirror/free HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read_some(8), "3\r\nabc\r\n");
  on_io_thread([this] { connections().drain(); });
  EXPECT_THAT(read_chunks(client), HasSubstr("[this node stops"));
  EXPECT_TRUE(client.at_end());
}

TEST_F(IncomingTest, AskedToCloseItClosesBehindTheAnswer) {
  start();
  Client client(port());
  client.send(
      "POST /mirror/free HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\nabc");
  EXPECT_EQ(client.read().header("Connection"), "close");
  client.send("def");
  EXPECT_EQ(client.read_to_end(), "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
  Client old(port());
  old.send("POST /mirror/free HTTP/1.0\r\nContent-Length: 6\r\n\r\nabc");
  EXPECT_EQ(old.read().header("Transfer-Encoding"), "");
  EXPECT_EQ(old.read_some(3), "abc");
  old.send("def");
  EXPECT_EQ(old.read_to_end(), "def");
}

TEST_F(IncomingTest, TheThreadsBoundIsForThemToo) {
  limits.thread_request_bytes_max = 100'000;
  start();
  Client client(port());
  client.send("POST /mirror/held HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(client.read().status, 200);
  client.try_send(letters(300'000));
  settle();
  release("held");
  release("held");
  release("held");
  EXPECT_THAT(read_chunks(client), HasSubstr("[this node holds too many bytes of requests"));
}

}  // namespace
}  // namespace holdfast::http
