#include <nlohmann/json.hpp>

#include "storage/kv/command.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using nlohmann::json;

class TxnApi : public ApiTest {
 protected:
  http::Response run(const json& body, const Headers& headers = {}) {
    return call("POST", "/v1/txn", body.dump(), headers);
  }
  std::string value(const std::string& key) { return call("GET", "/v1/kv/" + key).body; }
};

TEST_F(TxnApi, TheExampleOfTheContract) {
  call("PUT", "/v1/kv/a", "old");
  call("PUT", "/v1/kv/c/1", "x");
  call("PUT", "/v1/kv/d/1", "y");
  const std::string body = R"({
    "if":   [{"key":"a","target":"mod_revision","op":"==","value":2}],
    "then": [{"put":{"key":"a","value":"x","ttl":"30s"}}, {"get":{"key":"b"}},
             {"delete":{"prefix":"c/"}}, {"scan":{"prefix":"d/","limit":10}}],
    "else": [{"get":{"key":"a"}}]})";
  const http::Response done = call("POST", "/v1/txn", body);
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(done.header("Holdfast-Revision"), "5");
  EXPECT_EQ(json::parse(done.body), json::parse(R"({"revision":5,"succeeded":true,"results":[
    {"put":{"created":false}}, {"get":null}, {"delete":{"deleted":1}},
    {"scan":{"items":[{"key":"d/1","value":"y","create_revision":4,"mod_revision":4,"version":1}],
             "count":1,"more":false}}]})"));
  const http::Response otherwise = call("POST", "/v1/txn", body);
  EXPECT_EQ(otherwise.status, 200) << "that the compares do not hold is no error";
  EXPECT_EQ(json::parse(otherwise.body), json::parse(R"({"revision":5,"succeeded":false,"results":[
    {"get":{"key":"a","value":"x","create_revision":2,"mod_revision":5,"version":2,
            "ttl_ms":30000}}]})"));
}

TEST_F(TxnApi, BytesThatAreNoTextGoInAndOutAsBase64) {
  const http::Response done =
      run({{"then",
            {{{"put", {{"key_base64", "/wA="}, {"value_base64", "/v8="}}}},
             {{"get", {{"key_base64", "/wA="}}}},
             {{"scan", {{"start_base64", "/w=="}, {"keys_only", true}}}}}}});
  ASSERT_EQ(done.status, 200) << done.body;
  const json results = json::parse(done.body).at("results");
  EXPECT_EQ(results[1]["get"]["key_base64"], "/wA=");
  EXPECT_EQ(results[1]["get"]["value_base64"], "/v8=");
  EXPECT_FALSE(results[2]["scan"]["items"][0].contains("value"));
  EXPECT_EQ(call("GET", "/v1/kv/%ff%00").body, "\xfe\xff");
}

TEST_F(TxnApi, EveryTargetAndPrevAreTaken) {
  const std::string lease =
      json::parse(call("POST", "/v1/leases", R"({"ttl":"10s"})").body).at("id");
  run({{"then", json::array({{{"put", {{"key", "a"}, {"value", "m"}, {"lease", lease}}}}})}});
  const auto holds = [&](const char* target, const char* op, const json& with) {
    const http::Response done = run(
        {{"if", json::array({{{"key", "a"}, {"target", target}, {"op", op}, {"value", with}}})}});
    EXPECT_EQ(done.status, 200) << done.body;
    return json::parse(done.body).at("succeeded").get<bool>();
  };
  EXPECT_TRUE(holds("exists", "==", true));
  EXPECT_FALSE(holds("exists", "!=", true));
  EXPECT_TRUE(holds("value", "<", "n"));
  EXPECT_FALSE(holds("value", ">=", "n"));
  EXPECT_TRUE(holds("version", "<=", 1));
  EXPECT_TRUE(holds("create_revision", ">", 1));
  EXPECT_TRUE(holds("mod_revision", "!=", 7));
  EXPECT_TRUE(holds("lease", "==", lease));
  EXPECT_FALSE(holds("lease", "==", nullptr));
  const http::Response prev = run({{"then",
                                    {{{"put", {{"key", "a"}, {"value", ""}, {"prev", true}}}},
                                     {{"delete", {{"key", "b"}, {"prev", true}}}}}}});
  EXPECT_EQ(json::parse(prev.body).at("results"), json::parse(R"([
    {"put":{"created":false,"prev":{"value":"m","create_revision":2,"mod_revision":2,"version":1,
                                    "lease":")" + lease + R"("}}},
    {"delete":{"deleted":0,"prev":null}}])"));
}

