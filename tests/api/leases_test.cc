#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::string_literals::operator""s;

class LeasesApi : public ApiTest {
 protected:
  std::string granted(const std::string& ttl) {
    const http::Response response = call("POST", "/v1/leases", "{\"ttl\":\"" + ttl + "\"}");
    EXPECT_EQ(response.status, 201);
    return json_of(response).at("id").get<std::string>();
  }
  // Time goes by at the leader; what is due goes.
  void pass(Duration time) {
    clock.advance(time);
    expire();
  }
};

TEST_F(LeasesApi, AGrantedLeaseIsShownWithWhatIsLeftOfIt) {
  const http::Response grant = call("POST", "/v1/leases", R"({"ttl":"10s"})");
  EXPECT_EQ(grant.status, 201);
  const std::string id = json_of(grant).at("id");
  EXPECT_EQ(grant.body, "{\"id\":\"" + id + "\",\"ttl_ms\":10000}\n");
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(grant.header("Location"), "/v1/leases/" + id);
  EXPECT_EQ(grant.header("Holdfast-Revision"), "1") << "a lease is no change to a key";
  pass(milliseconds(2'500));
  EXPECT_EQ(
      call("GET", "/v1/leases/" + id).body,
      "{\"id\":\"" + id + "\",\"ttl_ms\":10000,\"remaining_ms\":7500,\"keys\":[],\"count\":0}\n");
  EXPECT_NE(granted("10s"), id);
}

TEST_F(LeasesApi, AKeptLeaseBeginsAnew) {
  const std::string id = granted("10s");
  pass(seconds(9));
  EXPECT_EQ(call("PUT", "/v1/leases/" + id).body, "{\"id\":\"" + id + "\",\"ttl_ms\":10000}\n");
  pass(seconds(9));
  EXPECT_EQ(json_of(call("GET", "/v1/leases/" + id)).at("remaining_ms"), 1'000);
  pass(seconds(1));
  for (const char* method : {"PUT", "GET", "DELETE"}) {
    const http::Response gone = call(method, "/v1/leases/" + id);
    EXPECT_EQ(gone.status, 404) << method;
    EXPECT_EQ(code_of(gone), "lease_not_found") << method;
    EXPECT_EQ(json_of(gone).at("outcome"), "not_applied") << method;
  }
}

TEST_F(LeasesApi, KeysAreBoundAndEndWithTheirLease) {
  const std::string id = granted("10s");
  EXPECT_EQ(call("PUT", "/v1/kv/a?lease=" + id, "x").status, 201);
  EXPECT_EQ(call("PUT", "/v1/kv/%ff?lease=" + id, "x").status, 201);
  EXPECT_EQ(call("PUT", "/v1/kv/free", "x").status, 201);
  const http::Response bound = call("GET", "/v1/kv/a");
  EXPECT_EQ(bound.header("Holdfast-Lease"), id);
  EXPECT_EQ(bound.header("Holdfast-Ttl-Ms"), std::nullopt);
  EXPECT_EQ(call("GET", "/v1/kv/free").header("Holdfast-Lease"), std::nullopt);
  EXPECT_EQ(json_of(call("GET", "/v1/leases/" + id)).at("keys"),
            nlohmann::json::parse(R"([{"key":"a"},{"key_base64":"/w=="}])"));
  const nlohmann::json items = json_of(call("GET", "/v1/kv")).at("items");
  EXPECT_EQ(items.at(0).at("lease"), id);
  EXPECT_FALSE(items.at(1).contains("lease"));
  pass(seconds(10));
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 404);
  EXPECT_EQ(json_of(call("GET", "/v1/kv")).at("count"), 1);
}

TEST_F(LeasesApi, AKeyMayHaveATimeOfItsOwn) {
  EXPECT_EQ(call("PUT", "/v1/kv/a?ttl=30s", "x").status, 201);
  clock.advance(milliseconds(12'345));
  for (const char* method : {"GET", "HEAD"})
    EXPECT_EQ(call(method, "/v1/kv/a").header("Holdfast-Ttl-Ms"), "17655") << method;
  EXPECT_EQ(json_of(call("GET", "/v1/kv")).at("items").at(0).at("ttl_ms"), 17'655);
  clock.advance(seconds(20));
  EXPECT_EQ(call("GET", "/v1/kv/a").header("Holdfast-Ttl-Ms"), "0") << "seen until it is ended";
  pass({});
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 404);
  EXPECT_EQ(call("GET", "/v1/kv/a?revision=2").body, "x") << "its past stays";

  call("PUT", "/v1/kv/a?ttl=30s", "x");
  call("PUT", "/v1/kv/a", "for good");
  pass(seconds(60));
  EXPECT_EQ(call("GET", "/v1/kv/a").body, "for good");
}

TEST_F(LeasesApi, ARevokedLeaseTakesItsKeysWithIt) {
  const std::string id = granted("1h");
  for (const char* key : {"a", "b", "c"}) call("PUT", "/v1/kv/"s + key + "?lease=" + id, "x");
  call("DELETE", "/v1/kv/b");
  const http::Response revoked = call("DELETE", "/v1/leases/" + id);
  EXPECT_EQ(revoked.status, 200);
  EXPECT_EQ(revoked.body, "{\"revision\":6,\"deleted\":2,\"finished\":true}\n");
  EXPECT_EQ(code_of(call("DELETE", "/v1/leases/" + id)), "lease_not_found");
  EXPECT_EQ(code_of(call("PUT", "/v1/kv/a?lease=" + id, "x")), "lease_not_found");
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 404);
}

TEST_F(LeasesApi, PagesOfLeasesAndOfTheirKeys) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(granted("1h"));
  std::ranges::sort(ids);
  std::vector<std::string> found;
  std::string cursor;
  for (int pages = 0; pages < 3; ++pages) {
    const nlohmann::json page =
        json_of(call("GET", "/v1/leases?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor)));
    EXPECT_EQ(page.at("count"), page.at("leases").size());
    for (const nlohmann::json& lease : page.at("leases")) found.push_back(lease.at("id"));
    EXPECT_EQ(page.contains("next"), pages < 2);
    cursor = page.value("next", "");
  }
  EXPECT_EQ(found, ids);

  const std::string id = ids[2];
  for (const char* key : {"a", "b", "c"}) call("PUT", "/v1/kv/"s + key + "?lease=" + id, "x");
  const nlohmann::json first = json_of(call("GET", "/v1/leases/" + id + "?limit=2"));
  EXPECT_EQ(first.at("keys").size(), 2u);
  const nlohmann::json rest = json_of(
      call("GET", "/v1/leases/" + id + "?limit=2&cursor=" + first.at("next").get<std::string>()));
  EXPECT_EQ(rest.at("keys"), nlohmann::json::parse(R"([{"key":"c"}])"));
  EXPECT_FALSE(rest.contains("next"));
}

TEST_F(LeasesApi, APageOfTheLongestKeysEndsAtFourMebibytes) {
  const std::string id = granted("1h");
  std::vector<std::string> keys;
  for (int i = 0; i < 1'500; ++i)
    keys.push_back(std::to_string(10'000 + i) + std::string(kKeyBytesMax - 5, 'k'));
  for (const std::string& key : keys) call("PUT", "/v1/kv/" + key + "?lease=" + id, "");
  std::vector<std::string> found;
  std::string cursor;
  do {
    const http::Response answer = call(
        "GET", "/v1/leases/" + id + "?limit=10000" + (cursor.empty() ? "" : "&cursor=" + cursor));
    EXPECT_LE(answer.body.size(), (size_t{4} << 20) + 4 * kKeyBytesMax);
    const nlohmann::json page = json_of(answer);
    EXPECT_EQ(page.at("count"), page.at("keys").size());
    for (const nlohmann::json& key : page.at("keys")) found.push_back(key.at("key"));
    cursor = page.value("next", "");
  } while (!cursor.empty());
  EXPECT_EQ(found, keys);
}

TEST_F(LeasesApi, WhatIsLeftIsShownByTheNewestEntryOnAFollower) {
  const std::string id = granted("10s");
  status.raft.role = raft::Role::kFollower;
  publish(status);
  clock.advance(seconds(3));
  EXPECT_EQ(json_of(call("GET", "/v1/leases/" + id)).at("remaining_ms"), 10'000);
  status.raft.cluster_ms += 3'000;
  publish(status);
  EXPECT_EQ(json_of(call("GET", "/v1/leases/" + id)).at("remaining_ms"), 7'000);
}

TEST_F(LeasesApi, WhatMakesNoSenseIsRefusedAndSaid) {
  for (const char* ttl : {"0s", "999ms", "1", "10", "-5s", "1.5s", "8785h", "99999999999999999999h",
                          "", " 1s", "1d"}) {
    const http::Response lease = call("POST", "/v1/leases", R"({"ttl":")"s + ttl + "\"}");
    EXPECT_EQ(lease.status, 400) << ttl;
    EXPECT_THAT(lease.body, testing::HasSubstr("'ttl' must be")) << ttl;
    EXPECT_EQ(call("PUT", "/v1/kv/a?ttl="s + ttl, "x").status, 400) << ttl;
  }
  for (const char* ttl : {"1s", "1000ms", "8784h"})
    EXPECT_EQ(call("POST", "/v1/leases", R"({"ttl":")"s + ttl + "\"}").status, 201) << ttl;
  for (const char* body : {"", "{}", "10s", R"({"ttl":10})", R"({"ttl":"10s","id":"5"})",
                           R"(["ttl"])", R"({"TTL":"10s"})"})
    EXPECT_EQ(call("POST", "/v1/leases", body).status, 400) << body;
  for (const char* id : {"0000000000000000", "8000000000000000", "1", "00000000000000001",
                         "000000000000000g", "", "0x00000000000001"}) {
    EXPECT_EQ(call("PUT", "/v1/kv/a?lease="s + id, "x").status, 400) << id;
    if (*id != 0) {
      EXPECT_EQ(call("GET", "/v1/leases/"s + id).status, 400) << id;
    }
  }
  const std::string id = granted("10s");
  EXPECT_EQ(call("PUT", "/v1/kv/a?ttl=10s&lease=" + id, "x").status, 400);
  EXPECT_EQ(call("DELETE", "/v1/kv/a?ttl=10s").status, 400);
  EXPECT_EQ(call("PUT", "/v1/leases/" + id, "body").status, 400);
  EXPECT_EQ(call("PUT", "/v1/leases/" + id + "?ttl=10s").status, 400);
  for (const char* past : {"?revision=1", "?at=2023-11-14T22:13:20Z"}) {
    EXPECT_EQ(call("GET", "/v1/leases/" + id + past).status, 400) << past;
    EXPECT_EQ(call("GET", "/v1/leases"s + past).status, 400) << past;
  }
  for (const char* query : {"limit=0", "limit=10001", "cursor=!", "cursor=", "x=1"})
    EXPECT_EQ(call("GET", "/v1/leases?"s + query).status, 400) << query;
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 404) << "nothing was stored";
}

TEST_F(LeasesApi, RefusalsOfTheReplicaSayWhatIsKnown) {
  const std::string id = granted("10s");
  refuses = raft::RefusalReason::kNoLeader;
  for (const auto& [method, target, body] : {std::tuple{"POST", "/v1/leases"s, R"({"ttl":"10s"})"s},
                                             {"PUT", "/v1/leases/" + id, ""s},
                                             {"DELETE", "/v1/leases/" + id, ""s},
                                             {"GET", "/v1/leases/" + id, ""s},
                                             {"GET", "/v1/leases"s, ""s}}) {
    const http::Response response = call(method, target, body);
    EXPECT_EQ(response.status, 503) << method << target;
    EXPECT_EQ(code_of(response), "no_leader") << method << target;
  }
}

}  // namespace
}  // namespace holdfast
