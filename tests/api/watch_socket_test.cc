// Many watches on one connection: what each is told, what messages may say, and that none of them
// costs another.

#include "server/api/watch_socket.h"

#include <future>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "storage/base/random.h"
#include "tests/api/api_fixture.h"
#include "tests/http/frames_fixture.h"

namespace holdfast {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Socket = std::shared_ptr<http::Conversation>;

const Headers kHandshake = {{"Host", "a"},
                            {"Connection", "Upgrade"},
                            {"Upgrade", "websocket"},
                            {"Sec-WebSocket-Version", "13"},
                            {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};

std::vector<json> messages_in(std::string_view frames) {
  std::vector<json> messages;
  while (!frames.empty()) {
    const http::SentFrame frame = http::sent_frame(frames);
    EXPECT_EQ(frame.opcode, 1);
    messages.push_back(json::parse(frame.payload));
    frames.remove_prefix(std::min(frames.size(), http::size_of_sent(frames)));
  }
  return messages;
}

class WatchSocketApi : public ApiTest {
 protected:
  // As connections do in the end.
  ~WatchSocketApi() override {
    for (const Socket& socket : open_) socket->hang_up();
  }

  Socket open() {
    const http::Response response = call("GET", "/v1/watch", "", kHandshake);
    EXPECT_EQ(response.status, 101) << response.body;
    open_.push_back(response.conversation);
    return response.conversation;
  }
  // One piece of what it has to say now.
  std::vector<json> piece(const Socket& socket) {
    const Result<std::string> text = next_of(socket);
    EXPECT_TRUE(text) << text.error().message;
    return messages_in(text.value_or(""));
  }
  // All of it.
  std::vector<json> heard(const Socket& socket) {
    std::vector<json> all;
    while (is_ready(socket)) {
      for (json& message : piece(socket)) all.push_back(std::move(message));
    }
    return all;
  }
  // All of it in short, as "w1 7:key,-deleted", "w1 progress 6" or "w1 error conflict".
  std::vector<std::string> told(const Socket& socket) {
    std::vector<std::string> lines;
    for (const json& message : heard(socket)) lines.push_back(in_short(message));
    return lines;
  }
  static std::string in_short(const json& message) {
    EXPECT_EQ(message.size(), 2U) << message;
    const bool has_id = !message.at("id").is_null();
    const std::string id = has_id ? message.at("id").get<std::string>() : "?";
    if (message.contains("error"))
      return fmt::format("{} error {}", id, message.at("error").at("code").get<std::string>());
    for (const char* const kind : {"progress", "overflow", "cancelled"}) {
      if (!message.contains(kind)) continue;
      return fmt::format("{} {} {}", id, kind, message.at(kind).value("revision", 0));
    }
    const json& change = message.at("change");
    std::string line = fmt::format("{} {}:", id, change.at("revision").get<int>());
    for (const json& one : change.at("events")) {
      if (!line.ends_with(':')) line += ",";
      line += (one.at("type") == "delete" ? "-" : "") + one.at("key").get<std::string>();
    }
    return line;
  }
  std::vector<std::string> changes(const Socket& socket) {
    std::vector<std::string> lines = told(socket);
    std::erase_if(lines, [](const std::string& line) { return line.contains("progress"); });
    return lines;
  }
  void watch(const Socket& socket, const std::string& id, json fields = json::object()) {
    fields["id"] = id;
    socket->hear(json{{"watch", std::move(fields)}}.dump());
  }
  void cancel(const Socket& socket, const std::string& id) {
    socket->hear(json{{"cancel", {{"id", id}}}}.dump());
  }
  void put(const std::string& key, const std::string& value = "v") {
    obey({.act = PutCommand{key, value, {}}});
  }
  void remove(const std::string& key) { obey({.act = DeleteCommand{key, {}}}); }

 private:
  std::vector<Socket> open_;
};

TEST_F(WatchSocketApi, AHandshakeOpensIt) {
  const http::Response response = call("GET", "/v1/watch", "", kHandshake);
  EXPECT_EQ(response.status, 101);
  EXPECT_EQ(response.header("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(response.header("Holdfast-Node"), "n1");
  EXPECT_NE(response.conversation, nullptr);
}

TEST_F(WatchSocketApi, WhatIsNoHandshakeOpensNone) {
  EXPECT_EQ(call("HEAD", "/v1/watch", "", kHandshake).status, 426);
  EXPECT_EQ(call("GET", "/v1/watch?key=a", "", kHandshake).status, 400);
  EXPECT_EQ(call("GET", "/v1/watch?key=a", "", {{"Upgrade", "h2c"}}).content_type,
            "text/event-stream");
  Headers foreign = kHandshake;
  foreign.emplace_back("Origin", "http://elsewhere.example");
  const http::Response refused = call("GET", "/v1/watch", "", foreign);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(code_of(refused), "forbidden");
  EXPECT_EQ(refused.conversation, nullptr);
  const http::Response without_version =
      call("GET", "/v1/watch", "", {{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}});
  EXPECT_EQ(without_version.status, 426);
  EXPECT_EQ(without_version.header("Sec-WebSocket-Version"), "13");
}

TEST_F(WatchSocketApi, EachWatchIsToldOfItsKeysUnderItsId) {
  const Socket socket = open();
  EXPECT_FALSE(is_ready(socket)) << "nothing was asked";
  watch(socket, "w1", {{"prefix", "a"}});
  watch(socket, "w2", {{"key", "b"}});
  watch(socket, "w3", {{"start", "a2"}, {"end", "c"}});
  EXPECT_THAT(told(socket), ElementsAre("w1 progress 1", "w2 progress 1", "w3 progress 1"));
  put("a1");
  put("b");
  remove("a1");
  put("x");
  EXPECT_THAT(told(socket),
              testing::UnorderedElementsAre("w1 2:a1", "w1 4:-a1", "w2 3:b", "w3 3:b"));
  EXPECT_FALSE(is_ready(socket));
}

TEST_F(WatchSocketApi, AChangeHasWhatAnEventOfTheOtherFormHas) {
  put("k", "one");
  const Socket socket = open();
  watch(socket, "ü\"", {{"key_base64", "aw=="}, {"from", 2}, {"prev", true}});
  const std::vector<json> all = heard(socket);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0], json::parse(R"({"id":"ü\"","progress":{"revision":1}})"));
  EXPECT_EQ(all[1], json::parse(R"({"id":"ü\"","change":{"revision":2,"events":[{"type":"put",
      "key":"k","value":"one","create_revision":2,"mod_revision":2,"version":1,"prev":null}]}})"));
}

TEST_F(WatchSocketApi, TakesWhatTheOtherFormTakes) {
  for (int i = 0; i < 3; ++i) put("a");
  remove("a");
  const Socket socket = open();
  watch(socket, "puts", {{"filter", "put"}, {"from", 3}});
  watch(socket, "deletes", {{"filter", "delete"}, {"from", 3}});
  watch(socket, "later", {{"min_revision", 5}, {"timeout", "2s"}});
  EXPECT_THAT(told(socket),
              testing::IsSupersetOf({"puts 3:a", "puts 4:a", "deletes 5:-a", "later progress 5"}));
  refuses = raft::RefusalReason::kNoLeader;
  watch(socket, "agreed");
  watch(socket, "local", {{"consistency", "local"}});
  EXPECT_THAT(told(socket),
              testing::UnorderedElementsAre("agreed error no_leader", "local progress 5"));
  watch(socket, "agreed", {{"consistency", "local"}});
  EXPECT_THAT(told(socket), ElementsAre("agreed progress 5")) << "the id is free again";
}

TEST_F(WatchSocketApi, ABadMessageIsAnsweredAndTheRestGoesOn) {
  const Socket socket = open();
  watch(socket, "good", {{"key", "a"}});
  told(socket);
  for (const auto& [message, id, words] :
       {std::tuple{"", "?", "no JSON"},
        {"{", "?", "the message: it is no JSON"},
        {"[]", "?", "a message is"},
        {"{}", "?", "a message is"},
        {R"({"watch":{"id":"x"},"cancel":{"id":"x"}})", "?", "a message is"},
        {R"({"watch":{"id":"x"},"watch":{"id":"y"}})", "?", "twice"},
        {R"({"watch":3})", "?", "watch: it must be a JSON object"},
        {R"({"watch":{}})", "?", "watch.id"},
        {R"({"watch":{"id":7}})", "?", "watch.id"},
        {R"({"watch":{"id":""}})", "?", "watch.id"},
        {R"({"watch":{"id":"x","key":"a","prefix":"b"}})", "x", "not both"},
        {R"({"watch":{"id":"x","key":"a","key_base64":"YQ=="}})", "x", "watch.key"},
        {R"({"watch":{"id":"x","key":""}})", "x", "empty"},
        {R"({"watch":{"id":"x","from":0}})", "x", "'from'"},
        {R"({"watch":{"id":"x","from":"3"}})", "x", "watch.from"},
        {R"({"watch":{"id":"x","prev":1}})", "x", "watch.prev"},
        {R"({"watch":{"id":"x","filter":"get"}})", "x", "'filter'"},
        {R"({"watch":{"id":"x","consistency":"some"}})", "x", "'consistency'"},
        {R"({"watch":{"id":"x","revision":4}})", "x", "watch.revision"},
        {R"({"cancel":{"id":"x","key":"a"}})", "x", "cancel.key"}}) {
    SCOPED_TRACE(message);
    socket->hear(message);
    const std::vector<json> said = heard(socket);
    ASSERT_EQ(said.size(), 1U);
    EXPECT_EQ(in_short(said[0]), fmt::format("{} error bad_request", id));
    EXPECT_THAT(said[0].at("error").at("detail").get<std::string>(), HasSubstr(words));
    EXPECT_EQ(said[0].at("error").at("status"), 400);
  }
  socket->hear(json{{"watch", {{"id", std::string(129, 'i')}}}}.dump());
  socket->hear(json{{"watch", {{"id", "x"}, {"key", std::string(4097, 'k')}}}}.dump());
  EXPECT_THAT(told(socket), ElementsAre("? error bad_request", "x error key_too_large"));
  put("a");
  EXPECT_THAT(told(socket), ElementsAre("good 2:a"));
  EXPECT_EQ(watchers().size(), 1U);
}

TEST_F(WatchSocketApi, AnIdIsOfOneWatchAtATime) {
  const Socket socket = open();
  watch(socket, "w", {{"key", "a"}});
  watch(socket, "w", {{"key", "b"}});
  EXPECT_THAT(told(socket), ElementsAre("w error conflict", "w progress 1"));
  watch(socket, "w", {{"key", "b"}});
  cancel(socket, "v");
  EXPECT_THAT(told(socket), ElementsAre("w error conflict", "v error not_found"));
  put("a");
  put("b");
  EXPECT_THAT(told(socket), ElementsAre("w 2:a")) << "it goes on as it was";
}

TEST_F(WatchSocketApi, ACancelledWatchIsToldNothingMoreAndResumesBehindWhatItWasTold) {
  const Socket socket = open();
  watch(socket, "w", {{"key", "a"}});
  told(socket);
  put("a");
  EXPECT_THAT(told(socket), ElementsAre("w 2:a"));
  put("a");
  settle();
  cancel(socket, "w");
  put("a");
  EXPECT_THAT(told(socket), ElementsAre("w cancelled 2"));
  EXPECT_EQ(watchers().size(), 0U);
  cancel(socket, "w");
  watch(socket, "w", {{"key", "a"}, {"from", 3}});
  EXPECT_THAT(told(socket), ElementsAre("w error not_found", "w progress 2", "w 3:a", "w 4:a"));
}

TEST_F(WatchSocketApi, AWatchMayBeCancelledBeforeItHasBegun) {
  const Socket socket = open();
  watch(socket, "w", {{"key", "a"}});
  cancel(socket, "w");
  cancel(socket, "w");
  EXPECT_THAT(told(socket), ElementsAre("w error not_found", "w cancelled 0"));
  EXPECT_EQ(watchers().size(), 0U);
  watch(socket, "w", {{"key", "a"}});
  EXPECT_THAT(told(socket), ElementsAre("w progress 1"));
}

// What was being read for it is not told, and where it stood is.
TEST_F(WatchSocketApi, AWatchMayBeCancelledWhileTheFeedIsReadForIt) {
  put("a");
  const Socket socket = open();
  watch(socket, "w", {{"key", "a"}, {"from", 2}});
  settle();
  EXPECT_EQ(in_short(piece(socket).at(0)), "w progress 1");
  std::promise<void> go_on;
  std::promise<void> begun;
  engine.on_read = [&, done = false]() mutable {
    if (std::exchange(done, true)) return;
    begun.set_value();
    go_on.get_future().wait();
  };
  ASSERT_TRUE(is_ready(socket));
  const auto reads = std::make_shared<Piece>();
  ask_for(socket, reads);
  turn_until([&, is_begun = begun.get_future().share()] {
    return is_begun.wait_for(seconds(0)) == std::future_status::ready;
  });
  cancel(socket, "w");
  watch(socket, "w", {{"key", "b"}});
  go_on.set_value();
  turn_until([&] { return reads->has_value(); });
  std::vector<std::string> lines;
  for (const json& message : messages_in(reads->value().value()))
    lines.push_back(in_short(message));
  for (std::string& line : told(socket)) lines.push_back(std::move(line));
  EXPECT_THAT(lines, ElementsAre("w cancelled 1", "w progress 2"));
  EXPECT_EQ(watchers().size(), 1U);
}

TEST_F(WatchSocketApi, WhoHangsUpWhileTheFeedIsReadLeavesNothing) {
  put("a");
  const Socket socket = open();
  watch(socket, "w", {{"key", "a"}, {"from", 2}});
  watch(socket, "other");
  settle();
  piece(socket);
  std::promise<void> go_on;
  std::promise<void> begun;
  engine.on_read = [&, done = false]() mutable {
    if (std::exchange(done, true)) return;
    begun.set_value();
    go_on.get_future().wait();
  };
  const auto reads = std::make_shared<Piece>();
  ask_for(socket, reads);
  turn_until([&, is_begun = begun.get_future().share()] {
    return is_begun.wait_for(seconds(0)) == std::future_status::ready;
  });
  socket->hang_up();
  EXPECT_EQ(watchers().size(), 1U) << "the one that is read for";
  go_on.set_value();
  turn_until([&] { return reads->has_value(); });
  EXPECT_EQ(watchers().size(), 0U);
  watch(socket, "late");
  EXPECT_FALSE(is_ready(socket));
}

TEST_F(WatchSocketApi, WhatIsNotKeptIsRefusedAndWhoIsOvertakenIsEndedAlone) {
  for (int i = 0; i < 5; ++i) put("a");
  const Socket socket = open();
  watch(socket, "slow", {{"key", "a"}, {"from", 3}});
  watch(socket, "live", {{"key", "a"}});
  settle();
  EXPECT_EQ(piece(socket).size(), 2U) << "both have begun, and nothing was read";
  obey({.act = CompactCommand{Revision{5}}});
  const std::vector<json> all = heard(socket);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0], json::parse(R"({"id":"slow","overflow":{"revision":2,"compact_revision":5}})"));
  watch(socket, "slow", {{"key", "a"}, {"from", 4}});
  const std::vector<json> refused = heard(socket);
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(in_short(refused[0]), "slow error compacted");
  EXPECT_EQ(refused[0].at("error").at("compact_revision"), 5);
  watch(socket, "slow", {{"key", "a"}, {"from", 6}});
  put("a");
  EXPECT_THAT(changes(socket), testing::UnorderedElementsAre("slow 6:a", "slow 7:a", "live 7:a"));
}

