// A node's look at its disks, on one that a test fills.

#include "server/disk_room.h"

#include <condition_variable>
#include <mutex>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/node/taken_disk.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr uint64_t kDisk = kTakenDisk;
constexpr RoomMarks kMarks{
    .reserve = kDisk / 16, .short_below = kDisk / 8, .enough_from = kDisk / 8 + kDisk / 32};

class DiskRoomTest : public testing::Test {
 protected:
  void open(const std::string& log_directory = "") {
    auto opened = DiskRoom::open(disk_, "data", log_directory);
    ASSERT_TRUE(opened) << opened.error().message;
    room_ = *std::move(opened);
  }
  void watch() {
    room_->watch({.changed =
                      [this](RoomLevel level) {
                        const std::lock_guard lock(mutex_);
                        told_ = level;
                        changed_.notify_all();
                      },
                  .looked =
                      [this](uint64_t free) {
                        const std::lock_guard lock(mutex_);
                        looked_ = free;
                        ++looks_;
                        changed_.notify_all();
                      }});
  }
  bool wait_told(bool is_short) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return told_ && (*told_ != RoomLevel::kEnough) == is_short; });
  }
  bool wait_told_full() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return told_ == RoomLevel::kFull; });
  }
  std::optional<RoomLevel> told_now() {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  // Until a look that began after this has ended.
  bool wait_look() {
    std::unique_lock lock(mutex_);
    const uint64_t wanted = looks_ + 2;
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return looks_ >= wanted; });
  }
  bool make_room(DiskRoom::Disk disk, RoomFor what = RoomFor::kNewBytes) {
    return room_->make_room(disk, what);
  }
  bool holds_reserve() { return *disk_.exists("data/RESERVE"); }

  TakenDisk disk_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<RoomLevel> told_;
  uint64_t looked_ = 0;
  uint64_t looks_ = 0;
  std::unique_ptr<DiskRoom> room_;
};

TEST_F(DiskRoomTest, ShortIsToldAndTakenBackByItself) {
  open();
  EXPECT_TRUE(holds_reserve());
  EXPECT_EQ(room_->free_bytes(), kDisk);  // as of before it took the reserve
  watch();
  disk_.take(kDisk - kMarks.reserve - kMarks.short_below + 1);
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(room_->is_short());
  disk_.take(kDisk - kMarks.reserve - kMarks.enough_from);
  EXPECT_TRUE(wait_told(false));
  EXPECT_FALSE(room_->is_short());
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(looked_, kMarks.enough_from);
}

TEST_F(DiskRoomTest, FullIsToldOfTheDiskOfTheLogAlone) {
  open("log");
  watch();
  disk_.take(kDisk);
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(wait_look());
  EXPECT_EQ(told_now(), RoomLevel::kShort);
  disk_.take(kDisk - 2 * kMarks.reserve + 1, "log");
  EXPECT_TRUE(wait_told_full());
}

TEST_F(DiskRoomTest, TheReserveIsForAFullDiskOnly) {
  open();
  watch();
  disk_.take(kDisk - 2 * kMarks.reserve);
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(make_room(DiskRoom::Disk::kState)) << "it is worth another try";
  EXPECT_TRUE(holds_reserve());
}

TEST_F(DiskRoomTest, AFullDiskIsGivenTheReserveFirstAndThenTime) {
  open();
  watch();
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(make_room(DiskRoom::Disk::kLog));
  EXPECT_FALSE(holds_reserve());
  EXPECT_EQ(disk_.space("data")->free, kMarks.reserve);
  EXPECT_TRUE(make_room(DiskRoom::Disk::kState)) << "some time has passed";
  room_->end_watch();
  EXPECT_FALSE(make_room(DiskRoom::Disk::kState)) << "the node stops";
}

TEST_F(DiskRoomTest, BeforeItServesANodeWaitsForNoRoom) {
  open();
  EXPECT_FALSE(make_room(DiskRoom::Disk::kState));
  EXPECT_TRUE(holds_reserve());
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_TRUE(make_room(DiskRoom::Disk::kState));
  EXPECT_FALSE(make_room(DiskRoom::Disk::kState));
}

