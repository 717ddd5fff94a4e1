// The past over HTTP: revisions, times, versions, what is kept, and what happens when it goes.

#include <nlohmann/json.hpp>

#include "storage/base/text.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class PastApiTest : public ApiTest {
 protected:
  // Revision 2 on, a second apart; revision r is made at second r of the fixture's day.
  void put_versions(int count) {
    for (int i = 0; i < count; ++i) {
      clock.advance(std::chrono::seconds(1));
      call("PUT", "/v1/kv/k", "v" + std::to_string(i + 2));
    }
  }
  json body_of(const http::Response& response) { return json::parse(response.body); }
  std::string value_at(const std::string& query) {
    const http::Response response = call("GET", "/v1/kv/k?" + query);
    return response.status == 200 ? response.body : code_of(response);
  }
  // Under the next read `value` is put, if there is one, and then the floor rises to `floor`.
  void rises_once(uint64_t floor, const std::string& value = "") {
    engine.on_read = [this, floor, value, done = false]() mutable {
      if (std::exchange(done, true)) return;
      if (!value.empty()) obey({.act = PutCommand{"k", value, {}}});
      obey({.act = CompactCommand{Revision{floor}}});
    };
  }
  http::Response compact(uint64_t revision) {
    return call("POST", "/v1/compact", json({{"revision", revision}}).dump());
  }
};

TEST_F(PastApiTest, ARevisionIsReadByItsNumber) {
  put_versions(3);
  call("DELETE", "/v1/kv/k");
  EXPECT_EQ(value_at("revision=2"), "v2");
  EXPECT_EQ(value_at("revision=3"), "v3");
  EXPECT_EQ(value_at("revision=1"), "key_not_found");
  EXPECT_EQ(value_at("revision=5"), "key_not_found");
  EXPECT_EQ(value_at("revision=6"), "bad_request");
  EXPECT_EQ(value_at("revision=0"), "bad_request");
  const http::Response head = call("HEAD", "/v1/kv/k?revision=3");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("ETag"), "\"3\"");
  EXPECT_EQ(head.header("Holdfast-Revision"), "3");
  EXPECT_EQ(body_of(call("GET", "/v1/kv?revision=2"))["items"][0]["value"], "v2");
}

TEST_F(PastApiTest, ATimeIsReadAsTheNewestRevisionMadeByThen) {
  put_versions(3);
  const uint64_t last_ms = wall_ms(clock);
  const auto at = [&](uint64_t ms) { return value_at("at=" + time_text(ms)); };
  EXPECT_EQ(at(last_ms), "v4");
  EXPECT_EQ(at(last_ms - 1), "v3");
  EXPECT_EQ(at(last_ms - 1000), "v3");
  EXPECT_EQ(at(last_ms - 1001), "v2");
  EXPECT_EQ(at(last_ms - 2000), "v2");
  EXPECT_EQ(at(last_ms - 2001), "key_not_found") << "the empty store";
  EXPECT_EQ(at(last_ms + 1), "bad_request") << "nobody knows the future";
  clock.advance(std::chrono::hours(1));
  EXPECT_EQ(at(last_ms + 1), "v4");
  EXPECT_EQ(value_at("at=yesterday"), "bad_request");
  EXPECT_EQ(value_at("at=" + time_text(last_ms) + "&revision=2"), "bad_request");

  ASSERT_EQ(compact(3).status, 200);
  EXPECT_EQ(at(last_ms - 1000), "v3");
  EXPECT_EQ(at(last_ms - 1001), "compacted");
  engine.cold = true;
  EXPECT_EQ(at(last_ms - 1000), "v3");
}

TEST_F(PastApiTest, WhatLiesBelowTheFloorIsGone) {
  put_versions(4);
  const http::Response answer = compact(4);
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(body_of(answer)["compact_revision"], 4);
  const http::Response gone = call("GET", "/v1/kv/k?revision=3");
  EXPECT_EQ(gone.status, 410);
  EXPECT_EQ(code_of(gone), "compacted");
  EXPECT_EQ(body_of(gone)["compact_revision"], 4);
  EXPECT_EQ(code_of(call("GET", "/v1/kv?revision=3")), "compacted");
  EXPECT_EQ(call("HEAD", "/v1/kv/k?revision=3").status, 410);
  EXPECT_EQ(code_of(call("GET", "/v1/history/k?revision=3")), "compacted");
  EXPECT_EQ(value_at("revision=4"), "v4");
  // A floor never falls; what asks for less is told where it is.
  EXPECT_EQ(body_of(compact(2))["compact_revision"], 4);
  EXPECT_EQ(value_at("revision=3"), "compacted");
}

