#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using std::chrono::seconds;
using std::string_literals::operator""s;

class KvApi : public ApiTest {};

TEST_F(KvApi, PutTellsWhetherTheKeyIsNew) {
  const http::Response first = call("PUT", "/v1/kv/a", "one");
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.header("ETag"), "\"2\"");
  EXPECT_EQ(first.body, "{\"revision\":2,\"created\":true}\n");
  const http::Response second = call("PUT", "/v1/kv/a", "two");
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.body, "{\"revision\":3,\"created\":false}\n");
}

TEST_F(KvApi, EveryAnswerCarriesNodeLeaderRevisionAndTerm) {
  call("PUT", "/v1/kv/a", "one");
  for (const char* target : {"/v1/kv/a", "/v1/kv/none", "/v1/kv/a?x=y", "/v1/kv", "/v1/cluster"}) {
    const http::Response response = call("GET", target);
    EXPECT_EQ(response.header("Holdfast-Node"), "n1") << target;
    EXPECT_EQ(response.header("Holdfast-Leader"), "http://127.0.0.1:4653") << target;
    EXPECT_EQ(response.header("Holdfast-Term"), "3") << target;
    if (std::string(target) != "/v1/cluster") {
      EXPECT_EQ(response.header("Holdfast-Revision"), "2") << target;
    }
  }
  status.client_urls.clear();
  publish(status);
  EXPECT_EQ(call("GET", "/v1/kv/a").header("Holdfast-Leader"), std::nullopt);
}

TEST_F(KvApi, GetReturnsTheBytesAndWhatIsKnownOfThem) {
  const std::string value = "\0\xff raw"s;
  call("PUT", "/v1/kv/dir/a%00b", "old");
  call("PUT", "/v1/kv/other", "x");
  call("PUT", "/v1/kv/dir/a%00b", value);
  const http::Response response = call("GET", "/v1/kv/dir%2Fa%00b");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, value);
  EXPECT_EQ(response.content_type, "application/octet-stream");
  EXPECT_EQ(response.header("ETag"), "\"4\"");
  EXPECT_EQ(response.header("Holdfast-Create-Revision"), "2");
  EXPECT_EQ(response.header("Holdfast-Version"), "2");
  EXPECT_EQ(call("HEAD", "/v1/kv/dir/a%00b").status, 200);
}

TEST_F(KvApi, AMissingKeyIsToldApartFromAMissingRoute) {
  const http::Response missing = call("GET", "/v1/kv/a", "", {{"If-Match", "\"1\""}});
  EXPECT_EQ(missing.status, 404) << "a condition says nothing about what is not there";
  EXPECT_EQ(code_of(missing), "key_not_found");
  EXPECT_EQ(code_of(call("GET", "/v1/nothing")), "not_found");
}

TEST_F(KvApi, DeletingNothingChangesNothing) {
  call("PUT", "/v1/kv/a", "x");
  EXPECT_EQ(call("DELETE", "/v1/kv/a").body, "{\"revision\":3,\"deleted\":1}\n");
  EXPECT_EQ(call("DELETE", "/v1/kv/a").body, "{\"revision\":3,\"deleted\":0}\n");
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 404);
}

TEST_F(KvApi, KeysOfTheLimitAndBeyond) {
  EXPECT_EQ(call("PUT", "/v1/kv/" + std::string(4096, 'k'), "x").status, 201);
  const http::Response response = call("PUT", "/v1/kv/" + std::string(4097, 'k'), "x");
  EXPECT_EQ(response.status, 414);
  EXPECT_EQ(code_of(response), "key_too_large");
  EXPECT_EQ(json_of(response).at("limit"), 4096);
  EXPECT_EQ(call("PUT", "/v1/kv/", "x").status, 400);
  EXPECT_EQ(call("GET", "/v1/kv/").status, 400);
}

struct ConditionRow {
  const char* field;
  const char* value;
  bool holds_for_7;  // for a key whose tag is "7"; a key that is not there has none
  bool holds_for_none;
};

const ConditionRow kConditions[] = {
    {"If-Match", "\"7\"", true, false},          {"If-Match", "*", true, false},
    {"If-Match", "\"6\", \"7\"", true, false},   {"If-Match", "\"6\",\"7\" , \"8\"", true, false},
    {"If-Match", "\"6\"", false, false},         {"If-Match", "W/\"7\"", false, false},
    {"If-Match", "W/\"7\", \"7\"", true, false}, {"If-Match", "\"abc\"", false, false},
    {"If-Match", "\"0\"", false, false},         {"If-Match", "\"07\"", false, false},
    {"If-None-Match", "\"7\"", false, true},     {"If-None-Match", "*", false, true},
    {"If-None-Match", "\"6\"", true, true},      {"If-None-Match", "\"0\"", true, true},
    {"If-None-Match", "W/\"7\"", true, true},    {"If-None-Match", "\"6\",\"7\"", false, true},
};

