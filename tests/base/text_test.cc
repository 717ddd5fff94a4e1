#include "storage/base/text.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Text, Numbers) {
  EXPECT_EQ(with_commas(7), "7");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(counted(0, "key"), "0 keys");
  EXPECT_EQ(counted(1, "key"), "1 key");
  EXPECT_EQ(counted(12345, "key"), "12,345 keys");
}

TEST(Text, KnowsUtf8) {
  for (const char* text : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* bytes :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80", "\xff", "a\xe2\x82", "\xe2\x28\xa1"}) {
    EXPECT_FALSE(is_utf8(bytes)) << bytes;
  }
}

TEST(Text, Durations) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("30s"), seconds(30));
  EXPECT_EQ(parse_duration("5m"), minutes(5));
  EXPECT_EQ(parse_duration("2h"), hours(2));
  EXPECT_EQ(parse_duration("0s"), Duration::zero());
  EXPECT_EQ(parse_duration("878400h"), hours(878'400));
  for (const char* text : {"", "5", "s", "-5s", "+5s", "1.5s", "5 s", "878401h", "99999999999s",
                           "99999999999999999999h", "1d"})
    EXPECT_FALSE(parse_duration(text)) << text;
  for (const char* text : {"250ms", "30s", "5m", "2h"})
    EXPECT_EQ(duration_text(parse_duration(text).value()), text);
}

TEST(Text, Moments) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z"), 0u);
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z"), 1500u);
  EXPECT_EQ(parse_time("1970-01-01t01:00:00.001999z"), 3'600'001u);
  EXPECT_EQ(parse_time("1970-01-02 00:00:00+01:30"), (24 * 3600 - 5400) * 1000u);
  EXPECT_EQ(parse_time("1969-12-31T23:00:00-01:00"), 0u);
  EXPECT_EQ(parse_time("2024-02-29T12:00:00Z"), 1'709'208'000'000u);
  for (const char* wrong :
       {"", "2024", "1969-12-31T23:59:59Z", "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00Zx",
        "2024-1-01T00:00:00Z", "-024-01-01T00:00:00Z", "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:60Z", "2024-13-01T00:00:00Z"})
    EXPECT_EQ(parse_time(wrong), std::nullopt) << wrong;
  for (const uint64_t ms :
       {uint64_t{0}, uint64_t{1'709'208'000'007}, uint64_t{253'402'300'799'999}})
    EXPECT_EQ(parse_time(time_text(ms)), ms);
  EXPECT_EQ(time_text(1'709'208'000'007), "2024-02-29T12:00:00.007Z");
  EXPECT_EQ(time_text(WallTime(milliseconds(1500))), "1970-01-01T00:00:01.500Z");
}

}  // namespace
}  // namespace holdfast
