// GET /v1/events: what its followers are told, where they go on, and what happens to slow ones.

#include <nlohmann/json.hpp>

#include "server/http/body_stream.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using EventStreamPtr = std::shared_ptr<http::BodyStream>;

struct ToldEvent {
  std::string name;
  std::string id;
  json data;
};

std::vector<ToldEvent> told_in(const std::string& text) {
  std::vector<ToldEvent> all;
  std::istringstream lines(text);
  ToldEvent event;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("event: ")) event.name = line.substr(7);
    if (line.starts_with("id: ")) event.id = line.substr(4);
    if (line.starts_with("data: ")) event.data = json::parse(line.substr(6));
    if (line.empty()) all.push_back(std::exchange(event, {}));
  }
  return all;
}

class EventsApi : public ApiTest {
 protected:
  EventStreamPtr follow(const std::string& query = "", const Headers& headers = {}) {
    const http::Response response = call("GET", "/v1/events" + query, "", headers);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.content_type, "text/event-stream");
    EXPECT_EQ(response.header("Cache-Control"), "no-store");
    const std::vector<ToldEvent> told = told_in(response.body);
    EXPECT_EQ(told.size(), 1U);
    first_ = told.at(0);
    return response.stream;
  }
  std::vector<ToldEvent> told(const EventStreamPtr& stream) {
    std::vector<ToldEvent> all;
    while (is_ready(stream)) {
      const Result<std::string> text = next_of(stream);
      EXPECT_TRUE(text) << text.error().message;
      if (!text || text->empty()) break;
      for (ToldEvent& event : told_in(*text)) all.push_back(std::move(event));
    }
    return all;
  }
  std::vector<std::string> texts(const EventStreamPtr& stream) {
    std::vector<std::string> all;
    for (const ToldEvent& event : told(stream))
      all.push_back(event.name == "event" ? event.data.at("text").get<std::string>() : event.name);
    return all;
  }
  void happen(const std::string& text) { events.tell({.kind = EventKind::kRole, .text = text}); }
  static std::string id(uint64_t number) { return "0000000000000abc-" + std::to_string(number); }

  ToldEvent first_;  // what the newest stream was told at once
};

TEST_F(EventsApi, TellsWhatIsKeptAndThenWhatHappens) {
  events.follow({3});
  events.tell({.kind = EventKind::kHandover,
               .level = LogLevel::kWarning,
               .text = "a",
               .fields = {{"to", "n2"}, {"bytes", uint64_t{5}}, {"over", true}}});
  const EventStreamPtr stream = follow();
  EXPECT_EQ(first_.name, "progress");
  EXPECT_EQ(first_.id, id(0));
  EXPECT_EQ(first_.data, json({{"id", id(0)}}));
  const std::vector<ToldEvent> kept = told(stream);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].name, "event");
  EXPECT_EQ(kept[0].id, id(1));
  EXPECT_EQ(kept[0].data,
            json::parse(R"({"id":"0000000000000abc-1","time":"2023-11-14T22:13:20.000Z",
      "node":"n1","term":3,"kind":"handover","level":"warning","text":"a",
      "fields":{"to":"n2","bytes":5,"over":true}})"));
  EXPECT_FALSE(is_ready(stream));
  happen("b");
  happen("c");
  EXPECT_THAT(texts(stream), ElementsAre("b", "c"));
}

TEST_F(EventsApi, BeginsWithAsManyAsAreAskedFor) {
  for (const char* text : {"a", "b", "c"}) happen(text);
  EXPECT_THAT(texts(follow("?last=2")), ElementsAre("b", "c"));
  EXPECT_EQ(first_.id, id(1));
  EXPECT_THAT(texts(follow("?last=1024")), ElementsAre("a", "b", "c"));
  const EventStreamPtr none = follow("?last=0&timeout=2s");
  EXPECT_FALSE(is_ready(none));
  happen("d");
  EXPECT_THAT(texts(none), ElementsAre("d"));
}

TEST_F(EventsApi, GoesOnBehindTheLastId) {
  for (const char* text : {"a", "b", "c"}) happen(text);
  EXPECT_THAT(texts(follow("?last=1", {{"Last-Event-ID", id(1)}})), ElementsAre("b", "c"));
  EXPECT_EQ(first_.name, "progress");
  EXPECT_EQ(first_.id, id(1));
  EXPECT_FALSE(is_ready(follow("", {{"Last-Event-ID", id(3)}})));
}