class ConditionsApi : public ApiTest {
 protected:
  ConditionsApi() {
    for (int i = 0; i < 6; ++i) call("PUT", "/v1/kv/a", "x");
    EXPECT_EQ(call("GET", "/v1/kv/a").header("ETag"), "\"7\"");
  }
};

TEST_F(ConditionsApi, ChangesAreDecidedByThem) {
  for (const ConditionRow& row : kConditions) {
    SCOPED_TRACE(std::string(row.field) + ": " + row.value);
    const Headers headers = {{row.field, row.value}};
    for (const char* key : {"/v1/kv/a", "/v1/kv/none"}) {
      if (key == "/v1/kv/a"s ? row.holds_for_7 : row.holds_for_none) continue;
      for (const char* method : {"PUT", "DELETE"}) {
        const http::Response response = call(method, key, "", headers);
        EXPECT_EQ(response.status, 412) << method << key;
        EXPECT_EQ(code_of(response), "precondition_failed");
        EXPECT_EQ(response.header("ETag"),
                  key == "/v1/kv/a"s ? std::optional<std::string_view>("\"7\"") : std::nullopt);
      }
    }
  }
  EXPECT_EQ(call("PUT", "/v1/kv/b", "x", {{"If-None-Match", "*"}}).status, 201);
  EXPECT_EQ(call("PUT", "/v1/kv/a", "x", {{"If-Match", "\"7\""}}).status, 200);
  EXPECT_EQ(call("PUT", "/v1/kv/a", "x", {{"If-Match", "\"7\""}}).status, 412);
  EXPECT_EQ(call("DELETE", "/v1/kv/a", "", {{"If-Match", "\"9\""}}).status, 200);
}

TEST_F(ConditionsApi, ReadsAreDecidedByThem) {
  for (const ConditionRow& row : kConditions) {
    const http::Response response = call("GET", "/v1/kv/a", "", {{row.field, row.value}});
    const int otherwise = row.field == "If-Match"s ? 412 : 304;
    EXPECT_EQ(response.status, row.holds_for_7 ? 200 : otherwise) << row.field << row.value;
    EXPECT_EQ(response.header("ETag"), "\"7\"");
    if (response.status == 304) {
      EXPECT_EQ(response.body, "");
    }
  }
  const Headers both = {{"If-None-Match", "\"7\""}, {"If-Match", "\"6\""}};
  EXPECT_EQ(call("GET", "/v1/kv/a", "", both).status, 412) << "If-Match goes first";
  const Headers lines = {{"If-Match", "\"6\""}, {"If-Match", "\"7\""}};
  EXPECT_EQ(call("GET", "/v1/kv/a", "", lines).status, 200) << "two lines are one list";
}

TEST_F(ConditionsApi, WhatIsNoListOfTagsIsRefused) {
  for (const char* bad : {"7", "\"7", "7\"", "", " ", "\"7\" \"8\"", "\"7\";", "*, \"7\"",
                          "w/\"7\"", "\"7\",*", "W/7", "W /\"7\""}) {
    for (const char* method : {"PUT", "GET", "DELETE"}) {
      EXPECT_EQ(call(method, "/v1/kv/a", "", {{"If-Match", bad}}).status, 400) << bad;
    }
  }
}

TEST_F(KvApi, UnknownAndMalformedParametersAreRefused) {
  call("PUT", "/v1/kv/a", "x");
  for (const char* query : {"x=1",
                            "timeout=5",
                            "timeout=0s",
                            "timeout=61s",
                            "timeout=-1s",
                            "timeout=1.5s",
                            "timeout=99999999999999999999s",
                            "timeout=s",
                            "timeout=1s&timeout=2s",
                            "consistency=strong",
                            "consistency=",
                            "max_lag=1s",
                            "max_lag=1&consistency=local",
                            "min_revision=a",
                            "min_revision=-1",
                            "min_revision=+1",
                            "min_revision=18446744073709551616",
                            "revision=0",
                            "revision=",
                            "min_revision=1%00"}) {
    const http::Response response = call("GET", "/v1/kv/a?"s + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_EQ(code_of(response), "bad_request") << query;
  }
  for (const char* query : {"consistency=local", "ttl=1", "prev=1", "x"}) {
    EXPECT_EQ(call("PUT", "/v1/kv/a?"s + query, "y").status, 400) << query;
    EXPECT_EQ(call("DELETE", "/v1/kv/a?"s + query).status, 400) << query;
  }
  EXPECT_EQ(call("GET", "/v1/kv/a").body, "x") << "nothing was changed";
  for (const char* timeout : {"1ms", "60s", "1m", "60000ms"}) {
    EXPECT_EQ(call("GET", "/v1/kv/a?timeout="s + timeout).status, 200) << timeout;
  }
}

TEST_F(KvApi, PromisesThatAreNotKeptAreRefused) {
  EXPECT_EQ(call("PUT", "/v1/kv/a", "x", {{"Content-Range", "bytes 0-1/5"}}).status, 400);
  EXPECT_EQ(call("DELETE", "/v1/kv/a", "body").status, 400);
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 404);
}

