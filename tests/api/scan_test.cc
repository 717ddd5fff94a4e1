#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/json_text.h"
#include "server/api/key_range.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using std::string_literals::operator""s;
using testing::ElementsAre;
using testing::IsEmpty;

class ScanApi : public ApiTest {
 protected:
  std::vector<std::string> keys(const std::string& query) {
    const http::Response response = call("GET", "/v1/kv" + query);
    EXPECT_EQ(response.status, 200) << query << response.body;
    return keys_of(json_of(response));
  }
  static std::vector<std::string> keys_of(const nlohmann::json& page) {
    std::vector<std::string> found;
    for (const auto& item : page.at("items")) found.push_back(item.at("key"));
    EXPECT_EQ(page.at("count"), found.size());
    return found;
  }
};

TEST_F(ScanApi, AnItemHasEverything) {
  call("PUT", "/v1/kv/a", "one");
  call("PUT", "/v1/kv/a", "t\"w\\o\n");
  EXPECT_EQ(call("GET", "/v1/kv").body,
            "{\"revision\":3,\"items\":[{\"key\":\"a\",\"value\":\"t\\\"w\\\\o\\u000a\","
            "\"create_revision\":2,\"mod_revision\":3,\"version\":2}],\"count\":1}\n");
  EXPECT_EQ(call("GET", "/v1/kv?keys_only=true").body,
            "{\"revision\":3,\"items\":[{\"key\":\"a\",\"create_revision\":2,\"mod_revision\":3,"
            "\"version\":2}],\"count\":1}\n");
  EXPECT_EQ(call("GET", "/v1/kv?count_only=true").body, "{\"revision\":3,\"count\":1}\n");
}

TEST_F(ScanApi, BytesThatAreNoTextAreBase64) {
  call("PUT", "/v1/kv/%ff", "\x00"s);
  const auto item = json_of(call("GET", "/v1/kv")).at("items").at(0);
  EXPECT_EQ(item.at("key_base64"), "/w==");
  EXPECT_EQ(item.at("value"), "\x00"s);
  EXPECT_FALSE(item.contains("key"));
}

TEST_F(ScanApi, RangesAreWhatBothBoundsAndPrefixAllow) {
  for (const char* key : {"a", "b/", "b/1", "b/2", "b0", "c", "%ff%ff"}) {
    call("PUT", "/v1/kv/"s + key, "x");
  }
  EXPECT_THAT(keys("?prefix=b/"), ElementsAre("b/", "b/1", "b/2"));
  EXPECT_THAT(keys("?start=b/1&end=c"), ElementsAre("b/1", "b/2", "b0"));
  EXPECT_THAT(keys("?prefix=b/&start=b/2"), ElementsAre("b/2"));
  EXPECT_THAT(keys("?prefix=b/&end=b/2"), ElementsAre("b/", "b/1"));
  EXPECT_THAT(keys("?prefix=b/&start=a&end=z"), ElementsAre("b/", "b/1", "b/2"));
  EXPECT_THAT(keys("?end=b"), ElementsAre("a"));
  EXPECT_THAT(keys("?start=c&end=b"), IsEmpty());
  EXPECT_THAT(keys("?prefix=b/&start=c"), IsEmpty());
  EXPECT_THAT(keys("?prefix=b&reverse=true"), ElementsAre("b0", "b/2", "b/1", "b/"));
  EXPECT_EQ(json_of(call("GET", "/v1/kv?prefix=%ff")).at("count"), 1);
  EXPECT_EQ(json_of(call("GET", "/v1/kv?count_only=true")).at("count"), 7);
}

