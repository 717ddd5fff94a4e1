// The events of a node, followed: going on where its process or its connection ends.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/kv_client.h"
#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

using EventsKind = Step::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string told_text(const std::string& name, const std::string& id, const std::string& data) {
  return fmt::format("event: {}\nid: {}\ndata: {}\n\n", name, id, data);
}
std::string happening(const std::string& id, const std::string& text) {
  return told_text(
      "event", id,
      fmt::format(R"({{"id":"{}","time":"2026-11-29T08:48:57.250Z","node":"n1",)"
                  R"("term":3,"kind":"role","level":"info","text":"{}","fields":{{}}}})",
                  id, text));
}
std::string nothing(const std::string& id) {
  return told_text("progress", id, fmt::format(R"({{"id":"{}"}})", id));
}
std::string stream_of(const std::string& body, size_t more) {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n{}",
      body.size() + more, body);
}

class ClientEvents : public testing::Test {
 protected:
  ReadOutcome<void> follow(const Endpoint& endpoint, size_t enough) {
    KvClient client(
        Caller({.endpoints = {endpoint}, .timeout = std::chrono::seconds(20)}, clock_, Random(1)),
        [](Duration) {});
    return client.follow_events(place_, [&, enough](const NodeEvent* event) {
      if (event == nullptr) {
        ++idle_;
        return true;
      }
      told_.push_back(event->kind + " " + event->text);
      return told_.size() < enough;
    });
  }

  SystemClock clock_;
  EventsPlace place_{.most = 5, .last_id = {}};
  std::vector<std::string> told_;
  size_t idle_ = 0;
};

TEST_F(ClientEvents, GoOnBehindWhatWasTold) {
  ScriptedServer server(
      {{EventsKind::kAnswerAndClose, stream_of(nothing("a-0") + happening("a-1", "x"), 50)},
       {EventsKind::kAnswer, stream_of(nothing("a-1") + happening("a-2", "y"), 0)},
       {EventsKind::kAnswer,
        stream_of(told_text("reset", "b-0",
                            R"({"id":"b-0","time":"2026-11-29T08:48:57.250Z","node":"n1",)"
                            R"("term":4,"reason":"anew","missed":null})") +
                      happening("b-1", "z"),
                  0)}});
  EXPECT_TRUE(follow(server.endpoint(), 4));
  EXPECT_THAT(told_, ElementsAre("role x", "role y", "reset anew", "role z"));
  EXPECT_EQ(idle_, 2U);
  EXPECT_EQ(place_.last_id, "b-1");
  EXPECT_THAT(server.requests().at(0), HasSubstr("GET /v1/events?last=5&timeout="));
  EXPECT_EQ(server.fields("Last-Event-ID"), (std::vector<std::string>{"", "a-1", "a-2"}));
}

TEST_F(ClientEvents, WhatOverflowedIsGoneOnFrom) {
  ScriptedServer server(
      {{EventsKind::kAnswer,
        stream_of(happening("a-1", "x") + told_text("overflow", "a-1", R"({"id":"a-1"})"), 0)},
       {EventsKind::kAnswer, stream_of(happening("a-9", "y"), 0)}});
  EXPECT_TRUE(follow(server.endpoint(), 2));
  EXPECT_EQ(server.fields("Last-Event-ID"), (std::vector<std::string>{"", "a-1"}));
}

TEST_F(ClientEvents, ARefusalEndsThem) {
  ScriptedServer server(
      {{EventsKind::kAnswer, problem_answer(400, "bad_request", "not_applied", false)}});
  EXPECT_EQ(follow(server.endpoint(), 1).error().code, "bad_request");
}

TEST_F(ClientEvents, WhatIsNoEventEndsThem) {
  ScriptedServer server({{EventsKind::kAnswer, stream_of(told_text("event", "a-1", "{}"), 0)}});
  EXPECT_EQ(follow(server.endpoint(), 1).error().code, "bad_answer");
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(place_.last_id, "") << "it was not told";
}

}  // namespace
}  // namespace holdfast