TEST_F(PastApiTest, OnlyWhatIsThereCanBeCompacted) {
  put_versions(1);
  const http::Response beyond = compact(3);
  EXPECT_EQ(beyond.status, 400);
  EXPECT_THAT(beyond.body, HasSubstr("the newest is 2"));
  for (const char* wrong : {"", "3", "{}", "{\"revision\":0}", "{\"revision\":-1}",
                            "{\"revision\":\"2\"}", "{\"revision\":1,\"x\":1}"})
    EXPECT_EQ(code_of(call("POST", "/v1/compact", wrong)), "bad_request") << wrong;
  EXPECT_EQ(compact(2).status, 200);
  EXPECT_EQ(value_at(""), "v2");
}

TEST_F(PastApiTest, AFloorThatRisesUnderAScanEndsItAndNeverThinsIt) {
  for (const char* key : {"a", "b", "c"}) call("PUT", std::string("/v1/kv/") + key, "old");
  const json page = body_of(call("GET", "/v1/kv?limit=1"));
  call("PUT", "/v1/kv/b", "new");
  ASSERT_EQ(compact(5).status, 200);
  const http::Response next =
      call("GET", "/v1/kv?limit=1&cursor=" + page["next"].get<std::string>());
  EXPECT_EQ(next.status, 410);
  EXPECT_EQ(body_of(next)["compact_revision"], 5);
}

// The floor rises between the fixing of the revision and the end of the reading.
TEST_F(PastApiTest, WhatWasReadWhileTheFloorRoseIsNotGiven) {
  put_versions(3);
  engine.on_read = [this] { obey({.act = CompactCommand{Revision{4}}}); };
  EXPECT_EQ(value_at("revision=3"), "compacted");
}

TEST_F(PastApiTest, WhatWasScannedOrListedWhileTheFloorRoseIsNotGiven) {
  put_versions(3);
  for (const char* target : {"/v1/kv?revision=3", "/v1/history/k?revision=3"}) {
    const http::Response before = call("GET", target);
    EXPECT_EQ(before.status, 200) << before.body;
  }
  rises_once(4);
  EXPECT_EQ(code_of(call("GET", "/v1/kv?revision=3")), "compacted");
  put_versions(2);
  rises_once(6);
  EXPECT_EQ(code_of(call("GET", "/v1/history/k?revision=5")), "compacted");
}

// Each reads once more, at what is then the newest revision.
TEST_F(PastApiTest, NewestReadsOfManyThatTheFloorOvertakesAreMadeAgain) {
  put_versions(2);
  rises_once(4, "newer");
  json page = body_of(call("GET", "/v1/kv"));
  EXPECT_EQ(page["revision"], 4);
  EXPECT_EQ(page["items"][0]["value"], "newer");
  rises_once(5, "newer still");
  json versions = body_of(call("GET", "/v1/history/k"));
  EXPECT_EQ(versions["revision"], 5);
  EXPECT_EQ(versions["compact_revision"], 5);
  EXPECT_EQ(versions["count"], 1);
  rises_once(6, "and again");
  json usage = body_of(call("GET", "/v1/usage"));
  EXPECT_EQ(usage["revision"], 6);
}

TEST_F(PastApiTest, VersionsThatGoWhileTheyAreListedAreListedAnew) {
  put_versions(3);
  rises_once(3);
  json versions = body_of(call("GET", "/v1/history/k"));
  EXPECT_EQ(versions["revision"], 4);
  EXPECT_EQ(versions["compact_revision"], 3) << "not the floor that it began with";
  EXPECT_EQ(versions["count"], 2);
}

TEST_F(PastApiTest, ANewestReadThatTheFloorOvertakesReadsWhatIsNewest) {
  put_versions(2);
  rises_once(4, "newer");
  const http::Response response = call("GET", "/v1/kv/k");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "newer");
}