TEST_F(WatchSocketApi, EachThatIsToldNothingForLongIsToldHowFarItIs) {
  const Socket socket = open();
  watch(socket, "w1", {{"key", "a"}});
  watch(socket, "w2", {{"key", "b"}});
  told(socket);
  put("x");
  settle();
  clock.advance(seconds(11));
  EXPECT_THAT(told(socket), ElementsAre("w1 progress 2", "w2 progress 2"));
  EXPECT_FALSE(is_ready(socket));
}

// One that must go through a long feed for a rare key gives each other its turn.
TEST_F(WatchSocketApi, AWatchThatReadsBackDoesNotHoldUpAnother) {
  for (int i = 0; i < 3000; ++i) put("noise");
  put("rare");
  const Socket socket = open();
  watch(socket, "back", {{"key", "rare"}, {"from", 2}});
  watch(socket, "live", {{"key", "live"}});
  settle();
  EXPECT_EQ(piece(socket).size(), 2U);
  put("live");
  settle();
  std::vector<std::string> lines;
  for (int pieces = 1; lines.size() < 2 && pieces < 100; ++pieces) {
    for (const json& message : piece(socket)) lines.push_back(in_short(message));
    if (pieces == 2) {
      EXPECT_THAT(lines, ElementsAre("live 3003:live"));
    }
  }
  EXPECT_THAT(lines, ElementsAre("live 3003:live", "back 3002:rare"));
}

