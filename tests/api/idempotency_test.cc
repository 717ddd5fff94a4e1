#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using nlohmann::json;

class IdempotencyApi : public ApiTest {
 protected:
  http::Response call_once(std::string_view method, const std::string& target,
                           const std::string& body, const std::string& key = "k1",
                           Headers headers = {}) {
    headers.emplace_back("Idempotency-Key", key);
    return call(method, target, body, headers);
  }
  static void expect_replay(const http::Response& again, const http::Response& first) {
    EXPECT_EQ(first.header("Idempotency-Replayed"), std::nullopt);
    EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
    EXPECT_EQ(again.status, first.status);
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.header("ETag"), first.header("ETag"));
    EXPECT_EQ(again.header("Location"), first.header("Location"));
    EXPECT_EQ(again.header("Holdfast-Revision"), first.header("Holdfast-Revision"));
  }
};

TEST_F(IdempotencyApi, EveryChangingCallIsMadeOnce) {
  struct Row {
    const char* method;
    const char* target;
    const char* body;
  };
  call("PUT", "/v1/kv/r/1", "x");
  int number = 0;
  for (const Row& row : {Row{"PUT", "/v1/kv/a", "one"}, Row{"PUT", "/v1/kv/a?prev=true", "two"},
                         Row{"DELETE", "/v1/kv/a", ""}, Row{"DELETE", "/v1/kv?prefix=r/", ""},
                         Row{"POST", "/v1/txn", R"({"then":[{"put":{"key":"t","value":"x"}}]})"},
                         Row{"POST", "/v1/leases", R"({"ttl":"10s"})"}}) {
    SCOPED_TRACE(std::string(row.method) + " " + row.target);
    const std::string key = "call-" + std::to_string(number++);
    const http::Response first = call_once(row.method, row.target, row.body, key);
    EXPECT_LT(first.status, 300) << first.body;
    call("PUT", "/v1/kv/between", "x");
    expect_replay(call_once(row.method, row.target, row.body, key), first);
  }
}

TEST_F(IdempotencyApi, LeaseCallsTellOfTheSameLease) {
  const http::Response grant = call_once("POST", "/v1/leases", R"({"ttl":"10s"})", "g");
  const std::string path = std::string(*grant.header("Location"));
  const http::Response kept = call_once("PUT", path, "", "k");
  expect_replay(call_once("PUT", path, "", "k"), kept);
  const http::Response revoked = call_once("DELETE", path, "", "d");
  EXPECT_EQ(revoked.status, 200);
  expect_replay(call_once("DELETE", path, "", "d"), revoked);
  const http::Response gone = call_once("DELETE", path, "", "e");
  EXPECT_EQ(gone.status, 404);
  expect_replay(call_once("DELETE", path, "", "e"), gone);
}

TEST_F(IdempotencyApi, ARefusalThatWasDecidedStands) {
  const Headers guard = {{"If-Match", "\"7\""}};
  call("PUT", "/v1/kv/a", "x");
  const http::Response refused = call_once("PUT", "/v1/kv/a", "y", "k", guard);
  EXPECT_EQ(refused.status, 412);
  for (int i = 0; i < 5; ++i) call("PUT", "/v1/kv/a", "x");  // now at 7
  expect_replay(call_once("PUT", "/v1/kv/a", "y", "k", guard), refused);
}

TEST_F(IdempotencyApi, WhatCountsAsTheSame) {
  call_once("PUT", "/v1/kv/a?prev=true", "x", "k", {{"If-None-Match", "*"}});
  const auto is_same = [this](std::string_view method, const std::string& target,
                              const std::string& body, const Headers& headers) {
    const http::Response response = call_once(method, target, body, "k", headers);
    if (response.status == 201) return true;
    EXPECT_EQ(response.status, 422) << response.body;
    EXPECT_EQ(code_of(response), "idempotency_mismatch");
    EXPECT_EQ(json::parse(response.body).at("outcome"), "not_applied");
    EXPECT_EQ(json::parse(response.body).at("retryable"), false);
    return false;
  };
  const Headers guard = {{"If-None-Match", "*"}};
  EXPECT_TRUE(is_same("PUT", "/v1/kv/a?prev=true", "x", guard));
  EXPECT_TRUE(is_same("PUT", "/v1/kv/a?prev=true&timeout=9s", "x", guard)) << "only for waiting";
  EXPECT_TRUE(is_same("PUT", "/v1/kv/a?timeout=1s&prev=true", "x", guard));
  EXPECT_FALSE(is_same("PUT", "/v1/kv/b?prev=true", "x", guard));
  EXPECT_FALSE(is_same("PUT", "/v1/kv/a", "x", guard));
  EXPECT_FALSE(is_same("PUT", "/v1/kv/a?prev=true", "y", guard));
  EXPECT_FALSE(is_same("PUT", "/v1/kv/a?prev=true", "x", {}));
  EXPECT_FALSE(is_same("PUT", "/v1/kv/a?prev=true", "x", {{"If-None-Match", "\"9\""}}));
  EXPECT_FALSE(is_same("PUT", "/v1/kv/a?prev=true", "x", {{"If-Match", "*"}}));
  EXPECT_FALSE(is_same("DELETE", "/v1/kv/a?prev=true", "", guard));
  EXPECT_EQ(call("GET", "/v1/kv/a").header("ETag"), "\"2\"") << "nothing was changed by any";
}

