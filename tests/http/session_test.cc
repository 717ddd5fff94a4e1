#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/http/http_fixture.h"

namespace holdfast::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SessionTest : public HttpTest {};

TEST_F(SessionTest, AnswersOnOneConnectionAgainAndAgain) {
  start();
  Client client(port());
  for (int i = 0; i < 3; ++i) {
    client.send(request("PUT", "/echo/a%2Fb?q=1", "value"));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "PUT a/b value");
    EXPECT_EQ(answer.header("X-Query"), "q=1");
    EXPECT_EQ(answer.header("Content-Type"), "text/plain");
    EXPECT_EQ(answer.header("Date"), "Tue, 14 Nov 2023 22:13:20 GMT");
    EXPECT_EQ(answer.header("Connection"), "");
  }
}

TEST_F(SessionTest, EveryRequestMayComeInAnyTwoPieces) {
  start();
  const std::vector<std::string> wholes = {
      request("GET", "/echo/x", "", "X-Field: y\r\n"),
      request("PUT", "/echo/x", "some value"),
      "PUT /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4;ext=\"v\"\r\nsome\r\n006\r\n value\r\n0;x\r\nTrailer: t\r\n\r\n",
  };
  Client client(port());
  for (const std::string& whole : wholes) {
    const bool is_get = whole.starts_with("GET");
    for (size_t cut = 1; cut < whole.size(); ++cut) {
      SCOPED_TRACE(fmt::format("{} cut at {}", whole, cut));
      client.send(whole.substr(0, cut));
      settle();  // a turn, so that the pieces arrive apart
      client.send(whole.substr(cut));
      ASSERT_EQ(client.read().body, is_get ? "GET x " : "PUT x some value");
    }
  }
}

TEST_F(SessionTest, EveryByteMayComeAlone) {
  start();
  Client client(port());
  const std::string both = request("PUT", "/echo/x", "ab") +
                           "POST /echo/y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "1\r\nc\r\n1\r\nd\r\n0\r\n\r\n";
  for (const char c : both) {
    client.send(std::string(1, c));
    settle();
  }
  EXPECT_EQ(client.read().body, "PUT x ab");
  EXPECT_EQ(client.read().body, "POST y cd");
}

TEST_F(SessionTest, ManyRequestsInOneWriteAreAnsweredInOrder) {
  start();
  for (const int count : {16, 300}) {
    Client client(port());
    std::string all;
    for (int i = 0; i < count; ++i) {
      all += i % 3 == 0 ? request("PUT", fmt::format("/echo/{}", i), "v")
                        : request("GET", fmt::format("/echo/{}", i));
    }
    client.send(all);
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(client.read().body,
                fmt::format("{} {} {}", i % 3 == 0 ? "PUT" : "GET", i, i % 3 == 0 ? "v" : ""));
    }
  }
}

TEST_F(SessionTest, AnswersLeaveInOrderWhateverEndsFirst) {
  start();
  Client client(port());
  std::string all;
  for (int i = 0; i < 16; ++i) all += request("GET", fmt::format("/held/{}", i));
  client.send(all);
  for (int i = 15; i > 0; --i) release(std::to_string(i));
  EXPECT_FALSE(client.has_bytes_within(20)) << "the first is not done";
  release("0");
  for (int i = 0; i < 16; ++i) ASSERT_EQ(client.read().body, std::to_string(i));
}

TEST_F(SessionTest, NoMoreThanTheLimitOfAnswersIsOwed) {
  start();
  Client client(port());
  std::string all;
  for (int i = 0; i < 300; ++i) all += request("GET", fmt::format("/held/{}", i));
  client.send(all);
  ASSERT_TRUE(told("start 127"));
  settle();
  EXPECT_EQ(story().size(), 128u) << "reading has stopped";
  for (int i = 0; i < 300; ++i) {
    release(std::to_string(i));
    ASSERT_EQ(client.read().body, std::to_string(i));
  }
}

TEST_F(SessionTest, ReadsAndWritesOfOneConnectionTakeEffectInOrder) {
  start();
  Client client(port());
  client.send(request("PUT", "/held/w1", "v") + request("PUT", "/held/w2", "v") +
              request("GET", "/held/r1") + request("GET", "/held/r2") +
              request("PUT", "/held/w3", "v") + request("GET", "/held/r3"));
  ASSERT_TRUE(told("start w2")) << "writes run beside writes";
  release("w2");
  settle();
  EXPECT_THAT(story(), ElementsAre("start w1", "start w2", "end w2"));
  release("w1");
  ASSERT_TRUE(told("start r2")) << "reads run beside reads";
  release("r2");
  settle();
  EXPECT_THAT(story(), testing::Not(testing::Contains("start w3")));
  release("r1");
  ASSERT_TRUE(told("start w3"));
  release("w3");
  release("r3");
  for (const char* name : {"w1", "w2", "r1", "r2", "w3", "r3"}) EXPECT_EQ(client.read().body, name);
  EXPECT_THAT(story(),
              ElementsAre("start w1", "start w2", "end w2", "end w1", "start r1", "start r2",
                          "end r2", "end r1", "start w3", "end w3", "start r3", "end r3"));
}

