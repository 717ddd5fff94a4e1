// What a power cut takes of a log: what was written after the last look, and never what was there.

#include "bench/drill/log_tail.h"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::drill {
namespace {

constexpr size_t kBlockSize = 4096;

class LogTailTest : public testing::Test {
 protected:
  LogTailTest() {
    std::string path = testing::TempDir() + "log-tail-XXXXXX";
    directory_ = ::mkdtemp(path.data());
    std::ofstream(segment(), std::ios::binary) << std::string(3U << 20, '\0');
    write(0, 'a');
  }
  ~LogTailTest() override { std::filesystem::remove_all(directory_); }

  std::string segment() const { return directory_ + "/segment-1"; }
  void write(size_t block, char with) const {
    std::fstream file(segment(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(block * kBlockSize));
    file << std::string(kBlockSize, with);
  }
  char at(size_t block) const {
    std::ifstream file(segment(), std::ios::binary);
    file.seekg(static_cast<std::streamoff>(block * kBlockSize));
    return static_cast<char>(file.get());
  }

  std::string directory_;
};

TEST_F(LogTailTest, WhatIsWrittenAfterTheLookIsTakenBack) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    Result<LogTail> tail = LogTail::find(directory_);
    ASSERT_TRUE(tail);
    tail->remember();
    EXPECT_FALSE(tail->is_written());
    write(1, 'b');
    write(2, 'c');
    EXPECT_TRUE(tail->is_written());
    Random random(seed);
    const Result<size_t> taken = tail->take_back(random);
    ASSERT_TRUE(taken);
    ASSERT_THAT(*taken, testing::AnyOf(1, 2));
    EXPECT_EQ(at(0), 'a');
    EXPECT_EQ(at(1), *taken == 2 ? '\0' : 'b');
    EXPECT_EQ(at(2), '\0');
    write(1, '\0');
  }
}

TEST_F(LogTailTest, WhereNothingIsWrittenNothingIsTakenAndNothingIsShown) {
  Result<LogTail> tail = LogTail::find(directory_);
  ASSERT_TRUE(tail);
  tail->remember();
  Random random(1);
  const Result<size_t> taken = tail->take_back(random);
  ASSERT_TRUE(taken);
  EXPECT_EQ(*taken, 0);
  ASSERT_FALSE(check_loss(*taken));
  EXPECT_THAT(check_loss(*taken).error().message, testing::HasSubstr("has shown nothing"));
  EXPECT_TRUE(check_loss(1));
}

TEST_F(LogTailTest, ASegmentThatAnotherFollowsIsOnTheDisk) {
  Result<LogTail> tail = LogTail::find(directory_);
  ASSERT_TRUE(tail);
  tail->remember();
  write(1, 'b');
  std::ofstream(directory_ + "/segment-2") << "x";
  Random random(1);
  EXPECT_EQ(*tail->take_back(random), 0);
  EXPECT_EQ(at(1), 'b');
}

}  // namespace
}  // namespace holdfast::drill