TEST_F(ScanApi, PagesAreOneSnapshotInBothDirections) {
  for (int i = 0; i < 25; ++i) call("PUT", fmt::format("/v1/kv/p/{:02}", i), "x");
  for (const bool reverse : {false, true}) {
    for (const int limit : {1, 7, 24, 25, 26}) {
      const std::string bounds = fmt::format("?prefix=p/&limit={}&reverse={}", limit, reverse);
      nlohmann::json page = json_of(call("GET", "/v1/kv" + bounds));
      const uint64_t revision = page.at("revision");
      std::vector<std::string> found = keys_of(page);
      while (page.contains("next")) {
        // What happens in between is not seen.
        call("PUT", "/v1/kv/p/new", "x");
        call("DELETE", "/v1/kv/p/10");
        const std::string cursor = page.at("next");
        const std::string again = found.size() % 2 == 0 ? bounds + "&" : "?limit=7&";
        page = json_of(call("GET", "/v1/kv" + again + "cursor=" + cursor));
        EXPECT_EQ(page.at("revision"), revision);
        for (const std::string& key : keys_of(page)) found.push_back(key);
      }
      ASSERT_EQ(found.size(), 25u) << bounds;
      if (reverse) std::ranges::reverse(found);
      for (int i = 0; i < 25; ++i) {
        EXPECT_EQ(found[static_cast<size_t>(i)], fmt::format("p/{:02}", i));
      }
      call("PUT", "/v1/kv/p/10", "x");
      call("DELETE", "/v1/kv/p/new");
    }
  }
}

TEST_F(ScanApi, APageEndsAtFourMebibytesButHasAtLeastOneItem) {
  const std::string mebibyte(1 << 20, 'x');
  for (int i = 0; i < 5; ++i) call("PUT", fmt::format("/v1/kv/{}", i), mebibyte);
  call("PUT", "/v1/kv/9", mebibyte + mebibyte + mebibyte + mebibyte + mebibyte);
  nlohmann::json page = json_of(call("GET", "/v1/kv"));
  EXPECT_EQ(page.at("count"), 3) << "the fourth and its braces do not fit";
  page = json_of(call("GET", "/v1/kv?cursor=" + page.at("next").get<std::string>()));
  EXPECT_THAT(keys_of(page), ElementsAre("3", "4"));
  page = json_of(call("GET", "/v1/kv?cursor=" + page.at("next").get<std::string>()));
  EXPECT_THAT(keys_of(page), ElementsAre("9"));
  EXPECT_FALSE(page.contains("next"));
}

TEST_F(ScanApi, ACursorIsRefusedWhereItDoesNotBelong) {
  for (const char* key : {"a", "b", "c"}) call("PUT", "/v1/kv/"s + key, "x");
  const std::string next = json_of(call("GET", "/v1/kv?start=a&limit=1")).at("next");
  EXPECT_THAT(keys("?cursor=" + next), ElementsAre("b", "c"));
  EXPECT_THAT(keys("?start=a&cursor=" + next), ElementsAre("b", "c"));
  EXPECT_THAT(keys("?reverse=false&cursor=" + next), ElementsAre("b", "c"));
  for (const std::string& query :
       {"start=b&cursor=" + next, "prefix=a&cursor=" + next, "reverse=true&cursor=" + next,
        "revision=2&cursor=" + next, "cursor="s, "cursor=x"s, "cursor=" + next.substr(1),
        "cursor=" + next.substr(0, 10), "cursor=" + next + "!", "cursor=A" + next}) {
    EXPECT_EQ(call("GET", "/v1/kv?" + query).status, 400) << query;
  }
  // Its revision is fixed, so no leader is asked.
  refuses = raft::RefusalReason::kNoLeader;
  EXPECT_THAT(keys("?cursor=" + next), ElementsAre("b", "c"));
}

TEST_F(ScanApi, LimitsAndFlagsAreChecked) {
  for (const char* query : {"limit=0", "limit=10001", "limit=x", "limit=", "keys_only=1",
                            "keys_only=true&count_only=true", "reverse=yes",
                            "count_only=", "prefx=a", "prefix=a&prefix=b"}) {
    EXPECT_EQ(call("GET", "/v1/kv?"s + query).status, 400) << query;
  }
  EXPECT_EQ(call("GET", "/v1/kv?limit=10000").status, 200);
  EXPECT_EQ(call("GET", "/v1/kv?prefix=" + std::string(4097, 'x')).status, 414);
}