TEST_F(TxnApi, WhatIsWrongIsNamedByItsPath) {
  struct Case {
    const char* body;
    const char* named;
  };
  const Case cases[] = {
      {"", "no JSON"},
      {"[]", "the body"},
      {R"({"than":[]})", "than: "},
      {R"({"then":{}})", "then: "},
      {R"({"then":[],"then":[]})", "'then' twice"},
      {R"({"then":[{"put":{"key":"a","value":"x","value":"y"}}]})", "'value' twice"},
      {R"({"then":[{"put":{"value":"x"}}]})", "then[0].put.key: "},
      {R"({"then":[{"get":{"key":"a"}},{"put":{"key":"","value":"x"}}]})", "then[1].put.key: "},
      {R"({"then":[{"put":{"key":"a"}}]})", "then[0].put.value: "},
      {R"({"then":[{"put":{"key":"a","value":7}}]})", "then[0].put.value: "},
      {R"({"then":[{"put":{"key":"a","value":"","x":1}}]})", "then[0].put.x: "},
      {R"({"then":[{"put":{"key":"a","key_base64":"YQ==","value":""}}]})", "then[0].put.key: "},
      {R"({"then":[{"put":{"key_base64":"Y","value":""}}]})", "then[0].put.key_base64: "},
      {R"({"then":[{"put":{"key_base64":"YR==","value":""}}]})", "then[0].put.key_base64: "},
      {R"({"then":[{"put":{"key":"a","value":"","ttl":"1"}}]})", "then[0].put: 'ttl'"},
      {R"({"then":[{"put":{"key":"a","value":"","ttl":"1s","lease":"1"}}]})", "then[0].put: "},
      {R"({"then":[{"put":{"key":"a","value":"","lease":"1"}}]})", "then[0].put.lease: "},
      {R"({"then":[{"put":{"key":"a","value":"","prev":1}}]})", "then[0].put.prev: "},
      {R"({"then":[{"set":{"key":"a"}}]})", "then[0].set: "},
      {R"({"then":[{"get":{"key":"a"},"put":{"key":"a","value":""}}]})", "then[0]: "},
      {R"({"then":[7]})", "then[0]: "},
      {R"({"then":[{"get":"a"}]})", "then[0].get: "},
      {R"({"else":[{"delete":{}}]})", "else[0].delete: "},
      {R"({"else":[{"delete":{"key":"a","prefix":"b"}}]})", "else[0].delete.prefix: "},
      {R"({"else":[{"scan":{"limit":0}}]})", "else[0].scan.limit: "},
      {R"({"else":[{"scan":{"limit":10001}}]})", "else[0].scan.limit: "},
      {R"({"else":[{"scan":{"limit":-1}}]})", "else[0].scan.limit: "},
      {R"({"else":[{"scan":{"keys_only":true,"count_only":true}}]})", "else[0].scan: "},
      {R"({"if":[{"key":"a","target":"size","op":"==","value":1}]})", "if[0].target: "},
      {R"({"if":[{"key":"a","target":"version","op":"=","value":1}]})", "if[0].op: "},
      {R"({"if":[{"key":"a","target":"version","op":"==","value":"1"}]})", "if[0].value: "},
      {R"({"if":[{"key":"a","target":"version","op":"=="}]})", "if[0].value: "},
      {R"({"if":[{"key":"a","target":"exists","op":"<","value":true}]})", "if[0].op: "},
      {R"({"if":[{"key":"a","target":"exists","op":"==","value":1}]})", "if[0].value: "},
      {R"({"if":[{"key":"a","target":"lease","op":"==","value":"x"}]})", "if[0].value: "},
      {R"({"if":[{"target":"exists","op":"==","value":true}]})", "if[0].key: "},
  };
  for (const Case& one : cases) {
    const http::Response refused = call("POST", "/v1/txn", one.body);
    EXPECT_EQ(refused.status, 400) << one.body;
    EXPECT_EQ(code_of(refused), "bad_request");
    const json problem = json::parse(refused.body);
    EXPECT_NE(problem.at("detail").get<std::string>().find(one.named), std::string::npos)
        << one.body << "\n"
        << problem.at("detail");
    EXPECT_EQ(problem.at("outcome"), "not_applied");
  }
  EXPECT_EQ(call("GET", "/v1/kv?count_only=true").header("Holdfast-Revision"), "1");
}

