#include <gtest/gtest.h>

#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/base/random.h"

namespace holdfast {
namespace {

TEST(Random, SameSeedGivesTheSameRunOnEveryPlatform) {
  Random random(1);
  // Fixed figures: a change of generator or distribution would make every kept seed worthless.
  EXPECT_EQ(random.next(), 14971601782005023387ULL);
  EXPECT_EQ(random.next(), 13781649495232077965ULL);
}

TEST(Random, BelowStaysBelowAndReachesBothEnds) {
  Random random(7);
  std::vector<int> seen(5);
  for (int i = 0; i < 1000; ++i) ++seen.at(random.below(5));
  for (const int count : seen) EXPECT_GT(count, 100);
}

TEST(Bytes, CarryTheChecksumOfTheirContent) {
  const Bytes bytes(std::string("holdfast"));
  EXPECT_EQ(bytes.checksum(), checksum("holdfast"));
  EXPECT_NE(bytes.checksum(), checksum("holdfasT"));
  EXPECT_EQ(Bytes().checksum(), checksum(""));
}

TEST(FixedReader, NeverReadsPastTheEnd) {
  std::string bytes;
  put_fixed<uint32_t>(bytes, 7);
  bytes.push_back('x');
  FixedReader reader(bytes);
  EXPECT_EQ(reader.take<uint32_t>(), 7u);
  EXPECT_EQ(reader.take<uint32_t>(), std::nullopt);
  EXPECT_EQ(reader.take_bytes(2), std::nullopt);
  EXPECT_EQ(reader.take_bytes(1), "x");
}

TEST(CheckDeathTest, SaysWhatDidNotHoldAndWhere) {
  EXPECT_DEATH(CHECK(1 == 2, "seen {}", 3), "base_test.cc:[0-9]+: 1 == 2 seen 3");
}

}  // namespace
}  // namespace holdfast