TEST_F(SessionTest, OtherConnectionsDoNotWait) {
  start();
  Client waiting(port());
  waiting.send(request("PUT", "/held/w", "v"));
  ASSERT_TRUE(told("start w"));
  Client other(port());
  other.send(request("GET", "/echo/x"));
  EXPECT_EQ(other.read().status, 200);
  release("w");
  EXPECT_EQ(waiting.read().body, "w");
}

TEST_F(SessionTest, HeadCarriesTheLengthAndNoBody) {
  start();
  Client client(port());
  client.send(request("HEAD", "/echo/x") + request("HEAD", "/nothing") + request("GET", "/none") +
              request("GET", "/echo/y"));
  const Answer answer = client.read(Method::kHead);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Length"), "7");
  EXPECT_EQ(client.read(Method::kHead).status, 404);
  const Answer none = client.read();
  EXPECT_EQ(none.status, 204);
  EXPECT_EQ(none.header("Content-Length"), "");
  EXPECT_EQ(client.read().body, "GET y ");
}

TEST_F(SessionTest, UnknownPathsAndMethodsKeepTheConnection) {
  start();
  Client client(port());
  client.send(request("PUT", "/nothing", "some body") + request("DELETE", "/echo/x") +
              request("BREW", "/echo/x") + request("GET", "/echo/%zz") + request("GET", "/echo/x"));
  EXPECT_EQ(client.read().status, 404);
  const Answer refused = client.read();
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.header("Allow"), "GET, HEAD, PUT, POST");
  EXPECT_EQ(client.read().status, 405);
  EXPECT_EQ(client.read().status, 400);
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(SessionTest, AFaultInAHandlerIsAnsweredAndNotPassedOn) {
  start();
  Client client(port());
  client.send(request("GET", "/thrown") + request("GET", "/echo/x"));
  const Answer answer = client.read();
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("\"outcome\":\"unknown\""));
  EXPECT_THAT(answer.body, testing::Not(HasSubstr("own fault")));
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(SessionTest, Http10ClosesUnlessAskedOtherwise) {
  start();
  Client client(port());
  client.send("GET /echo/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.read().header("Connection"), "keep-alive");
  client.send("GET /echo/y HTTP/1.0\r\n\r\nGET /echo/z HTTP/1.0\r\n\r\n");
  const Answer last = client.read();
  EXPECT_EQ(last.body, "GET y ");
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(SessionTest, ConnectionCloseEndsAfterThatAnswer) {
  start();
  Client client(port());
  client.send(request("GET", "/held/a") + request("GET", "/echo/b", "", "Connection: close\r\n") +
              request("GET", "/echo/c"));
  release("a");
  EXPECT_EQ(client.read().body, "a");
  const Answer last = client.read();
  EXPECT_EQ(last.body, "GET b ");
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(SessionTest, AClientThatEndsSendingIsStillAnswered) {
  start();
  Client client(port());
  client.send(request("GET", "/held/a") + request("GET", "/echo/b") + "GET /echo/c HT");
  client.end_sending();
  ASSERT_TRUE(told("start a"));
  release("a");
  EXPECT_EQ(client.read().body, "a");
  EXPECT_EQ(client.read().body, "GET b ");
  EXPECT_TRUE(client.at_end());
  wait_for_connections(0);
}

TEST_F(SessionTest, AHandlerIsToldWhoIsGone) {
  start();
  Client there(port());
  there.send(request("GET", "/held/there"));
  Client shut(port());
  shut.send(request("GET", "/held/shut"));
  shut.end_sending();
  Client reset(port());
  reset.send(request("GET", "/held/reset"));
  for (const char* name : {"there", "shut", "reset"})
    ASSERT_TRUE(told(std::string("start ") + name));
  reset.reset();
  wait_for_connections(2);
  // Its place is another's now.
  Client next(port());
  next.send(request("GET", "/echo/a"));
  EXPECT_EQ(next.read().body, "GET a ");
  settle();
  for (const char* name : {"there", "shut", "reset"}) {
    release(name);
    ASSERT_TRUE(told(std::string("end ") + name));
  }
  std::vector<std::string> gone;
  for (const std::string& line : story())
    if (line.starts_with("gone ")) gone.push_back(line);
  EXPECT_EQ(gone, (std::vector<std::string>{"gone shut", "gone reset"}));
}

// Behind a request that is the last of its connection nothing is taken, and it is seen all the
// same.
TEST_F(SessionTest, WhoIsGoneIsSeenBehindALastRequestToo) {
  start();
  const std::string last = "Connection: close\r\n";
  Client there(port());
  there.send(request("GET", "/held/there", "", last) + "what nobody reads");
  Client shut(port());
  shut.send(request("GET", "/held/shut", "", last));
  Client reset(port());
  reset.send(request("GET", "/held/reset", "", last));
  Client old(port());
  old.send("GET /held/old HTTP/1.0\r\n\r\n");
  for (const char* name : {"there", "shut", "reset", "old"})
    ASSERT_TRUE(told(std::string("start ") + name));
  shut.end_sending();
  reset.reset();
  old.end_sending();
  advance_and_sweep(std::chrono::seconds(1));
  wait_for_connections(3);
  settle();
  for (const char* name : {"there", "shut", "reset", "old"}) {
    release(name);
    ASSERT_TRUE(told(std::string("end ") + name));
  }
  std::vector<std::string> gone;
  for (const std::string& line : story())
    if (line.starts_with("gone ")) gone.push_back(line);
  EXPECT_EQ(gone, (std::vector<std::string>{"gone shut", "gone reset", "gone old"}));
  // Shut for sending is not gone: the answer comes.
  for (Client* const client : {&there, &shut, &old}) {
    EXPECT_EQ(client->read().status, 200);
    EXPECT_TRUE(client->at_end());
  }
}

TEST_F(SessionTest, ContinueIsSentWhenTheHeadIsAcceptedAndInOrder) {
  start();
  Client client(port());
  client.send(request("GET", "/held/a") +
              "PUT /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
              "Expect: 100-continue\r\n\r\n");
  ASSERT_TRUE(told("start a"));
  settle();
  EXPECT_FALSE(client.has_bytes_within(20)) << "an earlier answer is owed";
  release("a");
  EXPECT_EQ(client.read().body, "a");
  EXPECT_EQ(client.read().status, 100);
  client.send("abc");
  EXPECT_EQ(client.read().body, "PUT x abc");
}

TEST_F(SessionTest, ContinueIsNotSentForABodyThatIsNotWanted) {
  limits.body_bytes_max = 10;
  start();
  const struct {
    std::string target;
    int length;
    int status;
  } rows[] = {{"/echo/x", 11, 413}, {"/nothing", 3, 404}, {"/none", 3, 405}};
  for (const auto& row : rows) {
    Client client(port());
    client.send(fmt::format(
        "PUT {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nExpect: 100-Continue\r\n\r\n",
        row.target, row.length));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, row.status);
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_EQ(answer.header("X-By"), "node") << "no handler made it";
    EXPECT_TRUE(client.at_end());
  }
}

TEST_F(SessionTest, WhatNoHandlerAnswersIsStamped) {
  start();
  Client client(port());
  client.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read().header("X-By"), "node");
  client.send("GET /echo/x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read().header("X-By"), "");
  client.send("not a request\r\n\r\n");
  const Answer refused = client.read();
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.header("X-By"), "node");
}

TEST_F(SessionTest, ContinueIsNotSentWhenTheBodyIsThereOrTheClientIsOld) {
  start();
  Client client(port());
  client.send(
      "PUT /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
      "Expect: 100-continue\r\n\r\nabc");
  EXPECT_EQ(client.read().status, 200);
  client.send(
      "PUT /echo/x HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n"
      "Expect: 100-continue\r\n\r\n");
  settle();
  client.send("abc");
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(SessionTest, LargeAnswersArriveWhole) {
  start();
  Client client(port());
  client.send(request("GET", "/big/20000000") + request("GET", "/big/16384") +
              request("GET", "/big/16385") + request("GET", "/echo/x"));
  EXPECT_EQ(client.read().body, std::string(20'000'000, 'b'));
  EXPECT_EQ(client.read().body.size(), 16384u);
  EXPECT_EQ(client.read().body.size(), 16385u);
  EXPECT_EQ(client.read().body, "GET x ");
}

TEST_F(SessionTest, ANewConnectionMayComeAndGoWhileHandlersRun) {
  start();
  {
    Client client(port());
    client.send(request("PUT", "/held/a", "v") + request("PUT", "/held/b", "v") +
                request("GET", "/held/never"));
    ASSERT_TRUE(told("start b"));
    client.reset();
  }
  wait_for_connections(0);
  Client other(port());  // takes the same place
  other.send(request("GET", "/held/c"));
  ASSERT_TRUE(told("start c"));
  release("a");
  release("b");
  release("c");
  EXPECT_EQ(other.read().body, "c");
  EXPECT_THAT(story(), testing::Not(testing::Contains("start never")));
}

TEST_F(SessionTest, DrainingAnswersWhatWasTakenAndCloses) {
  start();
  Client idle(port());
  Client busy(port());
  busy.send(request("PUT", "/held/a", "v") + request("GET", "/held/b"));
  ASSERT_TRUE(told("start a"));
  wait_for_connections(2);
  on_io_thread([this] { connections().drain(); });
  EXPECT_TRUE(idle.at_end());
  busy.try_send(request("GET", "/echo/late"));
  release("a");
  release("b");
  EXPECT_EQ(busy.read().header("Connection"), "");
  const Answer last = busy.read();
  EXPECT_EQ(last.body, "b");
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_TRUE(busy.at_end());
  EXPECT_THAT(story(), testing::Not(testing::Contains("echo late")));
}

}  // namespace
}  // namespace holdfast::http
