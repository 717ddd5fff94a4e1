// Watches: what they are told, in what order, and what happens to those that are slow or come late.

#include <future>

#include <nlohmann/json.hpp>

#include "server/http/body_stream.h"
#include "storage/base/random.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Stream = std::shared_ptr<http::BodyStream>;

struct Event {
  std::string name;
  uint64_t id = 0;
  json data;
};

std::vector<Event> events_in(const std::string& text) {
  std::vector<Event> events;
  std::istringstream lines(text);
  Event event;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("event: ")) event.name = line.substr(7);
    if (line.starts_with("id: ")) event.id = std::stoull(line.substr(4));
    if (line.starts_with("data: ")) event.data = json::parse(line.substr(6));
    if (line.empty()) events.push_back(std::exchange(event, {}));
  }
  return events;
}

class WatchApi : public ApiTest {
 protected:
  Stream watch(const std::string& query, const Headers& headers = {}) {
    const http::Response response = call("GET", "/v1/watch?" + query, "", headers);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.content_type, "text/event-stream");
    first_ = events_in(response.body);
    return response.stream;
  }
  // All that it has to say now.
  std::vector<Event> events(const Stream& stream) {
    std::vector<Event> all;
    while (is_ready(stream)) {
      const Result<std::string> text = next_of(stream);
      EXPECT_TRUE(text) << text.error().message;
      if (!text || text->empty()) break;
      for (Event& event : events_in(*text)) all.push_back(std::move(event));
    }
    return all;
  }
  // As "revision:key,-deleted".
  std::vector<std::string> changes(const Stream& stream) {
    std::vector<std::string> said;
    for (const Event& event : events(stream)) {
      if (event.name != "change") continue;
      EXPECT_EQ(event.data.at("revision"), event.id);
      std::string line = std::to_string(event.id) + ":";
      for (const json& one : event.data.at("events")) {
        if (!line.ends_with(':')) line += ",";
        line += (one.at("type") == "delete" ? "-" : "") + one.at("key").get<std::string>();
      }
      said.push_back(line);
    }
    return said;
  }
  void put(const std::string& key, const std::string& value = "v") {
    obey({.act = PutCommand{key, value, {}}});
  }
  void remove(const std::string& key) { obey({.act = DeleteCommand{key, {}}}); }

  std::vector<Event> first_;  // what the newest watch was told at once
};

TEST_F(WatchApi, TheFirstEventSaysBehindWhichRevisionNothingIsMissed) {
  put("a");
  put("a");
  watch("prefix=");
  ASSERT_EQ(first_.size(), 1U);
  EXPECT_EQ(first_[0].name, "progress");
  EXPECT_EQ(first_[0].id, 3U);
  EXPECT_EQ(first_[0].data, json({{"revision", 3}}));
  watch("prefix=&from=2");
  EXPECT_EQ(first_[0].id, 1U);
}

TEST_F(WatchApi, TellsOfItsKeysInOrderAndOfNoOthers) {
  const Stream stream = watch("prefix=a");
  EXPECT_FALSE(is_ready(stream));
  put("a1");
  put("b");
  put("a2");
  remove("a1");
  remove("b");
  EXPECT_THAT(changes(stream), ElementsAre("2:a1", "4:a2", "5:-a1"));
  put("b");
  EXPECT_FALSE(is_ready(stream)) << "no key of this watch has changed";
  put("a");
  EXPECT_THAT(changes(stream), ElementsAre("8:a"));
}

TEST_F(WatchApi, OneKeyAndARangeAreWatchedToo) {
  const Stream key = watch("key=b%00");
  const Stream range = watch("start=b&end=c");
  for (const std::string name : {"b", "b\0", "ba", "c"}) put(name);
  put(std::string("b\0", 2));
  EXPECT_THAT(changes(range).size(), 4U);
  const std::vector<Event> of_key = events(key);
  ASSERT_EQ(of_key.size(), 1U);
  EXPECT_EQ(of_key[0].data.at("events").at(0).at("key"), std::string("b\0", 2));
}

