#include "server/api/json_body.h"

#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

std::string objection(std::string_view body, size_t values_max = 1000) {
  const auto parsed = parse_json(body, values_max);
  return parsed ? "" : parsed.error().detail;
}

std::string times(size_t count, std::string_view text) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all.append(text);
  return all;
}

TEST(JsonBody, NestsOnlySoDeep) {
  EXPECT_EQ(objection(times(32, "[") + times(32, "]")), "");
  EXPECT_THAT(objection(times(33, "[") + times(33, "]")), HasSubstr("deeper than 32 levels"));
  EXPECT_THAT(objection(times(17, R"([{"a":)") + "1" + times(17, "}]")), HasSubstr("deeper"));
  EXPECT_THAT(objection(times(1'000'000, "[")), HasSubstr("deeper")) << "what is never closed, too";
  EXPECT_EQ(objection("[" + times(100, "[[]],") + "{}]"), "") << "what is closed counts no more";
  // A bracket in text is none, whatever is escaped before it.
  const std::string brackets = times(40, "[");
  EXPECT_EQ(objection("[\"" + brackets + R"(","\")" + brackets + R"(","\\",""])"), "");
  EXPECT_THAT(objection(R"(["\\",)" + brackets), HasSubstr("deeper"));
}

TEST(JsonBody, HasOnlySoManyValues) {
  const char* const seven = R"([null,true,-1,0.5,{"a":"b"}])";
  EXPECT_EQ(objection(seven, 7), "");
  EXPECT_THAT(objection(seven, 6), HasSubstr("more than 6 values"));
  EXPECT_THAT(objection("[" + times(1'000'000, "{},"), 1000), HasSubstr("more than 1000 values"))
      << "seen before anything is built of it, and before its end";
}

TEST(JsonBody, NamesNothingTwice) {
  EXPECT_THAT(objection(R"({"a":1,"b":2,"a":3})"), HasSubstr("the field 'a' twice"));
  EXPECT_THAT(objection(R"({"a":{"c":1,"c":2}})"), HasSubstr("the field 'c' twice"));
  EXPECT_THAT(objection(R"({"a":{"b":1},"a":2})"), HasSubstr("the field 'a' twice"));
  EXPECT_THAT(objection(R"({"a":1,"\u0061":2})"), HasSubstr("the field 'a' twice"));
  EXPECT_EQ(objection(R"({"a":{"a":[{"a":1},{"a":2}]}})"), "");
}

TEST(JsonBody, IsJsonAndNothingBehind) {
  for (const char* body :
       {"", "{", "{}{}", "nul", "{\"a\":\"\xff\"}", "[1e999]", "{'a':1}", "[1,]"})
    EXPECT_THAT(objection(body), HasSubstr("no JSON")) << body;
}

// Many small objects: what goes at each one's end through all before it takes longer for these than
// any test may.
TEST(JsonBody, CostsWhatItsLengthCosts) {
  constexpr size_t kObjects = 1'000'000;
  const std::string body = "[" + times(kObjects, R"({"a":1},)") + "{}]";
  EXPECT_EQ(objection(body, 3 * kObjects + 2), "");
}

class JsonBodyApi : public ApiTest {};

TEST_F(JsonBodyApi, EveryCallReadsItsBodyStrictly) {
  struct Case {
    const char* method;
    const char* target;
    const char* field;
    const char* value;
  };
  for (const Case& one : {Case{"POST", "/v1/leases", "ttl", "\"10s\""},
                          {"POST", "/v1/compact", "revision", "1"},
                          {"PATCH", "/v1/cluster/settings", "keep_history", "\"2h\""},
                          {"POST", "/v1/cluster/leader", "to", "\"n2\""},
                          {"POST", "/v1/cluster/members", "name", "\"n2\""},
                          {"POST", "/v1/txn", "then", "[]"}}) {
    const std::string field = std::string("\"") + one.field + "\":" + one.value;
    const http::Response doubled = call(one.method, one.target, "{" + field + "," + field + "}");
    EXPECT_EQ(doubled.status, 400) << one.target;
    EXPECT_THAT(doubled.body, HasSubstr("twice")) << one.target;
    const http::Response unknown = call(one.method, one.target, "{" + field + ",\"x\":1}");
    EXPECT_EQ(unknown.status, 400) << one.target;
    EXPECT_THAT(unknown.body, HasSubstr("x: this field is not known")) << one.target;
    const http::Response deep = call(one.method, one.target, times(40, "[") + times(40, "]"));
    EXPECT_THAT(deep.body, HasSubstr("deeper")) << one.target;
  }
}

TEST_F(JsonBodyApi, AFewFieldsAreSmall) {
  for (const auto& [method, target] : {std::pair{"POST", "/v1/leases"},
                                       {"POST", "/v1/compact"},
                                       {"PATCH", "/v1/cluster/settings"},
                                       {"POST", "/v1/cluster/leader"},
                                       {"POST", "/v1/cluster/members"}}) {
    const std::string spaces((64 << 10) - 2, ' ');
    EXPECT_NE(call(method, target, "{" + spaces + "}").status, 413) << target;
    const http::Response large = call(method, target, "{" + spaces + " }");
    EXPECT_EQ(large.status, 413) << target;
    EXPECT_EQ(code_of(large), "value_too_large");
    EXPECT_EQ(nlohmann::json::parse(large.body).at("limit"), 64 << 10);
  }
}

TEST_F(JsonBodyApi, ATransactionOfTooManyValuesIsRefused) {
  const http::Response refused = call("POST", "/v1/txn", "{\"then\":[" + times(300'000, "{},"));
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("more than 300000 values"));
}

}  // namespace
}  // namespace holdfast