TEST_F(ScanApi, ScansReadThePastAndAreFixedToOneRevision) {
  call("PUT", "/v1/kv/a", "x");
  call("PUT", "/v1/kv/b", "x");
  EXPECT_THAT(keys("?revision=2"), ElementsAre("a"));
  EXPECT_EQ(call("GET", "/v1/kv?revision=9").status, 400);
}

TEST_F(ScanApi, ARangeIsDeletedAtOnce) {
  for (const char* key : {"a", "b/1", "b/2", "c"}) call("PUT", "/v1/kv/"s + key, "x");
  EXPECT_EQ(call("DELETE", "/v1/kv?prefix=b/").body, "{\"revision\":6,\"deleted\":2}\n");
  EXPECT_EQ(call("DELETE", "/v1/kv?prefix=b/").body, "{\"revision\":6,\"deleted\":0}\n");
  EXPECT_EQ(call("DELETE", "/v1/kv?start=z&end=b").body, "{\"revision\":6,\"deleted\":0}\n");
  EXPECT_THAT(keys(""), ElementsAre("a", "c"));
  for (const char* query : {"", "?prefix=", "?start=&end=", "?limit=1&prefix=a"}) {
    EXPECT_EQ(call("DELETE", "/v1/kv"s + query).status, 400) << query;
  }
  const Headers condition = {{"If-Match", "*"}};
  EXPECT_EQ(call("DELETE", "/v1/kv?prefix=a", "", condition).status, 400);
  EXPECT_THAT(keys(""), ElementsAre("a", "c"));
  EXPECT_EQ(call("DELETE", "/v1/kv?start=%00").body, "{\"revision\":7,\"deleted\":2}\n");
}

TEST_F(ScanApi, ARangeThatIsTooLargeIsRefusedWhole) {
  // 4,096 bytes a key: 16 MiB of them are one key too many.
  const std::string long_name(4092, 'k');
  for (int i = 0; i < 4097; ++i) begin("PUT", fmt::format("/v1/kv/{}{:04}", long_name, i), "");
  settle();
  const http::Response response = call("DELETE", "/v1/kv?prefix=k");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(code_of(response), "range_too_large");
  EXPECT_EQ(json_of(response).at("outcome"), "not_applied");
  EXPECT_EQ(json_of(call("GET", "/v1/kv?count_only=true")).at("count"), 4097);
}

TEST(Cursor, ComesBackAsItWentAndNothingElseDoes) {
  const Cursor cursors[] = {
      {{1}, false, "", "", 0},
      {{UINT64_MAX}, true, std::string(4096, '\xff'), std::string(4097, '\0'), UINT64_MAX},
      {{7}, false, "a\0b"s, "c", 5}};
  for (const Cursor& cursor : cursors) {
    const std::string text = encode_cursor(cursor);
    EXPECT_EQ(decode_cursor(text), cursor);
    EXPECT_EQ(
        text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        std::string::npos);
  }
  EXPECT_FALSE(decode_cursor(encode_cursor({{1}, false, std::string(4097, 'a'), "", 0})));
  EXPECT_FALSE(decode_cursor(encode_cursor({{1}, false, "", std::string(4098, 'a'), 0})));
  EXPECT_FALSE(decode_cursor(encode_cursor({{0}, false, "", "", 0})));
}

TEST(JsonText, Base64InBothAlphabets) {
  const auto standard = [](std::string_view bytes) {
    std::string out;
    append_json_bytes(out, "k", bytes);
    return out;
  };
  EXPECT_EQ(standard("\xff"), "\"k_base64\":\"/w==\"");
  EXPECT_EQ(standard("\xff\xfe"), "\"k_base64\":\"//4=\"");
  EXPECT_EQ(standard("\xff\xfe\xfd"), "\"k_base64\":\"//79\"");
  EXPECT_EQ(to_base64url("\xff\xfe"), "__4");
  for (size_t size = 0; size < 10; ++size) {
    const std::string bytes(size, '\xf7');
    EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
  }
  for (const char* bad : {"A", "AB", "/w", "_x", "AAAAA", "__5", "=", "AA=="}) {
    EXPECT_FALSE(from_base64url(bad)) << bad;
  }
}

}  // namespace
}  // namespace holdfast