TEST_F(WatchApi, ARevisionIsOneEvent) {
  const Stream stream = watch("prefix=a");
  TransactionCommand transaction;
  transaction.then = {PutCommand{"a2", "2", {}}, PutCommand{"b", "x", {}},
                      PutCommand{"a1", "1", {}}};
  obey({.act = transaction});
  obey({.act = DeleteRangeCommand{"a", "c"}});
  EXPECT_THAT(changes(stream), ElementsAre("2:a1,a2", "3:-a1,-a2"));
}

TEST_F(WatchApi, AnEventShowsTheRowAndIfAskedTheOneBefore) {
  const Stream plain = watch("key=k");
  const Stream stream = watch("key=k&prev=true");
  put("k", "one");
  put("k", "tw\xff");
  remove("k");
  const std::vector<Event> all = events(stream);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].data.at("events"), json::parse(R"([{"type":"put","key":"k","value":"one",
      "create_revision":2,"mod_revision":2,"version":1,"prev":null}])"));
  EXPECT_EQ(all[1].data.at("events").at(0).at("value_base64"), "dHf/");
  EXPECT_EQ(all[1].data.at("events").at(0).at("prev").at("value"), "one");
  EXPECT_EQ(all[2].data.at("events"), json::parse(R"([{"type":"delete","key":"k","mod_revision":4,
      "prev":{"value_base64":"dHf/","create_revision":2,"mod_revision":3,"version":2}}])"));
  EXPECT_FALSE(events(plain)[0].data.at("events").at(0).contains("prev"));
}

TEST_F(WatchApi, OnlyPutsOrOnlyDeletes) {
  const Stream puts = watch("prefix=&filter=put");
  const Stream deletes = watch("prefix=&filter=delete");
  put("a");
  EXPECT_FALSE(is_ready(deletes));
  remove("a");
  EXPECT_THAT(changes(puts), ElementsAre("2:a"));
  EXPECT_THAT(changes(deletes), ElementsAre("3:-a"));
}

TEST_F(WatchApi, BeginsInThePastAndGoesOnWithThePresent) {
  for (int i = 0; i < 700; ++i) put("k" + std::to_string(i % 3));
  const Stream stream = watch("key=k1&from=4");
  std::vector<std::string> expected;
  for (int revision = 6; revision <= 701; revision += 3)
    expected.push_back(std::to_string(revision) + ":k1");
  EXPECT_EQ(changes(stream), expected);
  put("k1");
  EXPECT_THAT(changes(stream), ElementsAre("702:k1"));
}

TEST_F(WatchApi, GoesOnBehindTheLastEventThatItsClientHasSeen) {
  for (int i = 0; i < 5; ++i) put("a");
  EXPECT_THAT(changes(watch("key=a&from=2", {{"Last-Event-ID", "4"}})), ElementsAre("5:a", "6:a"));
  EXPECT_THAT(changes(watch("key=a", {{"Last-Event-ID", "6"}})), IsEmpty());
  EXPECT_EQ(first_[0].id, 6U);
}

TEST_F(WatchApi, WaitsForARevisionThatIsStillToCome) {
  const Stream stream = watch("prefix=&from=4");
  for (int i = 0; i < 4; ++i) put("a");
  EXPECT_THAT(changes(stream), ElementsAre("4:a", "5:a"));
}

TEST_F(WatchApi, WhoIsToldNothingForLongIsToldHowFarItIs) {
  const Stream stream = watch("key=a");
  put("b");
  EXPECT_FALSE(is_ready(stream));
  clock.advance(seconds(9));
  EXPECT_FALSE(is_ready(stream));
  clock.advance(seconds(2));
  const std::vector<Event> all = events(stream);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name, "progress");
  EXPECT_EQ(all[0].id, 2U) << "what was behind it is no loss";
  EXPECT_FALSE(is_ready(stream));
  clock.advance(seconds(11));
  EXPECT_EQ(events(stream).size(), 1U);
}

// More than is kept for all in memory: what it missed it reads by itself.
TEST_F(WatchApi, ASlowReaderMissesNothingAndSeesNothingTwice) {
  const Stream slow = watch("key=a");
  const Stream fast = watch("key=a");
  std::vector<std::string> expected;
  for (size_t i = 0; i < Watchers::kRecentMax + 500; ++i) {
    put("a");
    expected.push_back(std::to_string(i + 2) + ":a");
    if (i % 1000 == 0) settle();
  }
  EXPECT_EQ(changes(slow), expected);
  EXPECT_EQ(changes(fast), expected);
  put("a");
  EXPECT_EQ(changes(slow).size(), 1U);
}