TEST_F(DiskRoomTest, TheReserveIsTakenAgainBeforeRoomCountsAsEnough) {
  open();
  watch();
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(make_room(DiskRoom::Disk::kLog));
  // Enough, if the reserve were not to be taken from it.
  disk_.take(kDisk - kMarks.enough_from);
  EXPECT_TRUE(wait_look());
  EXPECT_TRUE(room_->is_short());
  EXPECT_FALSE(holds_reserve());
  disk_.take(kDisk - kMarks.enough_from - kMarks.reserve);
  EXPECT_TRUE(wait_told(false));
  EXPECT_TRUE(holds_reserve());
}

TEST_F(DiskRoomTest, AStartOnAFullDiskGivesTheReserveBack) {
  open();
  room_.reset();
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_EQ(disk_.space("data")->free, 0U);
  open();
  EXPECT_FALSE(holds_reserve());
  EXPECT_EQ(disk_.space("data")->free, kMarks.reserve);
  EXPECT_TRUE(room_->is_short());
  watch();
  EXPECT_TRUE(wait_told(true)) << "it was so from the beginning";
}

TEST_F(DiskRoomTest, ADiskThatCannotBeAskedStaysWhatItWasAndThatIsSaidOnce) {
  open();
  watch();
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_TRUE(wait_told(true));
  testing::internal::CaptureStdout();
  disk_.fail(true);
  EXPECT_TRUE(wait_look());
  EXPECT_TRUE(wait_look());
  EXPECT_TRUE(room_->is_short());
  disk_.fail(false);
  EXPECT_TRUE(wait_look());
  room_.reset();
  const std::string said = testing::internal::GetCapturedStdout();
  EXPECT_THAT(said, HasSubstr("data cannot be told, or its reserve not be taken: it does not say"));
  EXPECT_EQ(said.find("cannot be told"), said.rfind("cannot be told"));
  EXPECT_THAT(said, HasSubstr("data is known again"));
}

TEST_F(DiskRoomTest, WhatIsFreeIsKnownThoughTheReserveIsNot) {
  open();
  watch();
  disk_.hide_reserve();
  disk_.take(kDisk / 2);
  EXPECT_TRUE(wait_look());
  EXPECT_EQ(room_->free_bytes(), kDisk / 2 - kMarks.reserve);
}

TEST_F(DiskRoomTest, NoRewritingIsGivenTheReserve) {
  open();
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_FALSE(make_room(DiskRoom::Disk::kState, RoomFor::kRewriting));
  EXPECT_TRUE(holds_reserve());
  watch();
  EXPECT_TRUE(make_room(DiskRoom::Disk::kState, RoomFor::kRewriting)) << "some time has passed";
  EXPECT_TRUE(holds_reserve());
}

TEST_F(DiskRoomTest, AFlushAsksForRoomOnTheDiskOfTheStateAlone) {
  disk_.take(kDisk, "log");
  open("log");
  EXPECT_TRUE(room_->is_short());
  EXPECT_EQ(room_->free_bytes(), 0U);
  EXPECT_TRUE(room_->has_room_to_flush());
  disk_.take(kDisk);
  open("log");
  EXPECT_FALSE(room_->has_room_to_flush());
}

// Each disk has its own reserve, and who finds no room on the one is not given the other's.
TEST_F(DiskRoomTest, ALogOnADiskOfItsOwnHasItsOwnReserve) {
  open("log");
  watch();
  EXPECT_TRUE(wait_look());
  EXPECT_TRUE(disk_.exists("log/RESERVE").value());
  disk_.take(kDisk, "log");
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(make_room(DiskRoom::Disk::kLog));
  EXPECT_FALSE(disk_.exists("log/RESERVE").value());
  EXPECT_TRUE(holds_reserve());
}

}  // namespace
}  // namespace holdfast
