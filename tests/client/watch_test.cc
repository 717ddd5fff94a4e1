// Watches of the client: events in pieces of any size, and going on where a connection ends.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/event_stream.h"
#include "client/kv_client.h"
#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

using Kind = Step::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string event(const std::string& name, uint64_t id, const std::string& data) {
  return fmt::format("event: {}\nid: {}\ndata: {}\n\n", name, id, data);
}
std::string progress(uint64_t id) {
  return event("progress", id, fmt::format("{{\"revision\":{}}}", id));
}
std::string put_of(uint64_t id) {
  return event("change", id,
               fmt::format("{{\"revision\":{},\"events\":[{{\"type\":\"put\",\"key\":\"k{}\","
                           "\"value_base64\":\"/w==\",\"mod_revision\":{}}}]}}",
                           id, id, id));
}
// A body that ends before what was announced, or does not.
std::string begun(const std::string& body, size_t more) {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n{}",
      body.size() + more, body);
}

TEST(EventStream, EventsAreWholeHoweverTheirBytesCome) {
  const std::string text = ": comment\r\n" + progress(3) + put_of(4) + "data:x\n\n" + "data: half";
  for (size_t size = 1; size <= text.size(); ++size) {
    EventStream stream;
    std::vector<StreamEvent> events;
    for (size_t at = 0; at < text.size(); at += size)
      for (StreamEvent& one : stream.take(std::string_view(text).substr(at, size)))
        events.push_back(std::move(one));
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[0].name, "progress");
    EXPECT_EQ(events[0].id, "3");
    EXPECT_EQ(events[1].name, "change");
    EXPECT_THAT(events[1].data, HasSubstr("\"k4\""));
    EXPECT_EQ(events[2].data, "x");
    EXPECT_EQ(events[2].name, "");
  }
}

class ClientWatch : public testing::Test {
 protected:
  ReadOutcome<void> watch(std::vector<Endpoint> endpoints, size_t enough) {
    KvClient client(Caller({.endpoints = std::move(endpoints), .timeout = std::chrono::seconds(20)},
                           clock_, Random(1)),
                    [](Duration) {});
    return client.watch({.prefix = "k"}, [&, enough](const WatchedRevision& change) {
      told_.push_back(change.revision);
      values_ += change.events.at(0).value;
      return told_.size() < enough;
    });
  }

  SystemClock clock_;
  std::vector<uint64_t> told_;
  std::string values_;
};

TEST_F(ClientWatch, GoesOnBehindWhatItWasTold) {
  ScriptedServer server({{Kind::kAnswerAndClose, begun(progress(2) + put_of(3), 50)},  // cut off
                         {Kind::kAnswer, begun(progress(3) + put_of(5) + progress(9), 0)},  // ended
                         {Kind::kAnswer, begun(progress(9) + put_of(10), 0)}});
  EXPECT_TRUE(watch({server.endpoint()}, 3));
  EXPECT_THAT(told_, ElementsAre(3, 5, 10));
  EXPECT_EQ(values_, "\xff\xff\xff");
  EXPECT_THAT(server.requests().at(0), HasSubstr("GET /v1/watch?prefix=k&timeout="));
  EXPECT_EQ(server.fields("Last-Event-ID"), (std::vector<std::string>{"", "3", "9"}));
}

TEST_F(ClientWatch, AnotherNodeGoesOn) {
  ScriptedServer one({{Kind::kAnswerAndClose, begun(progress(2) + put_of(3), 50)}});
  ScriptedServer two({{Kind::kAnswer, begun(progress(3) + put_of(4), 0)}});
  EXPECT_TRUE(watch({one.endpoint(), two.endpoint()}, 2));
  EXPECT_THAT(told_, ElementsAre(3, 4));
}

TEST_F(ClientWatch, WhatIsNotKeptAnyMoreEndsIt) {
  ScriptedServer server(
      {{Kind::kAnswer, begun(progress(2) + event("overflow", 2, R"({"revision":2})"), 0)}});
  const ReadOutcome<void> outcome = watch({server.endpoint()}, 1);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "compacted");
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ClientWatch, ARefusalEndsIt) {
  ScriptedServer server(
      {{Kind::kAnswer, problem_answer(400, "bad_request", "not_applied", false)}});
  EXPECT_EQ(watch({server.endpoint()}, 1).error().code, "bad_request");
}

TEST_F(ClientWatch, WhatIsNoEventEndsIt) {
  ScriptedServer server({{Kind::kAnswer, begun(progress(2) + event("change", 3, "{}"), 0)}});
  EXPECT_EQ(watch({server.endpoint()}, 1).error().code, "bad_answer");
}

}  // namespace
}  // namespace holdfast