TEST_F(TxnApi, LimitsAreNamed) {
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  EXPECT_EQ(call("POST", "/v1/txn", "{\"then\":" + deep + "}").status, 400);
  const http::Response key =
      run({{"then", json::array({{{"get", {{"key", std::string(kKeyBytesMax + 1, 'k')}}}}})}});
  EXPECT_EQ(key.status, 414);
  EXPECT_EQ(json::parse(key.body).at("limit"), kKeyBytesMax);
  services.value_bytes_max = 1024;
  const http::Response value =
      run({{"then", json::array({{{"put", {{"key", "a"}, {"value", std::string(1025, 'v')}}}}})}});
  EXPECT_EQ(value.status, 413);
  EXPECT_EQ(code_of(value), "value_too_large");
  EXPECT_EQ(json::parse(value.body).at("limit"), 1024);
  json many = json::array();
  for (size_t i = 0; i < kOperationsMax; ++i) many.push_back({{"get", {{"key", "a"}}}});
  EXPECT_EQ(run({{"then", many}}).status, 200);
  many.push_back({{"get", {{"key", "a"}}}});
  const http::Response refused = run({{"then", many}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("then: it has 10001"), std::string::npos) << refused.body;
}

TEST_F(TxnApi, WhatTheStateMachineRefusesIsNamedByItsPlace) {
  const http::Response lease =
      run({{"else", json::array({{{"get", {{"key", "a"}}}}})},
           {"then",
            {{{"put", {{"key", "x"}, {"value", ""}}}},
             {{"put", {{"key", "a"}, {"value", ""}, {"lease", "00000000000000ff"}}}}}}});
  EXPECT_EQ(lease.status, 404);
  EXPECT_EQ(code_of(lease), "lease_not_found");
  EXPECT_NE(lease.body.find("then[1]: there is no lease 00000000000000ff"), std::string::npos);
  EXPECT_EQ(call("GET", "/v1/kv/x").status, 404);

  call("PUT", "/v1/kv/large", std::string(8 << 20, 'x'));
  const http::Response read = run(
      {{"if", json::array({{{"key", "no"}, {"target", "exists"}, {"op", "=="}, {"value", true}}})},
       {"else", {{{"get", {{"key", "large"}}}}, {{"get", {{"key", "large"}}}}}}});
  EXPECT_EQ(read.status, 413);
  EXPECT_EQ(code_of(read), "range_too_large");
  EXPECT_NE(read.body.find("else[1]: "), std::string::npos) << read.body;
  EXPECT_EQ(json::parse(read.body).at("outcome"), "not_applied");
}

TEST_F(TxnApi, PutAndDeleteSayWhatTheyReplaced) {
  EXPECT_EQ(call("PUT", "/v1/kv/a?prev=true", "one").body,
            "{\"revision\":2,\"created\":true,\"prev\":null}\n");
  EXPECT_EQ(call("PUT", "/v1/kv/a?prev=true", "\xff").body,
            "{\"revision\":3,\"created\":false,\"prev\":{\"value\":\"one\",\"create_revision\":2,"
            "\"mod_revision\":2,\"version\":1}}\n");
  EXPECT_EQ(call("DELETE", "/v1/kv/a?prev=true").body,
            "{\"revision\":4,\"deleted\":1,\"prev\":{\"value_base64\":\"/w==\",\"create_revision\":"
            "2,\"mod_revision\":3,\"version\":2}}\n");
  EXPECT_EQ(call("PUT", "/v1/kv/a?prev=yes", "x").status, 400);
  EXPECT_EQ(call("DELETE", "/v1/kv?prefix=a&prev=true").status, 400) << "of one key only";
}

}  // namespace
}  // namespace holdfast