TEST_F(WatchApi, LargeEventsComeAsTheClientTakesThem) {
  const Stream stream = watch("prefix=");
  for (int i = 0; i < 30; ++i) put("a", std::string(1 << 20, 'x'));
  ASSERT_TRUE(is_ready(stream));
  const Result<std::string> piece = next_of(stream);
  ASSERT_TRUE(piece);
  EXPECT_LT(piece->size(), 2U << 20);
  EXPECT_EQ(changes(stream).size(), 29U);
}

// One that comes while the feed is being read for others must not rely on what is read for them.
TEST_F(WatchApi, WhoComesWhileTheFeedIsReadMissesNothing) {
  const Stream other = watch("key=other");
  std::promise<void> reading;
  const std::shared_future<void> reads = reading.get_future().share();
  std::promise<void> go_on;
  engine.on_read = [&, done = false]() mutable {
    if (std::exchange(done, true)) return;
    reading.set_value();
    go_on.get_future().wait();
  };
  put("other");
  put("a");
  turn_until([&] { return reads.wait_for(seconds(0)) == std::future_status::ready; });
  const size_t late = begin("GET", "/v1/watch?key=a&from=3");
  turn_until([&] { return answers[late].has_value(); });
  const Stream stream = answers[late]->stream;
  go_on.set_value();
  EXPECT_THAT(changes(stream), ElementsAre("3:a"));
  EXPECT_THAT(changes(other), ElementsAre("2:other"));
}

TEST_F(WatchApi, WhatIsNotKeptIsNotWatched) {
  for (int i = 0; i < 5; ++i) put("a");
  obey({.act = CompactCommand{Revision{4}}});
  const http::Response response = call("GET", "/v1/watch?key=a&from=3");
  EXPECT_EQ(response.status, 410);
  EXPECT_EQ(json_of(response).at("compact_revision"), 4);
  EXPECT_THAT(changes(watch("key=a&from=4")), ElementsAre("4:a", "5:a", "6:a"));
}

TEST_F(WatchApi, WhoIsOvertakenByTheFloorIsToldSoAndEnded) {
  for (int i = 0; i < 5; ++i) put("a");
  const Stream stream = watch("key=a&from=3");
  obey({.act = CompactCommand{Revision{5}}});
  const std::vector<Event> all = events(stream);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name, "overflow");
  EXPECT_EQ(all[0].id, 2U) << "all up to there was told";
  EXPECT_EQ(all[0].data.at("compact_revision"), 5);
  EXPECT_FALSE(is_ready(stream)) << "that was the end";
}

TEST_F(WatchApi, AFloorThatOvertakesWhatIsReadForAllIsNoLossInSilence) {
  const Stream stream = watch("key=a");
  for (int i = 0; i < 3; ++i) put("a");
  obey({.act = CompactCommand{Revision{4}}});
  const std::vector<Event> all = events(stream);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name, "overflow");
  EXPECT_EQ(all[0].id, 1U);
}

// What is read below the floor may be anything.
TEST_F(WatchApi, AFloorThatRisesUnderAReadIsNoLossInSilence) {
  const Stream stream = watch("key=a");
  engine.on_read = [&, done = false]() mutable {
    if (!std::exchange(done, true)) obey({.act = CompactCommand{Revision{3}}});
  };
  put("a");
  put("a");
  const std::vector<Event> all = events(stream);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name, "overflow");
}

TEST_F(WatchApi, WhatTheStorageCannotReadEndsTheWatchAndIsNotPassedOver) {
  const Stream stream = watch("key=a");
  engine.fails = true;
  put("a");
  EXPECT_TRUE(is_ready(stream));
  EXPECT_FALSE(next_of(stream));
  EXPECT_EQ(watchers().size(), 0U) << "nobody has the feed read once more";
  engine.fails = false;
  EXPECT_THAT(changes(watch("key=a", {{"Last-Event-ID", "1"}})), ElementsAre("2:a"));
}

