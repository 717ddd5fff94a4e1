// A disk that does wrong on purpose.

#include "storage/fs/disk_faults.h"

#include <chrono>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/check.h"
#include "tests/sim/sim_file_system.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

// Long enough for a thread that nothing holds up.
constexpr std::chrono::milliseconds kAWhile{50};
constexpr std::chrono::seconds kPatience{20};

class DiskFaultsTest : public testing::Test {
 protected:
  DiskFaultsTest() { under_.limit(10'000); }

  std::unique_ptr<File> file_of(const std::string& path, size_t bytes) {
    std::unique_ptr<File> file = disk_.create(path).value();
    CHECK(file->write_at(0, std::string(bytes, 'x')).has_value());
    CHECK(file->sync().has_value());
    CHECK(disk_.sync_directory("dir").has_value());
    return file;
  }
  uint64_t free() { return disk_.space("dir")->free; }
  // Whether `act` ends of its own accord, and whether it does when the faults do.
  void expect_waits(const std::function<Result<>()>& act) {
    std::future<Result<>> done = std::async(std::launch::async, act);
    EXPECT_EQ(done.wait_for(kAWhile), std::future_status::timeout);
    faults_.set({});
    ASSERT_EQ(done.wait_for(kPatience), std::future_status::ready);
    EXPECT_TRUE(done.get().has_value());
  }

  SimFileSystem under_{1};
  DiskFaults faults_;
  FaultyDisk disk_{under_, faults_};
};

TEST_F(DiskFaultsTest, AFullDiskTakesNoGrowthAndAllElse) {
  const std::unique_ptr<File> file = file_of("dir/log", 100);
  EXPECT_EQ(free(), 9'900u);
  faults_.set({.full = true});
  EXPECT_EQ(free(), 0u);
  EXPECT_EQ(disk_.space("dir")->total, 10'000u);
  EXPECT_TRUE(file->write_at(50, std::string(50, 'y'))) << "that room was taken before";
  for (const Result<>& refused : {file->write_at(51, std::string(50, 'z')), file->take_room(101)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
    EXPECT_THAT(refused.error().message, HasSubstr("dir/log: No space left on device (by PUT"));
  }
  EXPECT_EQ(file->size(), 100u);
  EXPECT_TRUE(file->sync());
  faults_.set({});
  EXPECT_TRUE(file->write_at(51, std::string(50, 'z')));
  EXPECT_EQ(free(), 9'899u);
}

TEST_F(DiskFaultsTest, WhatIsRemovedMakesRoomOnAFullDisk) {
  file_of("dir/reserve", 300);
  const std::unique_ptr<File> file = file_of("dir/log", 100);
  faults_.set({.full = true});
  ASSERT_TRUE(disk_.remove("dir/reserve"));
  EXPECT_EQ(free(), 300u);
  ASSERT_TRUE(file->write_at(100, std::string(200, 'y')));
  EXPECT_EQ(free(), 100u);
  faults_.set({.delay = std::chrono::milliseconds(1), .full = true});
  EXPECT_EQ(free(), 100u) << "it is as full as it was";
  EXPECT_FALSE(file->take_room(500));
  faults_.set({});
  faults_.set({.full = true});
  EXPECT_EQ(free(), 0u);
}

TEST_F(DiskFaultsTest, AStalledDiskEndsNoWriteAndNoSyncUntilItIsHealed) {
  const std::unique_ptr<File> file = file_of("dir/log", 100);
  faults_.set({.stall = true});
  expect_waits([&] { return file->write_at(0, "y"); });
  EXPECT_EQ(file->read_at(0, 2), "yx");
  faults_.set({.stall = true});
  expect_waits([&] { return file->sync(); });
  faults_.set({.stall = true});
  expect_waits([&] { return disk_.sync_directory("dir"); });
  faults_.set({.stall = true});
  EXPECT_EQ(file->read_at(0, 2), "yx") << "reading is not hindered";
}

TEST_F(DiskFaultsTest, ASlowDiskDelaysItsSyncs) {
  const std::unique_ptr<File> file = file_of("dir/log", 100);
  faults_.set({.delay = std::chrono::minutes(1)});
  EXPECT_TRUE(file->write_at(0, "y"));
  expect_waits([&] { return file->sync(); });
  faults_.set({.delay = std::chrono::milliseconds(5)});
  const SystemClock clock;
  const Instant began = clock.now();
  EXPECT_TRUE(file->sync());
  EXPECT_GE(clock.now() - began, std::chrono::milliseconds(5));
}

TEST_F(DiskFaultsTest, ASyncThatFailsHasNotReachedTheDisk) {
  const std::unique_ptr<File> file = file_of("dir/log", 4);
  ASSERT_TRUE(file->write_at(0, "yyyy"));
  under_.fail_next_sync();
  faults_.set({.fail_sync = true});
  const Result<> failed = file->sync();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kIo);
  EXPECT_THAT(failed.error().message, HasSubstr("sync dir/log: Input/output error (by PUT"));
  EXPECT_FALSE(disk_.sync_directory("dir"));
  faults_.set({});
  EXPECT_FALSE(file->sync()) << "the disk's own failure is still to come";
}

}  // namespace
}  // namespace holdfast
