// What each product is asked, byte for byte, and what its answers are taken for.

#include "bench/load/dialect.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace holdfast::load {
namespace {

Settings settings_of(Product product, const char* workload) {
  Settings settings{.product = product,
                    .endpoints = {{.host = "127.0.0.1", .port = 99}},
                    .workload = *find_workload(workload)};
  settings.key_prefix = "a b/";
  settings.value = {.least = 3, .most = 3};
  return settings;
}

std::string asked(const Settings& settings, const Operation& operation) {
  std::string out = "before";
  make_dialect(settings)->ask(operation, out);
  EXPECT_TRUE(out.starts_with("before"));
  return out.substr(6);
}

std::string body_of(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

// The request, if the length that it says is that of its body.
void expect_framed(const std::string& request) {
  const size_t at = request.find("Content-Length: ");
  ASSERT_NE(at, std::string::npos) << request;
  EXPECT_EQ(std::stoul(request.substr(at + 16)), body_of(request).size());
}

TEST(DialectTest, HoldfastIsAskedForKeys) {
  Settings settings = settings_of(Product::kHoldfast, "put");
  EXPECT_EQ(asked(settings, {.kind = OpKind::kGet, .key = 12}),
            "GET /v1/kv/a%20b/0000000012 HTTP/1.1\r\nHost: 127.0.0.1:99\r\n\r\n");
  const std::string put =
      asked(settings, {.kind = OpKind::kPut, .key = 1'234'567'890, .value_size = 3});
  EXPECT_TRUE(put.starts_with(
      "PUT /v1/kv/a%20b/1234567890 HTTP/1.1\r\nHost: 127.0.0.1:99\r\nContent-Length: 3\r\n\r\n"));
  expect_framed(put);
  settings.consistency = Consistency::kLocal;
  EXPECT_EQ(asked(settings, {.kind = OpKind::kGet}),
            "GET /v1/kv/a%20b/0000000000?consistency=local HTTP/1.1\r\nHost: 127.0.0.1:99\r\n\r\n");
  EXPECT_TRUE(asked(settings, {.kind = OpKind::kScan, .key = 7, .count = 5})
                  .starts_with("GET /v1/kv?prefix=a%20b%2F&start=a%20b%2F0000000007&limit=5&"
                               "consistency=local HTTP/1.1\r\n"));
}

TEST(DialectTest, HoldfastsTransactionsAndBulkAreJson) {
  const Settings settings = settings_of(Product::kHoldfast, "txn");
  const std::string txn =
      asked(settings, {.kind = OpKind::kTxn, .key = 1, .keys = 100, .count = 4, .value_size = 3});
  expect_framed(txn);
  const auto body = nlohmann::json::parse(body_of(txn));
  EXPECT_EQ(body["if"].size(), 1U);
  ASSERT_EQ(body["then"].size(), 4U);
  EXPECT_EQ(body["then"][0]["get"]["key"], "a b/0000000001");
  EXPECT_EQ(body["then"][1]["put"]["value"].get<std::string>().size(), 3U);
  const std::string bulk =
      asked(settings, {.kind = OpKind::kBulk, .key = 1, .keys = 100, .count = 3, .value_size = 3});
  expect_framed(bulk);
  const std::string lines = body_of(bulk);
  EXPECT_EQ(std::ranges::count(lines, '\n'), 3);
  EXPECT_EQ(nlohmann::json::parse(lines.substr(0, lines.find('\n')))["put"]["key"],
            "a b/0000000001");
}

TEST(DialectTest, HoldfastsAnswersAreTakenForWhatTheySay) {
  const Settings settings = settings_of(Product::kHoldfast, "bulk");
  const std::unique_ptr<Dialect> dialect = make_dialect(settings);
  const auto fate = [&](OpKind kind, unsigned status, std::string_view body) {
    return dialect->judge({.kind = kind}, 0, {.status = status, .body = body}).fate;
  };
  EXPECT_EQ(fate(OpKind::kPut, 201, ""), Fate::kOk);
  EXPECT_EQ(fate(OpKind::kGet, 404, "{}"), Fate::kMissing);
  EXPECT_EQ(fate(OpKind::kPut, 404, "{}"), Fate::kRefused);
  EXPECT_EQ(fate(OpKind::kPut, 503, R"({"code":"no_leader","outcome":"not_applied"})"),
            Fate::kRefused);
  EXPECT_EQ(fate(OpKind::kPut, 504, R"({"code":"timeout","outcome":"unknown"})"), Fate::kUnknown);
  // Who does not say that nothing happened may have done it.
  EXPECT_EQ(fate(OpKind::kPut, 502, "<html>"), Fate::kUnknown);
  EXPECT_EQ(dialect->judge({.kind = OpKind::kPut}, 0, {.status = 502, .body = "<html>"}).code,
            "http_502");
  EXPECT_EQ(dialect
                ->judge({.kind = OpKind::kPut}, 0,
                        {.status = 429, .body = R"({"code":"too_many_requests"})"})
                .code,
            "too_many_requests");
}

TEST(DialectTest, EachLineOfABulkCounts) {
  const Settings settings = settings_of(Product::kHoldfast, "bulk");
  const std::unique_ptr<Dialect> dialect = make_dialect(settings);
  const Operation operation{.kind = OpKind::kBulk, .count = 3};
  const Answer answer = dialect->judge(operation, 0, {.status = 200, .body = R"({"revision":2}
{"error":{"line":2,"status":413,"code":"value_too_large","outcome":"not_applied"}}
{"revision":3,"put":{"created":true}}
)"});
  EXPECT_EQ(answer.done, 2U);
  EXPECT_EQ(answer.refused, 1U);
  EXPECT_EQ(answer.code, "value_too_large");
  const Answer unknown = dialect->judge(operation, 0, {.status = 200, .body = R"({"revision":2}
{"error":{"line":2,"status":504,"code":"timeout","outcome":"unknown"}}
{"error":{"line":3,"status":503,"code":"not_ready","outcome":"not_applied"}}
)"});
  EXPECT_EQ(unknown.done, 1U);
  EXPECT_EQ(unknown.refused, 1U);
  EXPECT_EQ(unknown.unknown, 1U);
  // One that is the last speaks for all behind it.
  const Answer last = dialect->judge(operation, 0, {.status = 200, .body = R"(
{"error":{"line":1,"status":503,"code":"not_ready","outcome":"not_applied","last":true}}
)"});
  EXPECT_EQ(last.done, 0U);
  EXPECT_EQ(last.refused, 3U);
  const Answer last_unknown = dialect->judge(operation, 0, {.status = 200, .body = R"({"revision":2}
{"error":{"line":2,"status":504,"code":"timeout","outcome":"unknown","last":true}}
)"});
  EXPECT_EQ(last_unknown.done, 1U);
  EXPECT_EQ(last_unknown.refused, 0U);
  EXPECT_EQ(last_unknown.unknown, 2U);
  const Answer short_one = dialect->judge(operation, 0, {.status = 200, .body = "{}\n{}\n"});
  EXPECT_EQ(short_one.fate, Fate::kUnknown);
  EXPECT_EQ(short_one.code, "lines_missing");
}

TEST(DialectTest, EtcdIsAskedThroughItsGateway) {
  Settings settings = settings_of(Product::kEtcd, "put");
  const std::string get = asked(settings, {.kind = OpKind::kGet, .key = 1});
  EXPECT_TRUE(get.starts_with("POST /v3/kv/range HTTP/1.1\r\n"));
  expect_framed(get);
  EXPECT_EQ(body_of(get), R"({"key":"YSBiLzAwMDAwMDAwMDE="})");
  settings.consistency = Consistency::kLocal;
  EXPECT_EQ(body_of(asked(settings, {.kind = OpKind::kGet, .key = 1})),
            R"({"key":"YSBiLzAwMDAwMDAwMDE=","serializable":true})");
  const std::string put = asked(settings, {.kind = OpKind::kPut, .key = 1, .value_size = 3});
  expect_framed(put);
  EXPECT_EQ(nlohmann::json::parse(body_of(put))["value"].get<std::string>().size(), 4U);
  EXPECT_TRUE(nlohmann::json::accept(body_of(
      asked(settings, {.kind = OpKind::kTxn, .key = 1, .keys = 9, .count = 4, .value_size = 3}))));
  const std::unique_ptr<Dialect> dialect = make_dialect(settings);
  EXPECT_EQ(
      dialect->judge({.kind = OpKind::kGet}, 0, {.status = 200, .body = R"({"kvs":[]})"}).fate,
      Fate::kOk);
  EXPECT_EQ(dialect->judge({.kind = OpKind::kGet}, 0, {.status = 200, .body = "{}"}).fate,
            Fate::kMissing);
}

TEST(DialectTest, AWriteOfRedisCountsOnceReplicasHaveIt) {
  Settings settings = settings_of(Product::kRedis, "put");
  const Operation put{.kind = OpKind::kPut, .key = 1, .value_size = 3};
  const std::string request = asked(settings, put);
  EXPECT_TRUE(request.starts_with("*3\r\n$3\r\nSET\r\n$14\r\na b/0000000001\r\n$3\r\n"));
  EXPECT_TRUE(request.ends_with("*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n5000\r\n"));
  const std::unique_ptr<Dialect> dialect = make_dialect(settings);
  EXPECT_EQ(dialect->answers_of(put), 2U);
  EXPECT_EQ(dialect->answers_of({.kind = OpKind::kGet}), 1U);
  EXPECT_EQ(dialect->judge(put, 0, {.status = 200, .body = "OK"}).fate, Fate::kOk);
  EXPECT_EQ(dialect->judge(put, 1, {.status = 200, .body = "1"}).fate, Fate::kOk);
  EXPECT_EQ(dialect->judge(put, 1, {.status = 200, .body = "0"}).code, "too_few_replicas");
  EXPECT_EQ(dialect->judge(put, 0, {.status = 500, .body = "LOADING Redis is loading"}).code,
            "LOADING");
  settings.wait_replicas = 0;
  EXPECT_EQ(make_dialect(settings)->answers_of(put), 1U);
}

TEST(DialectTest, AStampIsFoundHoweverTheStreamIsCut) {
  const Instant due(Duration(1'234'567'890'123'456'789));
  std::string value(40, 'v');
  stamp_value(due, value);
  EXPECT_EQ(value.size(), 40U);
  const std::string stream = "data: {\"value\":\"" + value + "\"}\n\ndata: {\"value\":\"" + value;
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    std::string text = stream.substr(0, cut);
    std::vector<Instant> found = take_stamps(text);
    text += stream.substr(cut);
    for (const Instant one : take_stamps(text)) found.push_back(one);
    EXPECT_EQ(found, (std::vector<Instant>{due, due})) << cut;
    EXPECT_LE(text.size(), 26U);
  }
}

}  // namespace
}  // namespace holdfast::load