TEST_F(PastApiTest, TheVersionsOfAKeyAreListed) {
  put_versions(2);
  call("DELETE", "/v1/kv/k");
  call("PUT", "/v1/kv/k", "\xff");
  const json all = body_of(call("GET", "/v1/history/k"));
  EXPECT_EQ(all["revision"], 5);
  EXPECT_EQ(all["key"], "k");
  EXPECT_EQ(all["count"], 4);
  EXPECT_FALSE(all.contains("next"));
  EXPECT_EQ(all["versions"], json::parse(R"([
    {"type":"put","mod_revision":5,"create_revision":5,"version":1,"value_base64":"/w=="},
    {"type":"delete","mod_revision":4},
    {"type":"put","mod_revision":3,"create_revision":2,"version":2,"value":"v3"},
    {"type":"put","mod_revision":2,"create_revision":2,"version":1,"value":"v2"}])"));

  const json two = body_of(call("GET", "/v1/history/k?limit=2"));
  EXPECT_EQ(two["count"], 2);
  EXPECT_EQ(two["next"], 3);
  const json rest = body_of(call("GET", "/v1/history/k?limit=2&revision=3"));
  EXPECT_EQ(rest["versions"][0]["value"], "v3");
  EXPECT_FALSE(rest.contains("next"));

  ASSERT_EQ(compact(4).status, 200);
  const json kept = body_of(call("GET", "/v1/history/k"));
  EXPECT_EQ(kept["compact_revision"], 4);
  EXPECT_EQ(kept["count"], 2);
  EXPECT_EQ(code_of(call("GET", "/v1/history/never")), "key_not_found");
  EXPECT_EQ(code_of(call("GET", "/v1/history/k?limit=0")), "bad_request");
  EXPECT_EQ(code_of(call("GET", "/v1/history/k?limit=1001")), "bad_request");
}

TEST_F(PastApiTest, APageOfVersionsIsBoundedInBytes) {
  const std::string large(3 << 20, 'x');
  for (int i = 0; i < 3; ++i) call("PUT", "/v1/kv/k", large);
  const json page = body_of(call("GET", "/v1/history/k"));
  EXPECT_EQ(page["count"], 2);
  EXPECT_EQ(page["next"], 2);
}

TEST_F(PastApiTest, SettingsHoldForAll) {
  EXPECT_EQ(call("GET", "/v1/cluster/settings").body, "{\"keep_history\":\"1h\"}\n");
  const http::Response changed = call("PATCH", "/v1/cluster/settings", R"({"keep_history":"90m"})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.body, "{\"keep_history\":\"90m\"}\n");
  EXPECT_EQ(call("GET", "/v1/cluster/settings").body, "{\"keep_history\":\"90m\"}\n");
  for (const char* wrong : {"", "[]", "{}", R"({"keep_history":"9s"})", R"({"keep_history":3600})",
                            R"({"keep_history":"99999h"})", R"({"keep_history":"1h","other":1})"})
    EXPECT_EQ(code_of(call("PATCH", "/v1/cluster/settings", wrong)), "bad_request") << wrong;
  EXPECT_EQ(call("GET", "/v1/cluster/settings").body, "{\"keep_history\":\"90m\"}\n");
}

TEST_F(PastApiTest, UsageIsCountedWhereItIsSmallAndEstimatedWhereItIsNot) {
  put_versions(3);
  call("PUT", "/v1/kv/other", "12345");
  const json one = body_of(call("GET", "/v1/usage?prefix=k"));
  EXPECT_EQ(one, json::parse(R"({"revision":5,"keys":1,"bytes":3,"stored_bytes":9,"exact":true})"));
  EXPECT_EQ(body_of(call("GET", "/v1/usage"))["keys"], 2);
  EXPECT_EQ(body_of(call("GET", "/v1/usage?prefix=x"))["keys"], 0);
  EXPECT_EQ(code_of(call("GET", "/v1/usage?limit=3")), "bad_request");

  for (int i = 0; i < 25'000; ++i) obey({.act = PutCommand{fmt::format("many/{:05}", i), "v", {}}});
  const json many = body_of(call("GET", "/v1/usage?prefix=many/"));
  EXPECT_EQ(many["exact"], false);
  EXPECT_NEAR(many["keys"].get<double>(), 25'000, 1);
}

}  // namespace
}  // namespace holdfast
