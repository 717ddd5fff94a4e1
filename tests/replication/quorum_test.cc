#include "replication/raft/quorum.h"

#include <cstdint>

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace holdfast::raft {
namespace {

// The same question asked the dumb way: for each value, how many have reached it?
uint64_t counted(const std::vector<uint64_t>& values) {
  uint64_t best = 0;
  for (const uint64_t candidate : values) {
    size_t reached = 0;
    for (const uint64_t value : values) reached += value >= candidate ? 1 : 0;
    if (2 * reached > values.size()) best = std::max(best, candidate);
  }
  return best;
}

TEST(QuorumTest, TwoMajoritiesAlwaysShareAVoter) {
  for (size_t voters = 1; voters <= 9; ++voters) {
    EXPECT_GT(2 * majority(voters), voters);
    EXPECT_LE(2 * (majority(voters) - 1), voters);
  }
}

TEST(QuorumTest, AgreesWithCounting) {
  Random random(1);
  for (int i = 0; i < 10'000; ++i) {
    std::vector<uint64_t> values(1 + random.below(9));
    for (uint64_t& value : values) value = random.below(6);
    EXPECT_EQ(reached_by_majority(values), counted(values));
  }
}

TEST(QuorumTest, NobodyHasReachedAnything) {
  EXPECT_EQ(reached_by_majority(std::vector<uint64_t>{}), 0U);
}

}  // namespace
}  // namespace holdfast::raft
