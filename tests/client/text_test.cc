#include <gtest/gtest.h>

#include "client/endpoint.h"
#include "client/text_forms.h"

namespace holdfast {
namespace {

TEST(Endpoint, IsReadInEveryForm) {
  EXPECT_EQ(parse_endpoint("http://db1:7000")->url(), "http://db1:7000");
  EXPECT_EQ(parse_endpoint("http://db1:7000/")->url(), "http://db1:7000");
  EXPECT_EQ(parse_endpoint("db1")->url(), "http://db1:4653");
  EXPECT_EQ(parse_endpoint("[::1]:80")->authority(), "[::1]:80");
  EXPECT_EQ(parse_endpoint("[::1]")->host, "::1");
  EXPECT_EQ(parse_endpoints("a:1,b:2")->at(1).port, 2);
}

TEST(Endpoint, SaysWhatIsWrong) {
  for (const char* text : {"", "http://", "https://a", "a:0", "a:65536", "a:x", "a:", "a/b", "[::1",
                           "[::1]80", "a b", "user@a"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_EQ(endpoint.error().code, ErrorCode::kInvalid);
  }
  EXPECT_FALSE(parse_endpoints("a:1,"));
}

TEST(Base64, RoundsTripAndRefusesWhatItDidNotWrite) {
  // RFC 4648, section 10.
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  for (const std::string bytes : {"", "f", "fo", "foo", "foob", "\xff\xfe\x01"}) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
  for (const char* text : {"Z", "Zg=", "Zg==Zg==", "Zg\n=", "====", "Z===", "Zg-_"}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
}

TEST(PercentEncoding, LeavesSlashesOnlyInPaths) {
  EXPECT_EQ(path_encoded("a/b c%?#\xff"), "a/b%20c%25%3F%23%FF");
  EXPECT_EQ(query_encoded("a/b&c=~"), "a%2Fb%26c%3D~");
}

}  // namespace
}  // namespace holdfast