TEST_F(IdempotencyApi, WhatWasNotDecidedIsNotKept) {
  refuses = raft::RefusalReason::kNoLeader;
  EXPECT_EQ(call_once("PUT", "/v1/kv/a", "x").status, 503);
  refuses = raft::RefusalReason::kUnknown;
  EXPECT_EQ(call_once("PUT", "/v1/kv/a", "x").status, 504);
  refuses.reset();
  EXPECT_EQ(call_once("PUT", "/v1/kv/a?x=y", "x").status, 400);
  const http::Response done = call_once("PUT", "/v1/kv/a", "x");
  EXPECT_EQ(done.status, 201);
  expect_replay(call_once("PUT", "/v1/kv/a", "x"), done);
}

TEST_F(IdempotencyApi, KeysAreOneTo128VisibleCharacters) {
  for (const std::string& key : {std::string(), std::string("a b"), std::string("a\x7f"),
                                 std::string("\xc3\xa4"), std::string(129, 'k')}) {
    const http::Response refused = call_once("PUT", "/v1/kv/a", "x", key);
    EXPECT_EQ(refused.status, 400) << key;
    EXPECT_NE(refused.body.find("Idempotency-Key"), std::string::npos) << refused.body;
  }
  EXPECT_EQ(call_once("PUT", "/v1/kv/a", "x", "k", {{"Idempotency-Key", "k"}}).status, 400);
  EXPECT_EQ(call_once("PUT", "/v1/kv/a", "x", std::string(128, '!')).status, 201);
}

TEST_F(IdempotencyApi, WhatKeepsNoAnswerTakesNoKey) {
  for (const auto& [method, target] : {std::pair{"POST", "/v1/cluster/members"},
                                       {"DELETE", "/v1/cluster/members/n2"},
                                       {"POST", "/v1/cluster/members/n2/promote"},
                                       {"POST", "/v1/cluster/leader"}}) {
    const http::Response refused = call_once(method, target, "");
    EXPECT_EQ(refused.status, 400) << target;
    EXPECT_NE(refused.body.find("Idempotency-Key"), std::string::npos) << refused.body;
  }
}

TEST_F(IdempotencyApi, AtTheBoundNewKeysAreRefusedAndToldSo) {
  const std::string large(1'000'000, 'x');
  call("PUT", "/v1/kv/a", large);
  http::Response last;
  for (int i = 0; i < 90 && last.status != 429; ++i)
    last = call_once("PUT", "/v1/kv/a?prev=true", large, "k" + std::to_string(i));
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(code_of(last), "too_many_requests");
  EXPECT_EQ(json::parse(last.body).at("outcome"), "not_applied");
  EXPECT_EQ(json::parse(last.body).at("retryable"), true);
  const int retry_s = std::stoi(std::string(last.header("Retry-After").value_or("0")));
  EXPECT_LE(retry_s, 600);
  EXPECT_GT(retry_s, 500) << "when the first of those that are kept goes";
  EXPECT_EQ(call("PUT", "/v1/kv/b", "x").status, 201) << "without a key it goes on";
  EXPECT_EQ(call_once("PUT", "/v1/kv/a?prev=true", large, "k0").header("Idempotency-Replayed"),
            "true");
}

TEST_F(IdempotencyApi, AnAnswerThatIsTooLargeToBeKeptIsRefused) {
  call("PUT", "/v1/kv/a", std::string(2 << 20, 'x'));
  const http::Response refused = call_once("PUT", "/v1/kv/a?prev=true", "y");
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(code_of(refused), "range_too_large");
  EXPECT_EQ(json::parse(refused.body).at("limit"), 1 << 20);
  EXPECT_EQ(json::parse(refused.body).at("outcome"), "not_applied");
  EXPECT_EQ(call("GET", "/v1/kv/a").body.size(), size_t{2} << 20);
  EXPECT_EQ(call_once("PUT", "/v1/kv/a", "y").status, 200) << "the key is free";
}

}  // namespace
}  // namespace holdfast
