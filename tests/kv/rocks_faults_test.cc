// RocksDB on a disk that does wrong on purpose.

#include "storage/kv/rocks_faults.h"

#include <atomic>
#include <chrono>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/file_system.h>

#include "storage/base/random.h"
#include "storage/fs/disk_faults.h"
#include "tests/kv/test_stores.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr uint64_t kAMiB = uint64_t{1} << 20;
constexpr std::chrono::milliseconds kAWhile{50};
constexpr std::chrono::seconds kPatience{20};

class RocksFaultsTest : public testing::Test {
 protected:
  void write_some() {
    EngineBatch batch;
    batch.revisions.push_back({.revision = {++revision_}, .made = {1, 1}, .rows = {}});
    Random random(revision_);
    std::string value;
    while (value.size() < kAMiB) value.push_back(static_cast<char>(random.next()));
    batch.revisions.back().rows.emplace_back("key", row(revision_, std::move(value)));
    engine_->write(batch);
  }

  const TestDirectory directory_;
  DiskFaults faults_;
  std::atomic<int> asked_ = 0;
  uint64_t revision_ = 1;
  const std::unique_ptr<RocksEngine> engine_ = RocksEngine::open({.directory = directory_ / "state",
                                                                  .make_room =
                                                                      [this](RoomFor) {
                                                                        ++asked_;
                                                                        return true;
                                                                      },
                                                                  .faults = &faults_})
                                                   .value();
};

TEST_F(RocksFaultsTest, AFlushWaitsForRoomOnAFullDisk) {
  write_some();
  faults_.set({.full = true});
  std::future<Result<>> flush = std::async(std::launch::async, [this] { return engine_->flush(); });
  const Instant deadline = SystemClock().now() + kPatience;
  while (asked_ == 0 && SystemClock().now() < deadline) std::this_thread::yield();
  EXPECT_GT(asked_, 0);
  faults_.set({});
  EXPECT_TRUE(flush.get().has_value());
}

TEST_F(RocksFaultsTest, AFlushWaitsForADiskThatStalls) {
  write_some();
  faults_.set({.stall = true});
  std::future<Result<>> flush = std::async(std::launch::async, [this] { return engine_->flush(); });
  EXPECT_EQ(flush.wait_for(kAWhile), std::future_status::timeout);
  EXPECT_TRUE(engine_->get("key", {revision_}, ReadTier::kMemory).value().has_value());
  faults_.set({});
  EXPECT_TRUE(flush.get().has_value());
}

TEST_F(RocksFaultsTest, WhatIsRewrittenGivesItsRoomBack) {
  engine_->set_free_bytes(1024 * kAMiB);
  for (int i = 0; i < 3; ++i) {
    write_some();
    ASSERT_TRUE(engine_->flush());
  }
  faults_.set({.full = true});
  faults_.give_back(16 * kAMiB);
  ASSERT_TRUE(engine_->compact());
  // The old files go when nobody reads them, a moment later. Three MiB were written, three are
  // gone.
  const Instant deadline = SystemClock().now() + kPatience;
  while (*faults_.free() < 15 * kAMiB && SystemClock().now() < deadline) std::this_thread::yield();
  EXPECT_GE(*faults_.free(), 15 * kAMiB);
}

TEST_F(RocksFaultsTest, ASyncThatFailsIsTheDisksFailure) {
  const std::shared_ptr<rocksdb::FileSystem> files =
      faulty_files(rocksdb::FileSystem::Default(), faults_);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  ASSERT_TRUE(files->NewWritableFile(directory_ / "file", {}, &file, nullptr).ok());
  ASSERT_TRUE(file->Append("bytes", {}, nullptr).ok());
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  faults_.set({.fail_sync = true});
  for (const rocksdb::IOStatus& failed : {file->Sync({}, nullptr), file->Fsync({}, nullptr)}) {
    EXPECT_TRUE(failed.IsIOError());
    EXPECT_THAT(failed.ToString(), HasSubstr("Input/output error (by PUT /v1/faults"));
  }
}

}  // namespace
}  // namespace holdfast