TEST_F(KvApi, RefusalsOfTheReplicaSayWhatIsKnown) {
  const struct {
    raft::RefusalReason reason;
    int status;
    const char* code;
    const char* outcome_of_change;
  } rows[] = {
      {raft::RefusalReason::kNoLeader, 503, "no_leader", "not_applied"},
      {raft::RefusalReason::kOverloaded, 503, "overloaded", "not_applied"},
      {raft::RefusalReason::kOvertaken, 503, "no_leader", "not_applied"},
      {raft::RefusalReason::kUnknown, 504, "outcome_unknown", "unknown"},
  };
  for (const auto& row : rows) {
    refuses = row.reason;
    for (const auto& [method, target] :
         {std::pair{"PUT", "/v1/kv/a"}, {"DELETE", "/v1/kv/a"}, {"DELETE", "/v1/kv?prefix=a"}}) {
      const http::Response response = call(method, target);
      EXPECT_EQ(response.status, row.status);
      EXPECT_EQ(code_of(response), row.code);
      EXPECT_EQ(json_of(response).at("outcome"), row.outcome_of_change);
      EXPECT_EQ(response.header("Retry-After").has_value(), row.status == 503);
    }
  }
  refuses = raft::RefusalReason::kTimeout;
  for (const char* target : {"/v1/kv/a", "/v1/kv"}) {
    const http::Response response = call("GET", target);
    EXPECT_EQ(response.status, 504);
    EXPECT_EQ(code_of(response), "timeout");
    EXPECT_EQ(json_of(response).at("outcome"), "not_applied");
  }
}

TEST_F(KvApi, LinearizableReadsAskTheReplicaAndLocalOnesDoNot) {
  call("PUT", "/v1/kv/a", "x");
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 200);
  EXPECT_EQ(barriers, 1);
  EXPECT_EQ(call("GET", "/v1/kv/a?consistency=linearizable").status, 200);
  EXPECT_EQ(barriers, 2);
  refuses = raft::RefusalReason::kNoLeader;
  EXPECT_EQ(call("GET", "/v1/kv/a").status, 503);
  EXPECT_EQ(call("GET", "/v1/kv/a?consistency=local").body, "x");
  EXPECT_EQ(barriers, 3);
}

TEST_F(KvApi, MinRevisionWaitsUntilItIsThere) {
  const size_t reading = begin("GET", "/v1/kv/a?consistency=local&min_revision=3");
  call("PUT", "/v1/kv/a", "one");
  services.gate->look_again(clock.now());
  settle();
  EXPECT_FALSE(answers[reading]);
  call("PUT", "/v1/kv/a", "two");
  services.gate->look_again(clock.now());
  settle();
  ASSERT_TRUE(answers[reading]);
  EXPECT_EQ(answers[reading]->body, "two");

  const size_t late = begin("GET", "/v1/kv/a?min_revision=100&timeout=1s");
  settle();
  clock.advance(seconds(1));
  services.gate->look_again(clock.now());
  settle();
  ASSERT_TRUE(answers[late]);
  EXPECT_EQ(answers[late]->status, 504);
}

TEST_F(KvApi, ThePastIsReadAtItsRevision) {
  call("PUT", "/v1/kv/a", "one");
  call("PUT", "/v1/kv/a", "two");
  EXPECT_EQ(call("GET", "/v1/kv/a?revision=2").body, "one");
  EXPECT_EQ(call("GET", "/v1/kv/a?revision=2").header("Holdfast-Revision"), "2");
  EXPECT_EQ(call("GET", "/v1/kv/a?revision=1").status, 404);
  EXPECT_EQ(call("GET", "/v1/kv/a?revision=4").status, 400);
}

TEST_F(KvApi, MaxLagRefusesWhatMayBeTooOld) {
  call("PUT", "/v1/kv/a", "x");
  const std::string target = "/v1/kv/a?consistency=local&max_lag=500ms";
  EXPECT_EQ(code_of(call("GET", target)), "stale") << "this node has never been current";
  status.raft.current_as_of = clock.now();
  publish(status);
  clock.advance(std::chrono::milliseconds(500));
  EXPECT_EQ(call("GET", target).status, 200);
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(call("GET", target).status, 503);
}

TEST_F(KvApi, WhatIsNotInMemoryIsReadByAnotherThread) {
  call("PUT", "/v1/kv/a", "x");
  EXPECT_EQ(call("GET", "/v1/kv/a").body, "x");
  EXPECT_EQ(engine.disk_reads, 0);
  engine.cold = true;
  EXPECT_EQ(call("GET", "/v1/kv/a").body, "x");
  EXPECT_EQ(engine.disk_reads, 1);
  services.readers->stop();
  EXPECT_EQ(code_of(call("GET", "/v1/kv/a")), "overloaded");
}

}  // namespace
}  // namespace holdfast
