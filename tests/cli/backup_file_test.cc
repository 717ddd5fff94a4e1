#include "client/cli/backup_file.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "storage/backup/writer.h"
#include "storage/base/check.h"

namespace {

// Why a lock fails next; 0: it is asked of the system.
int lock_error = 0;

}  // namespace

// Instead of the library's: a file system without locks cannot be had for a test.
extern "C" int flock(int descriptor, int operation) noexcept {
  if (lock_error == 0) return static_cast<int>(::syscall(SYS_flock, descriptor, operation));
  errno = lock_error;
  return -1;
}

namespace holdfast::cli {
namespace {

namespace files = std::filesystem;

class BackupFileTest : public testing::Test {
 protected:
  BackupFileTest() { CHECK(mkdtemp(directory_.data()) != nullptr); }
  ~BackupFileTest() override { files::remove_all(directory_); }

  static std::string bytes() {
    backup::Writer writer;
    std::string out;
    writer.begin({.revision = {9}, .files = 1, .bytes = 3}, out);
    writer.file({"a", 3}, out);
    writer.piece("abc", out);
    writer.end(out);
    return out;
  }
  std::string path() const { return directory_ + "/x.backup"; }
  std::string part() const { return path() + ".part"; }

 private:
  std::string directory_ =
      (files::read_symlink("/proc/self/exe").parent_path() / "backup_file_XXXXXX").string();
};

TEST_F(BackupFileTest, HasItsNameOnlyWhenItIsWhole) {
  std::ofstream(part()) << "of a try before, and longer than what comes now" << bytes();
  {
    BackupFile file = BackupFile::create(path()).value();
    const std::string all = bytes();
    ASSERT_TRUE(file.take(all.substr(0, 100)).has_value());
    EXPECT_TRUE(files::exists(part()));
    EXPECT_FALSE(files::exists(path()));
    EXPECT_EQ(file.head()->revision.value, 9u);
    ASSERT_TRUE(file.take(all.substr(100)).has_value());
    ASSERT_TRUE(file.finish().has_value());
    EXPECT_EQ(file.stored_bytes(), all.size());
    EXPECT_EQ(file.state_bytes(), 3u);
    EXPECT_NE(file.checksum(), 0u);
  }
  EXPECT_FALSE(files::exists(part()));
  std::ifstream stored(path(), std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stored), {}), bytes());
}

TEST_F(BackupFileTest, OneThatIsCutOrChangedIsNotKept) {
  {
    BackupFile file = BackupFile::create(path()).value();
    ASSERT_TRUE(file.take(bytes().substr(0, bytes().size() - 1)).has_value());
    EXPECT_EQ(file.finish().error().code, ErrorCode::kCorrupt);
  }
  {
    BackupFile file = BackupFile::create(path()).value();
    std::string changed = bytes();
    changed[90] = static_cast<char>(changed[90] ^ 1);
    EXPECT_EQ(file.take(changed).error().code, ErrorCode::kCorrupt);
  }
  EXPECT_FALSE(files::exists(part()));
  EXPECT_FALSE(files::exists(path()));
}

TEST_F(BackupFileTest, TwoAtOnceDoNotMix) {
  {
    BackupFile file = BackupFile::create(path()).value();
    ASSERT_TRUE(file.take(bytes().substr(0, 100)).has_value());
    const Result<BackupFile> second = BackupFile::create(path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kInvalid);
    EXPECT_TRUE(second.error().message.contains("another backup")) << second.error().message;
    ASSERT_TRUE(file.take(bytes().substr(100)).has_value());
    ASSERT_TRUE(file.finish().has_value());
  }
  std::ifstream stored(path(), std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stored), {}), bytes());
}

TEST_F(BackupFileTest, AFileSystemWithoutLocksIsNoOtherBackup) {
  lock_error = ENOLCK;
  const Result<BackupFile> file = BackupFile::create(path());
  lock_error = 0;
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kIo);
  EXPECT_TRUE(file.error().message.starts_with("lock " + part() + ": ")) << file.error().message;
}

TEST_F(BackupFileTest, WhatGotItsNameMeanwhileStays) {
  {
    BackupFile file = BackupFile::create(path()).value();
    ASSERT_TRUE(file.take(bytes()).has_value());
    std::ofstream(path()) << "older";
    const Result<> finished = file.finish();
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code, ErrorCode::kInvalid);
  }
  EXPECT_FALSE(files::exists(part()));
  std::ifstream stored(path());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stored), {}), "older");
}

TEST_F(BackupFileTest, AnOlderOneIsNeverWrittenOver) {
  std::ofstream(path()) << "older";
  EXPECT_EQ(BackupFile::create(path()).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(BackupFile::create(path() + "/none/x").error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace holdfast::cli
