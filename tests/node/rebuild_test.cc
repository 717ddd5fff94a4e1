#include "server/rebuild.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/fs/posix.h"

namespace holdfast {
namespace {

class RebuildTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "rebuild-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    group_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(group_); }

  void make_state(const std::string& name, const std::string& word) const {
    std::filesystem::create_directories(group_ + "/" + name);
    std::ofstream(group_ + "/" + name + "/CURRENT") << word;
  }
  std::string file(const std::string& path) const {
    std::ifstream in(group_ + "/" + path);
    std::stringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
  }
  bool there(const std::string& path) const { return std::filesystem::exists(group_ + "/" + path); }
  std::optional<RebuildNote> note() { return read_rebuild_note(fs_, group_).value(); }

  PosixFileSystem fs_;
  std::string group_;
};

TEST_F(RebuildTest, WithoutANoteThereIsNothingToDo) {
  EXPECT_FALSE(note());
}

TEST_F(RebuildTest, TheNoteSaysWhatAndCountsHowOften) {
  ASSERT_TRUE(note_damaged_state(fs_, group_, "000012.sst is damaged"));
  EXPECT_EQ(note()->why, "000012.sst is damaged");
  EXPECT_FALSE(note()->dropped);
  EXPECT_EQ(note()->times, 1);
  ASSERT_TRUE(note_damaged_state(fs_, group_, "again"));
  EXPECT_EQ(note()->times, 2);
}

TEST_F(RebuildTest, NoFlippedByteOfTheNoteIsBelieved) {
  ASSERT_TRUE(note_damaged_state(fs_, group_, "why"));
  const std::string sound = file("REBUILD");
  for (size_t at = 0; at < sound.size(); ++at) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 8);
    std::ofstream(group_ + "/REBUILD", std::ios::trunc) << damaged;
    const auto read = read_rebuild_note(fs_, group_);
    ASSERT_FALSE(read) << at;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt) << at;
  }
}

TEST_F(RebuildTest, TheStateInUseIsPutAsideAndNothingElseIsLeft) {
  make_state("state.1", "older");
  make_state("state.3", "in use");
  make_state("state.new", "staged");
  make_state("damaged-state", "of another time");
  make_state("log", "stays");
  ASSERT_TRUE(note_damaged_state(fs_, group_, "why"));
  std::optional<RebuildNote> to_do = note();
  ASSERT_TRUE(drop_damaged_state(fs_, group_, *to_do));
  EXPECT_TRUE(note()->dropped);
  EXPECT_EQ(file("damaged-state/CURRENT"), "in use");
  EXPECT_EQ(file("log/CURRENT"), "stays");
  for (const char* gone : {"state", "state.1", "state.3", "state.new"}) EXPECT_FALSE(there(gone));
  ASSERT_TRUE(remove_damaged_state(group_));
  EXPECT_FALSE(there("damaged-state"));
}

TEST_F(RebuildTest, ADropThatACrashEndedIsDoneAgain) {
  make_state("state", "in use");
  ASSERT_TRUE(note_damaged_state(fs_, group_, "why"));
  std::filesystem::rename(group_ + "/state", group_ + "/damaged-state");
  std::optional<RebuildNote> to_do = note();
  ASSERT_TRUE(drop_damaged_state(fs_, group_, *to_do));
  EXPECT_TRUE(note()->dropped);
  EXPECT_FALSE(there("state"));
}

TEST_F(RebuildTest, ADiskThatDamagesEachNewStateIsGivenUp) {
  make_state("state", "in use");
  for (int i = 0; i <= kRebuildsMax; ++i) ASSERT_TRUE(note_damaged_state(fs_, group_, "why"));
  std::optional<RebuildNote> to_do = note();
  const auto dropped = drop_damaged_state(fs_, group_, *to_do);
  ASSERT_FALSE(dropped);
  EXPECT_THAT(dropped.error().message, testing::HasSubstr("Replace the disk"));
  EXPECT_TRUE(there("state"));
}

}  // namespace
}  // namespace holdfast
