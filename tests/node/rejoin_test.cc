#include "server/rejoin.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "storage/fs/posix.h"

namespace holdfast {
namespace {

namespace files = std::filesystem;

const RejoinNote kDue{.old_id = {7},
                      .cluster = {9},
                      .stays_learner = true,
                      .asked = true,
                      .urls = {"http://h1:1", "http://h2:2"},
                      .why = "segment-3: damaged\nat 12"};

class RejoinTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "rejoin-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    data_ = pattern;
  }
  void TearDown() override { files::remove_all(data_); }

  void make(const std::string& path, const std::string& word) const {
    files::create_directories(files::path(data_ + "/" + path).parent_path());
    std::ofstream(data_ + "/" + path) << word;
  }
  std::string file(const std::string& path) const {
    std::ifstream in(data_ + "/" + path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  PosixFileSystem fs_;
  std::string data_;
};

TEST_F(RejoinTest, TheNoteIsReadBackUntilItIsDone) {
  EXPECT_EQ(read_rejoin_note(fs_, data_).value(), std::nullopt);
  ASSERT_TRUE(note_rejoin(fs_, data_, kDue));
  EXPECT_EQ(read_rejoin_note(fs_, data_).value(), kDue);
  ASSERT_TRUE(end_rejoin(fs_, data_));
  EXPECT_EQ(read_rejoin_note(fs_, data_).value(), std::nullopt);
}

TEST_F(RejoinTest, NoFlippedByteOfTheNoteIsBelieved) {
  ASSERT_TRUE(note_rejoin(fs_, data_, kDue));
  const std::string sound = file("REJOIN");
  for (size_t at = 0; at < sound.size(); ++at) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 8);
    make("REJOIN", damaged);
    const auto read = read_rejoin_note(fs_, data_);
    ASSERT_FALSE(read) << at;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt) << at;
  }
}

TEST_F(RejoinTest, TheUrlsThatWereNotedLastAreKnownUnlessTheNoteIsDamaged) {
  EXPECT_TRUE(noted_urls(fs_, data_).empty());
  ASSERT_TRUE(note_urls(fs_, data_, {"http://h9:9"}));
  ASSERT_TRUE(note_urls(fs_, data_, kDue.urls));
  EXPECT_EQ(noted_urls(fs_, data_), kDue.urls);
  // A state that is made anew knows nobody for a while.
  ASSERT_TRUE(note_urls(fs_, data_, {}));
  EXPECT_EQ(noted_urls(fs_, data_), kDue.urls);
  std::string damaged = file("URLS");
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 8);
  make("URLS", damaged);
  EXPECT_TRUE(noted_urls(fs_, data_).empty());
}

TEST_F(RejoinTest, WhatItHadIsPutAsideOnce) {
  make("groups.damaged/1/log/old", "of another time");
  make("groups/1/log/segment", "damaged");
  make("IDENTITY", "stays");
  ASSERT_TRUE(put_groups_aside(fs_, data_));
  EXPECT_FALSE(files::exists(data_ + "/groups"));
  EXPECT_EQ(file("groups.damaged/1/log/segment"), "damaged");
  EXPECT_FALSE(files::exists(data_ + "/groups.damaged/1/log/old"));
  // As after a crash behind it.
  ASSERT_TRUE(put_groups_aside(fs_, data_));
  EXPECT_EQ(file("groups.damaged/1/log/segment"), "damaged");
  EXPECT_EQ(file("IDENTITY"), "stays");
  ASSERT_TRUE(remove_groups_aside(data_));
  EXPECT_FALSE(files::exists(data_ + "/groups.damaged"));
}

}  // namespace
}  // namespace holdfast