TEST_F(WatchSocketApi, ManyThatHaveMuchToTellTakeTurns) {
  const Socket socket = open();
  for (const char* const id : {"w1", "w2", "w3"}) watch(socket, id, {{"key", "a"}});
  told(socket);
  for (int i = 0; i < 8; ++i) put("a", std::string(100'000, 'x'));
  settle();
  ASSERT_TRUE(is_ready(socket));
  std::map<std::string, int> changes;
  for (int i = 0; i < 3; ++i) {
    for (const json& message : piece(socket)) ++changes[message.at("id")];
  }
  EXPECT_EQ(changes.size(), 3U) << "none is told all before another is told some";
  for (const auto& [id, count] : changes) EXPECT_LT(count, 8) << id;
}

TEST_F(WatchSocketApi, ASlowClientMissesNothingAndSeesNothingTwice) {
  const Socket socket = open();
  watch(socket, "w", {{"key", "a"}});
  told(socket);
  std::vector<std::string> expected;
  for (size_t i = 0; i < Watchers::kRecentMax + 500; ++i) {
    put("a");
    expected.push_back(fmt::format("w {}:a", i + 2));
    if (i % 1000 == 0) settle();
  }
  EXPECT_EQ(changes(socket), expected);
}

TEST_F(WatchSocketApi, AConnectionHasSoManyWatchesAndNoMore) {
  const Socket socket = open();
  for (size_t i = 0; i < WatchSocket::kWatchesMax; ++i) {
    if (socket->is_full()) told(socket);
    watch(socket, std::to_string(i), {{"key", std::to_string(i)}});
  }
  told(socket);
  watch(socket, "more");
  const std::vector<json> refused = heard(socket);
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(in_short(refused[0]), "more error too_many_requests");
  EXPECT_EQ(refused[0].at("error").at("limit"), WatchSocket::kWatchesMax);
  cancel(socket, "0");
  watch(socket, "more");
  EXPECT_THAT(told(socket), ElementsAre("0 cancelled 1", "more progress 1"));
}

TEST_F(WatchSocketApi, WhoAsksFasterThanItIsAnsweredIsReadNoMore) {
  const Socket socket = open();
  size_t begun = 0;
  while (!socket->is_full() && begun < 1000) watch(socket, std::to_string(begun++));
  EXPECT_EQ(begun, WatchSocket::kBeginningMax);
  told(socket);
  EXPECT_FALSE(socket->is_full());
  size_t refused = 0;
  while (!socket->is_full() && refused < 10'000) cancel(socket, fmt::format("none{}", refused++));
  EXPECT_LT(refused, 1000U);
  EXPECT_EQ(told(socket).size(), refused);
  EXPECT_FALSE(socket->is_full());
}

TEST_F(WatchSocketApi, ANodeHasSoManyWatchesAndNoMore) {
  const std::string start(4096, 'a');
  const std::string end(4096, 'b');
  std::vector<Socket> sockets;
  size_t count = 0;
  while (!watchers().is_full() && count < 10'000) {
    if (count++ % WatchSocket::kWatchesMax == 0) sockets.push_back(open());
    watch(sockets.back(), std::to_string(count), {{"start", start}, {"end", end}});
    if (sockets.back()->is_full()) told(sockets.back());
    if (count % 4096 == 0) told(sockets.back());
  }
  EXPECT_EQ(watchers().size() * (start.size() + end.size()), Watchers::kRangeBytesMax);
  told(sockets.back());
  watch(sockets.back(), "more");
  EXPECT_THAT(told(sockets.back()), ElementsAre("more error overloaded"));
  EXPECT_EQ(call("GET", "/v1/watch?key=a").status, 503);
  sockets.front()->hang_up();
  watch(sockets.back(), "more");
  EXPECT_THAT(told(sockets.back()), ElementsAre("more progress 1"));
}

TEST_F(WatchSocketApi, WhatTheStorageCannotReadEndsTheConnection) {
  const Socket socket = open();
  const Socket other = open();
  for (const Socket& each : {socket, other}) {
    watch(each, "w1", {{"key", "a"}});
    watch(each, "w2", {{"key", "a"}});
    told(each);
  }
  engine.fails = true;
  put("a");
  EXPECT_TRUE(is_ready(socket));
  EXPECT_FALSE(next_of(socket));
  socket->hang_up();
  EXPECT_TRUE(is_ready(other));
  EXPECT_FALSE(next_of(other));
  EXPECT_EQ(watchers().size(), 0U);
}

TEST_F(WatchSocketApi, ANodeThatStopsEndsIt) {
  const Socket socket = open();
  watch(socket, "w", {{"key", "a"}});
  told(socket);
  EXPECT_FALSE(is_ready(socket));
  watchers().end();
  EXPECT_TRUE(is_ready(socket));
  EXPECT_THAT(piece(socket), IsEmpty());
  EXPECT_FALSE(is_ready(socket)) << "that was the end";
}

// Watches of every kind that come, go and come back at random, on several connections that are read
// at random: each is told exactly what the feed holds.
TEST_F(WatchSocketApi, EachSeesExactlyItsPartOfTheFeed) {
  struct Seen {
    size_t socket;
    uint64_t from;
    std::string start;
    std::string end;
    bool goes_on = true;
    uint64_t told_upto = 0;
    std::vector<std::string> told = {};
  };
  Random random(1);
  std::vector<Socket> sockets;
  for (int i = 0; i < 3; ++i) sockets.push_back(open());
  std::map<std::string, Seen> watches;  // by id, which is one of all
  std::vector<std::string> feed;        // by revision, from 2 on
  size_t next_id = 0;
  const auto begin = [&](Seen seen) {
    const std::string id = fmt::format("w{}", next_id++);
    watch(sockets[seen.socket], id,
          {{"start", seen.start}, {"end", seen.end}, {"from", seen.from}});
    watches.emplace(id, std::move(seen));
  };
  const auto read = [&](size_t socket) {
    for (const json& message : heard(sockets[socket])) {
      Seen& seen = watches.at(message.at("id"));
      ASSERT_TRUE(seen.goes_on) << message;
      if (message.contains("cancelled")) {
        seen.goes_on = false;
        seen.told_upto = message.at("cancelled").value("revision", seen.from - 1);
      } else if (message.contains("change")) {
        const json& change = message.at("change");
        ASSERT_EQ(change.at("events").size(), 1U);
        seen.told.push_back(fmt::format("{}:{}", change.at("revision").get<uint64_t>(),
                                        change.at("events").at(0).at("key").get<std::string>()));
      }
    }
  };
  for (int round = 0; round < 400; ++round) {
    for (uint64_t i = random.below(8); i > 0; --i) {
      const std::string key(1, static_cast<char>('a' + random.below(4)));
      put(key);
      feed.push_back(key);
    }
    const uint64_t newest = feed.size() + 1;
    if (random.chance(0.3)) {
      const char start = static_cast<char>('a' + random.below(4));
      const char end = static_cast<char>(static_cast<uint64_t>(start) + 1 + random.below(2));
      begin({random.below(sockets.size()), random.between(newest / 2 + 1, newest + 3),
             std::string(1, start), std::string(1, end)});
    }
    if (next_id > 0 && random.chance(0.2)) {
      const std::string id = fmt::format("w{}", random.below(next_id));
      const Seen& seen = watches.at(id);
      if (seen.goes_on) {
        cancel(sockets[seen.socket], id);
        read(seen.socket);
        ASSERT_FALSE(seen.goes_on);
        begin({random.below(sockets.size()), seen.told_upto + 1, seen.start, seen.end});
      }
    }
    if (random.chance(0.5)) read(random.below(sockets.size()));
  }
  for (size_t i = 0; i < sockets.size(); ++i) read(i);
  for (const auto& [id, seen] : watches) {
    const uint64_t last = seen.goes_on ? feed.size() + 1 : seen.told_upto;
    std::vector<std::string> expected;
    for (uint64_t revision = seen.from; revision <= last; ++revision) {
      const std::string& key = feed[revision - 2];
      if (key >= seen.start && key < seen.end)
        expected.push_back(fmt::format("{}:{}", revision, key));
    }
    ASSERT_EQ(seen.told, expected) << id;
  }
}

}  // namespace
}  // namespace holdfast
