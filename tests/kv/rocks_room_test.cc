// What RocksDB's files do where the disk says that it is full, on one that a test fills.

#include "storage/kv/rocks_room.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>

#include "tests/kv/test_stores.h"

namespace holdfast {
namespace {

using rocksdb::IOStatus;
using testing::ElementsAre;
using testing::IsEmpty;

// What the disk answers to writes, as long as there is such an answer.
struct Refusal {
  IOStatus says;
  int times = 0;
};

class RefusedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  RefusedFile(std::unique_ptr<rocksdb::FSWritableFile> file, Refusal& refusal)
      : FSWritableFileOwnerWrapper(std::move(file)), refusal_(refusal) {}
  IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset,
                            const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
    if (refusal_.times-- > 0) return refusal_.says;
    return target()->PositionedAppend(data, offset, options, debug);
  }

 private:
  Refusal& refusal_;
};

class RefusingFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit RefusingFiles(Refusal& refusal)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), refusal_(refusal) {}
  const char* Name() const override { return "RefusingFiles"; }
  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* made,
                           rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    IOStatus status = target()->NewWritableFile(name, options, &file, debug);
    if (status.ok()) *made = std::make_unique<RefusedFile>(std::move(file), refusal_);
    return status;
  }

 private:
  Refusal& refusal_;
};

class RocksRoomTest : public testing::Test {
 protected:
  RocksRoomTest() {
    EXPECT_TRUE(
        env_->GetFileSystem()->NewWritableFile(directory_ / "file", {}, &file_, nullptr).ok());
  }
  IOStatus append(const IOStatus& refused, int times) {
    refusal_ = {refused, times};
    asked_.clear();
    return file_->Append("bytes", {}, nullptr);
  }

  const TestDirectory directory_;
  Refusal refusal_;
  std::vector<RoomFor> asked_;
  bool hope_ = true;
  const std::unique_ptr<rocksdb::Env> env_ = waiting_env(
      [this](RoomFor what) {
        asked_.push_back(what);
        return hope_;
      },
      std::make_shared<RefusingFiles>(refusal_));
  std::unique_ptr<rocksdb::FSWritableFile> file_;
};

TEST_F(RocksRoomTest, AQuotaIsWaitedForAsAFullDiskIs) {
  EXPECT_TRUE(append(IOStatus::NoSpace("write"), 2).ok());
  EXPECT_EQ(asked_.size(), 2u);
  // As RocksDB makes its own of what the system says.
  EXPECT_TRUE(append(IOStatus::IOError("While appending", std::strerror(EDQUOT)), 2).ok());
  EXPECT_EQ(asked_.size(), 2u);
  EXPECT_TRUE(append(IOStatus::IOError("While appending", std::strerror(EIO)), 1).IsIOError());
  EXPECT_THAT(asked_, IsEmpty());
  hope_ = false;
  EXPECT_TRUE(append(IOStatus::NoSpace("write"), 1).IsNoSpace());
}

TEST_F(RocksRoomTest, WhatRewritesIsToldFromWhatIsNew) {
  const std::shared_ptr<rocksdb::EventListener> watch = rewriting_watch();
  EXPECT_TRUE(append(IOStatus::NoSpace("write"), 1).ok());
  EXPECT_THAT(asked_, ElementsAre(RoomFor::kNewBytes));
  watch->OnSubcompactionBegin({});
  EXPECT_TRUE(append(IOStatus::NoSpace("write"), 1).ok());
  EXPECT_THAT(asked_, ElementsAre(RoomFor::kRewriting));
  watch->OnSubcompactionCompleted({});
  EXPECT_TRUE(append(IOStatus::NoSpace("write"), 1).ok());
  EXPECT_THAT(asked_, ElementsAre(RoomFor::kNewBytes));
}

}  // namespace
}  // namespace holdfast