TEST_F(EventsApi, SaysThatAnIdIsOfAnotherProcess) {
  for (const char* text : {"a", "b"}) happen(text);
  for (const char* other : {"0000000000000abd-1", "0000000000000abc-3"}) {
    EXPECT_THAT(texts(follow("", {{"Last-Event-ID", other}})), ElementsAre("a", "b"));
    EXPECT_EQ(first_.name, "reset");
    EXPECT_EQ(first_.id, id(0));
    EXPECT_THAT(first_.data.at("reason").get<std::string>(), HasSubstr("another process"));
    EXPECT_TRUE(first_.data.at("missed").is_null());
  }
}

TEST_F(EventsApi, SaysHowManyWereMissed) {
  for (size_t i = 0; i < Events::kKeptMax + 10; ++i) happen(std::to_string(i));
  const std::vector<std::string> all = texts(follow("", {{"Last-Event-ID", id(4)}}));
  EXPECT_EQ(first_.name, "reset");
  EXPECT_EQ(first_.id, id(10));
  EXPECT_EQ(first_.data.at("missed"), 6);
  EXPECT_EQ(all.size(), Events::kKeptMax);
  EXPECT_EQ(all.front(), "10");
}

TEST_F(EventsApi, WhoIsTooSlowIsEndedWithOverflow) {
  happen("a");
  const EventStreamPtr stream = follow();
  EXPECT_THAT(texts(stream), ElementsAre("a"));
  for (size_t i = 0; i < Events::kKeptMax; ++i) happen("b");
  // They all are kept still.
  ASSERT_TRUE(is_ready(stream));
  const std::vector<ToldEvent> some = told_in(next_of(stream).value());
  EXPECT_EQ(some.front().id, id(2));
  for (size_t i = 0; i < Events::kKeptMax; ++i) happen("c");
  const std::vector<ToldEvent> end = told(stream);
  ASSERT_EQ(end.size(), 1U);
  EXPECT_EQ(end[0].name, "overflow");
  EXPECT_EQ(end[0].id, some.back().id);
  EXPECT_FALSE(is_ready(stream)) << "it is over";
}

TEST_F(EventsApi, SaysEveryTenSecondsThatThereIsNothing) {
  happen("a");
  const EventStreamPtr stream = follow("?last=0");
  clock.advance(seconds(9));
  EXPECT_FALSE(is_ready(stream));
  clock.advance(seconds(2));
  const std::vector<ToldEvent> progress = told(stream);
  ASSERT_EQ(progress.size(), 1U);
  EXPECT_EQ(progress[0].name, "progress");
  EXPECT_EQ(progress[0].id, id(1));
}

TEST_F(EventsApi, EndsWithTheNode) {
  const EventStreamPtr stream = follow();
  EXPECT_TRUE(stream->is_endless());
  EXPECT_FALSE(is_ready(stream));
  event_readers().end();
  ASSERT_TRUE(is_ready(stream));
  EXPECT_EQ(next_of(stream).value(), "");
  const EventStreamPtr late = follow();
  ASSERT_TRUE(is_ready(late));
  EXPECT_EQ(next_of(late).value(), "");
}

TEST_F(EventsApi, OneThatIsGoneIsNotWoken) {
  EventStreamPtr gone = follow();
  const EventStreamPtr stays = follow();
  EXPECT_FALSE(is_ready(stays));
  gone.reset();
  happen("a");
  EXPECT_THAT(texts(stays), ElementsAre("a"));
}

TEST_F(EventsApi, RefusesWhatItDoesNotTake) {
  for (const char* query : {"?last=1025", "?last=x", "?from=1", "?timeout=0s"})
    EXPECT_EQ(call("GET", std::string("/v1/events") + query).status, 400) << query;
  for (const char* last : {"", "7", "abc-1", "0000000000000abc-", "0000000000000abc-x",
                           "0000000000000abc1", "x000000000000abc-1"})
    EXPECT_EQ(call("GET", "/v1/events", "", {{"Last-Event-ID", last}}).status, 400) << last;
}

TEST_F(EventsApi, HeadFollowsNothing) {
  const http::Response response = call("HEAD", "/v1/events");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.stream, nullptr);
  EXPECT_FALSE(response.says_length);
}

TEST_F(EventsApi, AreCountedByKind) {
  happen("a");
  happen("b");
  EXPECT_THAT(call("GET", "/metrics").body, HasSubstr("holdfast_events_total{kind=\"role\"} 2\n"));
}

}  // namespace
}  // namespace holdfast
