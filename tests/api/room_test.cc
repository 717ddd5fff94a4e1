// What clients see while the disks are short of room.

#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

class RoomApi : public ApiTest {
 protected:
  void refuse_growth(bool does) {
    status.raft.refuses_growth = does;
    status.raft.short_of_room = does;
    status.disk_free_bytes = 12345;
    status.history_floor = {77};
    publish(status);
  }
  std::string lease() {
    return nlohmann::json::parse(call("POST", "/v1/leases", R"({"ttl":"60s"})").body).at("id");
  }
  nlohmann::json cluster() { return nlohmann::json::parse(call("GET", "/v1/cluster").body); }
};

TEST_F(RoomApi, WhatGrowsIsRefusedBeforeItIsProposed) {
  call("PUT", "/v1/kv/a", "1");
  refuse_growth(true);
  for (const auto& [method, target, body] : std::vector<std::array<std::string, 3>>{
           {"PUT", "/v1/kv/b", "2"},
           {"POST", "/v1/leases", R"({"ttl":"60s"})"},
           {"POST", "/v1/txn",
            R"({"then":[{"delete":{"key":"a"}},{"put":{"key":"b","value":"2"}}]})"},
           {"POST", "/v1/txn", R"({"else":[{"put":{"key":"b","value":"2"}}]})"}}) {
    const http::Response response = call(method, target, body);
    EXPECT_EQ(response.status, 507) << target << body;
    EXPECT_EQ(code_of(response), "no_space");
    EXPECT_EQ(response.header("Retry-After"), "5");
    const auto problem = nlohmann::json::parse(response.body);
    EXPECT_EQ(problem.at("outcome"), "not_applied");
    EXPECT_EQ(problem.at("retryable"), true);
  }
  EXPECT_EQ(call("GET", "/v1/kv/a").body, "1");
  EXPECT_EQ(call("GET", "/v1/kv/b").status, 404);
}

TEST_F(RoomApi, TheRefusalSaysWhatItDoesNotSpeakOf) {
  const Headers once = {{"Idempotency-Key", "abc"}};
  call("PUT", "/v1/kv/a", "1", once);
  refuse_growth(true);
  const auto detail_of = [this](const Headers& headers) {
    return nlohmann::json::parse(call("PUT", "/v1/kv/a", "1", headers).body)
        .at("detail")
        .get<std::string>();
  };
  EXPECT_THAT(detail_of(once), testing::HasSubstr("an earlier one under its Idempotency-Key may"));
  EXPECT_THAT(detail_of({}), testing::Not(testing::HasSubstr("Idempotency-Key")));
  refuse_growth(false);
  EXPECT_EQ(call("PUT", "/v1/kv/a", "1", once).header("Idempotency-Replayed"), "true");
}

TEST_F(RoomApi, TheRefusalSaysWhatItCostsIfItLasts) {
  refuse_growth(true);
  EXPECT_THAT(call("PUT", "/v1/kv/a", "1").body,
              testing::HasSubstr("the past of all keys is given up"));
}

TEST_F(RoomApi, WhatMakesRoomAndWhatReadsGoesOn) {
  call("PUT", "/v1/kv/a", "1");
  call("PUT", "/v1/kv/p/a", "1");
  const std::string kept = lease();
  const std::string revoked = lease();
  refuse_growth(true);
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 200);
  EXPECT_EQ(call("GET", "/v1/kv?prefix=p/").status, 200);
  EXPECT_EQ(call("DELETE", "/v1/kv/a").status, 200);
  EXPECT_EQ(call("DELETE", "/v1/kv?prefix=p/").status, 200);
  EXPECT_EQ(call("POST", "/v1/txn", R"({"then":[{"delete":{"key":"a"}}]})").status, 200);
  EXPECT_EQ(call("PUT", "/v1/leases/" + kept).status, 200);
  EXPECT_EQ(call("DELETE", "/v1/leases/" + revoked).status, 200);
  EXPECT_EQ(call("POST", "/v1/compact", R"({"revision":2})").status, 200);
  EXPECT_EQ(call("PATCH", "/v1/cluster/settings", R"({"keep_history":"10s"})").status, 200);
  refuse_growth(false);
  EXPECT_EQ(call("PUT", "/v1/kv/a", "1").status, 201);
}

TEST_F(RoomApi, AMistakeIsToldBeforeTheWantOfRoom) {
  refuse_growth(true);
  EXPECT_EQ(call("PUT", "/v1/kv/a?nonsense=1", "1").status, 400);
  EXPECT_EQ(call("POST", "/v1/leases", "{}").status, 400);
}

TEST_F(RoomApi, ANodeSaysIt) {
  EXPECT_EQ(cluster().at("refuses_growth"), false);
  EXPECT_EQ(call("GET", "/readyz").body, "ready\n");
  status.members.list = {{{7}, "n1", "127.0.0.1:1", true}, {{8}, "n2", "127.0.0.1:2", true}};
  status.raft.followers = {{.id = {8}, .last_contact = clock.now(), .short_of_room = true}};
  refuse_growth(true);
  const auto told = cluster();
  EXPECT_EQ(told.at("refuses_growth"), true);
  EXPECT_THAT(told.at("warning").get<std::string>(), testing::HasSubstr("507 no_space"));
  EXPECT_EQ(told.at("node").at("short_of_room"), true);
  EXPECT_EQ(told.at("node").at("disk_free_bytes"), 12345);
  EXPECT_EQ(told.at("members").at(1).at("short_of_room"), true);
  const http::Response ready = call("GET", "/readyz");
  EXPECT_EQ(ready.status, 200) << "it serves";
  EXPECT_EQ(ready.body, "ready, but for growing writes: no room on the disks\n");
  const std::string metrics = call("GET", "/metrics").body;
  for (const char* gauge : {"holdfast_disk_free_bytes 12345", "holdfast_short_of_room 1",
                            "holdfast_refuses_growth 1", "holdfast_history_floor 77"})
    EXPECT_THAT(metrics, testing::HasSubstr(gauge));
}

}  // namespace
}  // namespace holdfast
