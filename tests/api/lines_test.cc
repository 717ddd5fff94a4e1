// Scans as NDJSON: every item, a line each, at one revision.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/http/body_stream.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

class LinesApi : public ApiTest {
 protected:
  http::Response begin_lines(const std::string& query) {
    return call("GET", "/v1/kv" + query, "", {{"Accept", "application/x-ndjson"}});
  }
  std::vector<nlohmann::json> lines(const std::string& query) {
    const http::Response response = begin_lines(query);
    EXPECT_EQ(response.status, 200) << response.body;
    std::string text = response.body;
    for (bool more = response.stream != nullptr; more;) {
      const std::string piece = next_of(response.stream).value();
      more = !piece.empty();
      largest_piece = std::max(largest_piece, piece.size());
      text += piece;
      ++pieces;
    }
    std::vector<nlohmann::json> found;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      found.push_back(nlohmann::json::parse(text.substr(at, end - at)));
      at = end + 1;
    }
    return found;
  }
  size_t pieces = 0;
  size_t largest_piece = 0;
};

TEST_F(LinesApi, AnItemALineAndTheCountAtTheEnd) {
  call("PUT", "/v1/kv/a", "one");
  call("PUT", "/v1/kv/%ff", "two");
  const http::Response response = begin_lines("");
  EXPECT_EQ(response.content_type, "application/x-ndjson");
  EXPECT_EQ(response.stream, nullptr) << "all of it was there at once";
  EXPECT_EQ(response.header("Holdfast-Revision"), "3");
  EXPECT_EQ(response.body,
            "{\"key\":\"a\",\"value\":\"one\",\"create_revision\":2,\"mod_revision\":2,"
            "\"version\":1}\n"
            "{\"key_base64\":\"/w==\",\"value\":\"two\",\"create_revision\":3,\"mod_revision\":3,"
            "\"version\":1}\n"
            "{\"revision\":3,\"count\":2}\n");
  EXPECT_EQ(begin_lines("?prefix=none").body, "{\"revision\":3,\"count\":0}\n");
  EXPECT_EQ(begin_lines("?count_only=true").body, "{\"revision\":3,\"count\":2}\n");
}

TEST_F(LinesApi, NoPageLimitAndPiecesOfBoundedSize) {
  constexpr size_t kKeys = 3'000;
  for (size_t i = 0; i < kKeys; ++i)
    call("PUT", fmt::format("/v1/kv/k/{:05}", i), std::string(500, 'v'));
  for (const bool reverse : {false, true}) {
    pieces = largest_piece = 0;
    const auto found = lines(fmt::format("?prefix=k/&reverse={}", reverse));
    ASSERT_EQ(found.size(), kKeys + 1);
    for (size_t i = 0; i < kKeys; ++i) {
      ASSERT_EQ(found[i].at("key"), fmt::format("k/{:05}", reverse ? kKeys - 1 - i : i));
    }
    EXPECT_EQ(found.back().at("count"), kKeys);
    EXPECT_GT(pieces, 4u);
    EXPECT_LT(largest_piece, http::kPieceBytes + 40 * 1024);
  }
  EXPECT_EQ(lines("?prefix=k/&limit=2500").size(), 2'501u);
  EXPECT_EQ(lines("?prefix=k/&limit=1").size(), 2u);
}

TEST_F(LinesApi, WhatHappensMeanwhileIsNotSeen) {
  for (int i = 0; i < 60; ++i)
    call("PUT", fmt::format("/v1/kv/{:02}", i), std::string(20'000, 'v'));
  const http::Response response = begin_lines("");
  ASSERT_NE(response.stream, nullptr);
  call("DELETE", "/v1/kv?start=%00");
  call("PUT", "/v1/kv/new", "x");
  std::string text = response.body;
  for (std::string piece = next_of(response.stream).value(); !piece.empty();
       piece = next_of(response.stream).value()) {
    text += piece;
  }
  EXPECT_TRUE(text.ends_with("{\"revision\":61,\"count\":60}\n")) << text.substr(text.size() - 60);
}

TEST_F(LinesApi, AFloorThatRisesMeanwhileEndsItAndNeverThinsIt) {
  for (int i = 0; i < 60; ++i)
    call("PUT", fmt::format("/v1/kv/{:02}", i), std::string(20'000, 'v'));
  const http::Response response = begin_lines("");
  ASSERT_NE(response.stream, nullptr);
  call("PUT", "/v1/kv/00", "x");
  obey({.act = CompactCommand{Revision{62}}});
  EXPECT_FALSE(next_of(response.stream).has_value());
}

TEST_F(LinesApi, TheDeadlineIsForTheFirstByteOnly) {
  for (int i = 0; i < 60; ++i)
    call("PUT", fmt::format("/v1/kv/{:02}", i), std::string(20'000, 'v'));
  const http::Response response = begin_lines("?timeout=1s");
  ASSERT_NE(response.stream, nullptr);
  clock.advance(std::chrono::seconds(100));
  EXPECT_TRUE(next_of(response.stream).has_value());
}

TEST_F(LinesApi, OnlyWhoAsksForItByNameGetsIt) {
  for (const char* accept : {"*/*", "application/json", "application/x-ndjson;q=0",
                             "application/x-ndjson-not, text/html"}) {
    EXPECT_EQ(call("GET", "/v1/kv", "", {{"Accept", accept}}).content_type, "application/json")
        << accept;
  }
  for (const char* accept :
       {"Application/X-NDJSON", "text/html, application/x-ndjson;q=0.5 , */*"}) {
    EXPECT_EQ(call("GET", "/v1/kv", "", {{"Accept", accept}}).content_type, "application/x-ndjson")
        << accept;
  }
  EXPECT_EQ(begin_lines("?limit=0").status, 400);
  EXPECT_EQ(begin_lines("?revision=99").status, 400);
}

}  // namespace
}  // namespace holdfast