TEST_F(WatchApi, AnIdleWatchIsNotOvertaken) {
  const Stream stream = watch("key=a");
  for (int i = 0; i < 50; ++i) put("b");
  settle();
  obey({.act = CompactCommand{Revision{51}}});
  put("a");
  EXPECT_THAT(changes(stream), ElementsAre("52:a"));
}

TEST_F(WatchApi, ANodeThatStopsEndsItsWatches) {
  const Stream stream = watch("key=a");
  EXPECT_FALSE(is_ready(stream));
  watchers().end();
  EXPECT_TRUE(is_ready(stream));
  EXPECT_EQ(next_of(stream).value(), "");
  EXPECT_TRUE(is_ready(watch("key=a")));
}

TEST_F(WatchApi, NobodyIsLeftBehindWhenWatchesEnd) {
  for (int i = 0; i < 10; ++i) {
    const Stream stream = watch("prefix=&prev=true");
    put("a");
    const size_t told = i % 2 == 0 ? changes(stream).size() : 1;
    EXPECT_EQ(told, 1U);
  }
  answers.clear();
  put("a");  // who waited for it is gone
  settle();
  EXPECT_EQ(watchers().size(), 0U);
}

TEST_F(WatchApi, HeadBeginsNone) {
  const http::Response response = call("HEAD", "/v1/watch?key=a");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.stream, nullptr);
  EXPECT_EQ(watchers().size(), 0U);
}

TEST_F(WatchApi, WhatIsWrongIsNamed) {
  for (const auto& [query, words] : {std::pair{"key=a&prefix=b", "not both"},
                                     {"key=", "empty"},
                                     {"key=a&from=0", "'from'"},
                                     {"key=a&from=x", "'from'"},
                                     {"key=a&filter=get", "'filter'"},
                                     {"key=a&revision=2", "'from', not"},
                                     {"key=a&prev=1", "'prev'"},
                                     {"key=a&keys_only=true", "keys_only"}}) {
    const http::Response response = call("GET", std::string("/v1/watch?") + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_THAT(response.body, HasSubstr(words)) << query;
  }
  EXPECT_EQ(call("GET", "/v1/watch?key=a", "", {{"Last-Event-ID", "x"}}).status, 400);
  refuses = raft::RefusalReason::kNoLeader;
  EXPECT_EQ(call("GET", "/v1/watch?key=a").status, 503);
  EXPECT_EQ(call("GET", "/v1/watch?key=a&consistency=local").status, 200);
}

// Watches of every kind that come, read and go at random: each is told exactly what the feed holds.
TEST_F(WatchApi, EachSeesExactlyItsPartOfTheFeed) {
  struct Seen {
    Stream stream;
    uint64_t from;
    std::string start;
    std::string end;
    std::vector<std::string> told;
  };
  Random random(1);
  std::vector<Seen> watches;
  std::vector<std::string> feed;  // by revision, from 2 on
  const auto read = [&](Seen& seen) {
    for (std::string& line : changes(seen.stream)) seen.told.push_back(std::move(line));
  };
  for (int round = 0; round < 400; ++round) {
    for (uint64_t i = random.below(8); i > 0; --i) {
      const std::string key(1, static_cast<char>('a' + random.below(4)));
      put(key);
      feed.push_back(key);
    }
    const uint64_t newest = feed.size() + 1;
    if (random.chance(0.2)) {
      const std::string start(1, static_cast<char>('a' + random.below(4)));
      const std::string end(
          1, static_cast<char>(static_cast<uint64_t>(start[0]) + 1 + random.below(2)));
      const uint64_t from = random.between(newest / 2 + 1, newest + 3);
      watches.push_back({watch("start=" + start + "&end=" + end + "&from=" + std::to_string(from)),
                         from,
                         start,
                         end,
                         {}});
    }
    if (!watches.empty() && random.chance(0.5)) read(watches[random.below(watches.size())]);
  }
  for (Seen& seen : watches) {
    read(seen);
    std::vector<std::string> expected;
    for (uint64_t revision = seen.from; revision <= feed.size() + 1; ++revision) {
      const std::string& key = feed[revision - 2];
      if (key >= seen.start && key < seen.end)
        expected.push_back(std::to_string(revision) + ":" + key);
    }
    ASSERT_EQ(seen.told, expected);
  }
}

}  // namespace
}  // namespace holdfast
