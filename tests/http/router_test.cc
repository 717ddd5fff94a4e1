#include "server/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/query.h"

namespace holdfast::http {
namespace {

using std::string_literals::operator""s;

Task<Response> first(Services&, Request) {
  co_return Response(200);
}
Task<Response> second(Services&, Request) {
  co_return Response(200);
}

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    router.add(Method::kGet, "/v1/kv", Access::kRead, first);
    router.add(Method::kGet, "/v1/kv/{key}", Access::kRead, second);
    router.add(Method::kPut, "/v1/kv/{key}", Access::kWrite, second);
  }
  Router router;
};

TEST(PercentDecode, DecodesOnceAndChangesNothingElse) {
  const struct {
    std::string_view encoded;
    std::string bytes;
  } rows[] = {
      {"", ""},         {"a", "a"},           {"a%2Fb", "a/b"}, {"a/b", "a/b"},
      {"%2f", "/"},     {"a/../b", "a/../b"}, {"%2e%2e", ".."}, {"//", "//"},
      {"a+b", "a+b"},   {"%2B", "+"},         {"%00", "\0"s},   {"%ff", "\xff"},
      {"%252F", "%2F"}, {"%25", "%"},         {"%41%42", "AB"},
  };
  for (const auto& row : rows) {
    const auto bytes = percent_decode(row.encoded);
    ASSERT_TRUE(bytes) << row.encoded;
    EXPECT_EQ(*bytes, row.bytes) << row.encoded;
  }
}

TEST(PercentDecode, RefusesWhatIsNoEncoding) {
  for (const char* bad : {"%", "%4", "%g0", "%0g", "a%", "%%41", "% 41", "%+1", "%-1"}) {
    EXPECT_FALSE(percent_decode(bad)) << bad;
  }
}

TEST(Query, GivesEachParameterOnce) {
  auto query = Query::parse("prefix=a%2Fb+c&limit=10&empty=&bare");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->take("prefix"), "a/b+c");
  EXPECT_EQ(query->take("limit"), "10");
  EXPECT_EQ(query->take("limit"), std::nullopt);
  EXPECT_EQ(query->take("empty"), "");
  EXPECT_FALSE(query->finish()) << "'bare' was not taken";
  EXPECT_EQ(query->take("bare"), "");
  EXPECT_TRUE(query->finish());
}

TEST(Query, RefusesRepeatedUnknownAndBroken) {
  EXPECT_FALSE(Query::parse("a=1&a=2"));
  EXPECT_FALSE(Query::parse("a=1&%61=2")) << "the same name in another spelling";
  EXPECT_FALSE(Query::parse("a=%zz"));
  EXPECT_FALSE(Query::parse("%=1"));
  EXPECT_THAT(Query::parse("limt=1")->finish().error().message, testing::HasSubstr("'limt'"));
}

TEST_F(RouterTest, TakesThePlainPathBeforeTheParameter) {
  Request request(Method::kGet, "/v1/kv?prefix=a");
  auto route = router.match(request);
  ASSERT_TRUE(route);
  EXPECT_EQ((*route)->handler, &first);
  EXPECT_EQ(request.query(), "prefix=a");
}

TEST_F(RouterTest, DecodesTheParameterOnceAndKeepsItsPath) {
  const struct {
    std::string_view target;
    std::string parameter;
  } rows[] = {{"/v1/kv/a/b?x=/y", "a/b"},
              {"/v1/kv/a%2Fb", "a/b"},
              {"/v1/kv/../x", "../x"},
              {"/v1/kv//a//", "/a//"},
              {"/v1/kv/%2e%2e%2fx", "../x"},
              {"/v1/kv/%3F%23", "?#"},
              {"/v1/kv/", ""},
              {"http://host:1/v1/kv/a", "a"},
              {"HTTP://host/v1/kv/a?b", "a"}};
  for (const auto& row : rows) {
    Request request(Method::kPut, row.target);
    auto route = router.match(request);
    ASSERT_TRUE(route) << row.target;
    EXPECT_EQ((*route)->handler, &second) << row.target;
    EXPECT_EQ(request.parameter, row.parameter) << row.target;
  }
}

TEST_F(RouterTest, SaysWhatIsNotThereAndWhatIsAllowed) {
  for (const char* target :
       {"/", "/v1/kvx", "/v1", "/V1/kv", "/v1//kv", "/v1/%6bv", "http://host"}) {
    Request request(Method::kGet, target);
    auto route = router.match(request);
    ASSERT_FALSE(route) << target;
    EXPECT_EQ(route.error().status, 404) << target;
  }
  Request request(Method::kPost, "/v1/kv/a");
  auto route = router.match(request);
  ASSERT_FALSE(route);
  EXPECT_EQ(route.error().status, 405);
  EXPECT_EQ(route.error().header("allow"), "GET, HEAD, PUT");

  Request broken(Method::kGet, "/v1/kv/%g1");
  EXPECT_EQ(router.match(broken).error().status, 400);
}

TEST_F(RouterTest, HeadIsAnsweredByTheGetRoute) {
  Request request(Method::kHead, "/v1/kv/a");
  auto route = router.match(request);
  ASSERT_TRUE(route);
  EXPECT_EQ((*route)->handler, &second);
}

TEST(Problem, IsProblemJson) {
  const Response response = answer({.code = Code::kNoLeader, .detail = "no \"leader\" \xff"});
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.header("retry-after"), "1");
  EXPECT_EQ(response.body,
            "{\"type\":\"urn:holdfast:problem:no_leader\",\"title\":\"No leader\",\"status\":503,"
            "\"detail\":\"no \\\"leader\\\" \xEF\xBF\xBD\",\"code\":\"no_leader\","
            "\"outcome\":\"not_applied\",\"retryable\":true}\n");
}

TEST(Response, AHeaderValueNeverEndsItsLine) {
  Response response;
  response.add_header("Holdfast-Leader", "http://a\r\nX: y");
  EXPECT_EQ(response.header_lines(), "Holdfast-Leader: http://a  X: y\r\n");
}

}  // namespace
}  // namespace holdfast::http
