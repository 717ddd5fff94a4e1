// A connection that becomes a WebSocket: the handshake, every way to break the frames, and how it
// ends.

#include <initializer_list>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/http/frames_fixture.h"
#include "tests/http/http_fixture.h"

namespace holdfast::http {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr int kText = 1;
constexpr int kCloseFrame = 8;
constexpr int kPing = 9;
constexpr int kPong = 10;

// The key of RFC 6455, section 1.3, and what is to be said to it.
std::string upgrade(std::string_view target = "/talk/x", std::string_view more = "",
                    std::string_view version = "13") {
  return request("GET", target, "",
                 fmt::format("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             "Sec-WebSocket-Version: {}\r\n{}",
                             version, more));
}

class WebSocketTest : public HttpTest {
 protected:
  std::unique_ptr<Client> open(int receive_buffer = 0) {
    auto client = std::make_unique<Client>(port(), receive_buffer);
    client->send(upgrade());
    EXPECT_EQ(client->read().status, 101);
    return client;
  }
  static SentFrame read_frame(Client& client) {
    std::string bytes;
    while (bytes.size() < size_of_sent(bytes)) {
      const std::string more = client.read_some(size_of_sent(bytes) - bytes.size());
      if (more.empty()) return {};
      bytes += more;
    }
    return sent_frame(bytes);
  }
  static std::string read_text(Client& client) {
    const SentFrame frame = read_frame(client);
    EXPECT_EQ(frame.opcode, kText) << frame.payload;
    return frame.payload;
  }
  // It is closed with this code, a reason, and nothing behind them.
  static void expect_closed(Client& client, int code) {
    const SentFrame frame = read_frame(client);
    EXPECT_EQ(frame.opcode, kCloseFrame);
    EXPECT_EQ(frame.code(), code) << frame.payload.substr(2);
    EXPECT_GT(frame.payload.size(), 10U) << "a reason";
    EXPECT_TRUE(client.at_end());
  }
  bool was_heard(const std::string& message) {
    const std::vector<std::string> lines = story();
    return std::ranges::find(lines, "heard " + message) != lines.end();
  }
};

TEST_F(WebSocketTest, AHandshakeIsAnsweredWithTheProofThatItWasUnderstood) {
  start();
  Client client(port());
  client.send(upgrade());
  const Answer answer = client.read();
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.header("Upgrade"), "websocket");
  EXPECT_EQ(answer.header("Connection"), "Upgrade");
  EXPECT_EQ(answer.header("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(answer.header("Content-Length"), "");
  EXPECT_EQ(answer.header("Transfer-Encoding"), "");
  client.send(frame_of("a"));
  EXPECT_EQ(read_text(client), "echo a");
}

TEST_F(WebSocketTest, WhatIsNoHandshakeIsRefusedAndTheConnectionEnds) {
  start();
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  const std::string both = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  for (const auto& [fields, status] :
       {std::pair{both + key, 426},
        {both + key + "Sec-WebSocket-Version: 8\r\n", 426},
        {both + key + version + version, 426},
        {both + version, 400},
        {both + version + "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n", 400},
        {both + version + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n", 400},
        {both + version + key + key, 400},
        {both + version + key + "Origin: http://elsewhere\r\n", 403},
        {both + version + key + "Origin: null\r\n", 403},
        {both + version + key + "Origin: http://a\r\n", 101},
        {both + version + key + "Origin: https://A\r\n", 101}}) {
    SCOPED_TRACE(fields);
    Client client(port());
    client.send(request("GET", "/talk/x", "", fields) + request("GET", "/echo/behind"));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, status);
    if (status == 101) continue;
    EXPECT_THAT(answer.head, HasSubstr("Connection: close\r\n"));
    if (status == 426) {
      EXPECT_EQ(answer.header("Sec-WebSocket-Version"), "13");
      EXPECT_EQ(answer.header("Upgrade"), "websocket");
      EXPECT_THAT(answer.head, HasSubstr("Connection: Upgrade\r\n"));
    }
    EXPECT_TRUE(client.at_end());
  }
  EXPECT_THAT(story(), Not(Contains("echo behind")));
}

// It asks for no upgrade of this connection, so the connection goes on.
TEST_F(WebSocketTest, WithoutItsConnectionFieldAnUpgradeIsNone) {
  start();
  Client client(port());
  client.send(request("GET", "/talk/x", "", "Upgrade: websocket\r\n") +
              request("GET", "/echo/behind"));
  EXPECT_EQ(client.read().status, 426);
  EXPECT_EQ(client.read().body, "GET behind ");
}

TEST_F(WebSocketTest, WhatComesBehindAnUpgradeIsNeverARequest) {
  start();
  {
    Client client(port());
    client.send(upgrade() + request("GET", "/echo/behind"));
    EXPECT_EQ(client.read().status, 101);
    expect_closed(client, 1002);
  }
  {
    Client client(port());
    client.send(upgrade("/talk/held"));
    ASSERT_TRUE(told("talk held"));
    client.send(request("GET", "/echo/behind"));
    settle();
    release("held");
    EXPECT_EQ(client.read().status, 101);
    expect_closed(client, 1002);
  }
  // Another path makes no WebSocket of it, but someone on the way may believe that it does.
  Client client(port());
  client.send(upgrade("/echo/x") + request("GET", "/echo/behind"));
  const Answer answer = client.read();
  EXPECT_EQ(answer.body, "GET x ");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());
  EXPECT_THAT(story(), Not(Contains("echo behind")));
}

TEST_F(WebSocketTest, Http10KnowsNone) {
  start();
  Client client(port());
  std::string text = upgrade();
  text.replace(text.find("HTTP/1.1"), 8, "HTTP/1.0");
  client.send(text);
  EXPECT_EQ(client.read().status, 400);
  client.read_to_end();
  EXPECT_TRUE(story().empty());
}

TEST_F(WebSocketTest, RequestsBeforeItAreAnsweredFirstAndFramesBehindItAreKept) {
  start();
  Client client(port());
  client.send(request("PUT", "/held/w", "v") + upgrade() + frame_of("early") + frame_of("too"));
  ASSERT_TRUE(told("start w"));
  release("w");
  EXPECT_EQ(client.read().body, "w");
  EXPECT_EQ(client.read().status, 101);
  EXPECT_EQ(read_text(client), "echo early");
  EXPECT_EQ(read_text(client), "echo too");
}

TEST_F(WebSocketTest, MessagesOfEveryLengthArriveWhole) {
  start();
  const auto client = open();
  for (const size_t size : std::initializer_list<size_t>{0, 1, 125, 126, 127, 65535, 65536}) {
    const std::string message(size, 'm');
    client->send(frame_of(message));
    EXPECT_EQ(read_text(*client), "echo " + message);
  }
  client->send(frame_of("big 70000"));
  EXPECT_EQ(read_text(*client).size(), 70000U);
}

TEST_F(WebSocketTest, AMessageMayComeInFragmentsAndInAnyPieces) {
  start();
  const auto client = open();
  // A character that two fragments share, and a ping between them.
  const std::string whole = frame_of("a\xc3", {.final = false}) + frame_of("p", {.opcode = kPing}) +
                            frame_of("\xbc", {.opcode = 0, .final = false}) +
                            frame_of("", {.opcode = 0}) + frame_of(std::string(300, 'x'));
  for (size_t cut = 1; cut < whole.size(); cut += cut < 40 ? 1 : 37) {
    SCOPED_TRACE(cut);
    client->send(whole.substr(0, cut));
    settle();
    client->send(whole.substr(cut));
    const SentFrame pong = read_frame(*client);
    ASSERT_EQ(pong.opcode, kPong);
    EXPECT_EQ(pong.payload, "p");
    ASSERT_EQ(read_text(*client), "echo a\xc3\xbc");
    ASSERT_EQ(read_text(*client), "echo " + std::string(300, 'x'));
  }
}

TEST_F(WebSocketTest, EveryViolationClosesWithItsCodeAndAReason) {
  start();
  const FrameForm ping{.opcode = kPing};
  const FrameForm close{.opcode = kCloseFrame};
  for (const auto& [bytes, code] : std::vector<std::pair<std::string, int>>{
           {frame_of("x", {.masked = false}), 1002},
           {frame_of("x", {.reserved = 4}), 1002},
           {frame_of("x", {.reserved = 1}), 1002},
           {frame_of("x", {.opcode = 3}), 1002},
           {frame_of("x", {.opcode = 11}), 1002},
           {frame_of("x", {.opcode = 15}), 1002},
           {frame_of("x", {.opcode = 0}), 1002},
           {frame_of("x", {.final = false}) + frame_of("y"), 1002},
           {frame_of("x", {.opcode = kPing, .final = false}), 1002},
           {frame_of(std::string(126, 'x'), ping), 1002},
           {frame_of("x", {.length_bytes = 2}), 1002},
           {frame_of(std::string(125, 'x'), {.length_bytes = 2}), 1002},
           {frame_of(std::string(65535, 'x'), {.length_bytes = 8}), 1002},
           {frame_of("x", {.opcode = 2}), 1003},
           {frame_of("\xff"), 1007},
           {frame_of("a\xc3"), 1007},
           {frame_of("\xed\xa0\x80"), 1007},
           {frame_of("a\xc3", {.final = false}) + frame_of("b", {.opcode = 0}), 1007},
           {frame_of(std::string(65537, 'x')), 1009},
           {frame_of(std::string(65000, 'x'), {.final = false}) +
                frame_of(std::string(600, 'x'), {.opcode = 0}),
            1009},
           {std::string("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10) + "mask", 1009},
           {frame_of("x", close), 1002},
           {frame_of(close_payload(1000, "\xff"), close), 1007}}) {
    SCOPED_TRACE(testing::PrintToString(bytes.substr(0, 20)));
    const auto client = open();
    client->send(bytes + frame_of("behind"));
    expect_closed(*client, code);
  }
  EXPECT_FALSE(was_heard("behind"));
}

// The head alone tells it: what it announces is not waited for.
TEST_F(WebSocketTest, AHeadThatIsWrongIsNotWaitedBehind) {
  start();
  for (const auto& [bytes, code] : {std::pair{std::string("\x82\xfe"), 1003},
                                    {std::string("\x81\x05"), 1002},
                                    {std::string("\x81\xff\0\0\0\0\0\1\0\1mask", 14), 1009}}) {
    const auto client = open();
    client->send(bytes);
    expect_closed(*client, code);
  }
}

TEST_F(WebSocketTest, AClientsCloseIsAnsweredWithItsCode) {
  start();
  for (const int code : {1000, 1001, 1003, 1007, 1014, 3000, 4999}) {
    const auto client = open();
    client->send(frame_of(close_payload(code, "bye"), {.opcode = kCloseFrame}) + frame_of("more"));
    const SentFrame frame = read_frame(*client);
    EXPECT_EQ(frame.opcode, kCloseFrame);
    EXPECT_EQ(frame.code(), code);
    EXPECT_TRUE(client->at_end());
  }
  const auto client = open();
  client->send(frame_of("", {.opcode = kCloseFrame}));
  EXPECT_EQ(read_frame(*client).code(), 1000);
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}) {
    SCOPED_TRACE(code);
    const auto other = open();
    other->send(frame_of(close_payload(code), {.opcode = kCloseFrame}));
    expect_closed(*other, 1002);
  }
  EXPECT_FALSE(was_heard("more"));
  EXPECT_TRUE(told("hung up"));
}

TEST_F(WebSocketTest, PingsAreAnsweredWithWhatTheyCarry) {
  start();
  const auto client = open();
  for (const std::string& payload :
       {std::string(), std::string("x\xff\0", 3), std::string(125, 'p')}) {
    client->send(frame_of(payload, {.opcode = kPing}));
    const SentFrame pong = read_frame(*client);
    EXPECT_EQ(pong.opcode, kPong);
    EXPECT_EQ(pong.payload, payload);
  }
  client->send(frame_of("unasked", {.opcode = kPong}) + frame_of("a"));
  EXPECT_EQ(read_text(*client), "echo a");
}

TEST_F(WebSocketTest, ASilentClientIsPingedAndADeadOneIsClosed) {
  start();
  const auto client = open();
  settle();
  advance_and_sweep(seconds(29));
  client->send(frame_of("a"));
  EXPECT_EQ(read_text(*client), "echo a");
  advance_and_sweep(seconds(29));
  settle();
  EXPECT_FALSE(client->has_bytes_within(0)) << "it spoke lately";
  advance_and_sweep(seconds(2));
  EXPECT_EQ(read_frame(*client).opcode, kPing);
  advance_and_sweep(seconds(29));
  client->send(frame_of("", {.opcode = kPong}));
  settle();
  advance_and_sweep(seconds(29));
  wait_for_connections(1);
  advance_and_sweep(seconds(2));
  EXPECT_EQ(read_frame(*client).opcode, kPing);
  advance_and_sweep(seconds(31));
  EXPECT_TRUE(client->at_end());
  wait_for_connections(0);
  EXPECT_TRUE(told("hung up"));
}

TEST_F(WebSocketTest, WhoHasEnoughToDoIsReadNoMore) {
  start();
  const auto client = open();
  client->send(frame_of("stop") + frame_of("a"));
  ASSERT_TRUE(told("heard stop"));
  client->send(frame_of("b"));
  settle();
  EXPECT_FALSE(was_heard("a"));
  // Nor is it taken for dead meanwhile.
  advance_and_sweep(seconds(300));
  wait_for_connections(1);
  release("stop");
  EXPECT_EQ(read_text(*client), "on");
  EXPECT_EQ(read_text(*client), "echo a");
  EXPECT_EQ(read_text(*client), "echo b");
  settle();
  advance_and_sweep(seconds(1));
  wait_for_connections(1);
}

TEST_F(WebSocketTest, AClientThatTakesNothingIsReadNoMoreAndClosedInTheEnd) {
  start();
  const auto client = open(16 << 10);
  std::string all;
  for (int i = 0; i < 100; ++i) all += frame_of("big 1000000");
  client->send(all);
  size_t before = services.pieces;
  for (int quiet = 0; quiet < 50; ++quiet) {
    settle();
    if (services.pieces != before) quiet = 0;
    before = services.pieces;
  }
  EXPECT_LT(story().size(), 60U) << "of a million bytes each, while nothing was read";
  for (int i = 0; i < 100 && connections().size() > 0; ++i) {
    advance_and_sweep(seconds(31));
    settle();
  }
  wait_for_connections(0);
  EXPECT_TRUE(told("hung up"));
}

TEST_F(WebSocketTest, MessagesInPartOfAllClientsAreBounded) {
  limits.thread_request_bytes_max = 100'000;
  start();
  const std::string part = frame_of(std::string(60'000, 'x'), {.final = false});
  const auto one = open();
  one->send(part);
  settle();
  const auto other = open();
  other->send(part);
  expect_closed(*other, 1013);
  one->send(frame_of("y", {.opcode = 0}));
  EXPECT_EQ(read_text(*one).size(), 5 + 60'001U);
}

TEST_F(WebSocketTest, ANodeThatStopsSaysSoBehindWholeMessages) {
  start();
  const auto idle = open();
  const auto client = open();
  client->send(frame_of("big 500000"));
  ASSERT_TRUE(told("heard big 500000"));
  on_io_thread([this] { connections().drain(); });
  EXPECT_EQ(read_text(*client).size(), 500'000U);
  expect_closed(*client, 1001);
  expect_closed(*idle, 1001);
  advance_and_sweep(seconds(3));
  wait_for_connections(0);
}

TEST_F(WebSocketTest, AnUpgradeThatANodeAnswersWhileItStopsEndsAtOnce) {
  start();
  Client client(port());
  client.send(upgrade("/talk/held"));
  ASSERT_TRUE(told("talk held"));
  on_io_thread([this] { connections().drain(); });
  release("held");
  EXPECT_EQ(client.read().status, 101);
  expect_closed(client, 1001);
}

TEST_F(WebSocketTest, AConversationThatCannotGoOnIsClosed) {
  start();
  const auto client = open();
  client->send(frame_of("fail"));
  expect_closed(*client, 1011);
}

TEST_F(WebSocketTest, TheConversationEndsSoonAfterItsClient) {
  start();
  for (const bool hard : {true, false}) {
    const auto client = open();
    settle();
    hard ? client->reset() : client->end_sending();
    EXPECT_TRUE(told("hung up"));
    wait_for_connections(0);
  }
}

}  // namespace
}  // namespace holdfast::http
