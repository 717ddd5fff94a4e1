// Room that is held back, and the marks by which a disk is short of it.

#include "storage/fs/reserve.h"

#include <gtest/gtest.h>

#include "storage/fs/posix.h"
#include "storage/fs/room.h"
#include "tests/sim/sim_file_system.h"

namespace holdfast {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

void fill(SimFileSystem& fs, const std::string& path, uint64_t bytes) {
  ASSERT_TRUE((*fs.create(path))->write_at(0, std::string(bytes, 'x')));
}

TEST(ReserveTest, HoldsRoomUntilItIsGivenBack) {
  SimFileSystem fs(1);
  fs.limit(1000);
  Reserve reserve(fs, "dir/RESERVE", 400);
  EXPECT_EQ(reserve.lacks(), 400U);
  ASSERT_TRUE(reserve.take());
  EXPECT_EQ(reserve.lacks(), 0U);
  EXPECT_EQ(fs.space("dir")->free, 600U);
  ASSERT_TRUE(reserve.take());
  EXPECT_EQ(fs.space("dir")->free, 600U);
  EXPECT_EQ(reserve.give_back(), true);
  EXPECT_EQ(fs.space("dir")->free, 1000U);
  EXPECT_EQ(reserve.give_back(), false) << "there is none any more";
}

TEST(ReserveTest, IsFoundAgainByTheNextProcess) {
  SimFileSystem fs(1);
  fs.limit(1000);
  ASSERT_TRUE(Reserve(fs, "dir/RESERVE", 400).take());
  Reserve later(fs, "dir/RESERVE", 400);
  EXPECT_EQ(later.lacks(), 0U);
  EXPECT_EQ(later.give_back(), true);
}

TEST(ReserveTest, WhatDoesNotFitIsNotHeldInPart) {
  SimFileSystem fs(1);
  fs.limit(1000);
  fill(fs, "dir/data", 700);
  Reserve reserve(fs, "dir/RESERVE", 400);
  const Result<> taken = reserve.take();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(fs.space("dir")->free, 300U);
  EXPECT_EQ(reserve.lacks(), 400U);
}

TEST(ReserveTest, OneOfASmallerDiskIsTakenAnew) {
  SimFileSystem fs(1);
  fs.limit(1000);
  ASSERT_TRUE(Reserve(fs, "dir/RESERVE", 100).take());
  Reserve larger(fs, "dir/RESERVE", 400);
  EXPECT_EQ(larger.lacks(), 300U);
  ASSERT_TRUE(larger.take());
  EXPECT_EQ(fs.space("dir")->free, 600U);
}

TEST(RoomMarksTest, GoByTheSizeOfTheDisk) {
  const RoomMarks large = RoomMarks::of(1'000'000 * kMiB);
  EXPECT_EQ(large.reserve, 64 * kMiB);
  EXPECT_EQ(large.short_below, 1024 * kMiB);
  const FileSizes usual = FileSizes::of(1'000'000 * kMiB);
  EXPECT_EQ(usual.segment, 64 * kMiB);
  EXPECT_EQ(usual.table, 64 * kMiB);
  EXPECT_EQ(usual.memtable, 16 * kMiB);
  const RoomMarks small = RoomMarks::of(320 * kMiB);
  EXPECT_EQ(small.reserve, 20 * kMiB);
  EXPECT_EQ(small.short_below, 40 * kMiB);
  EXPECT_EQ(small.enough_from, 50 * kMiB);
  EXPECT_EQ(FileSizes::of(320 * kMiB).segment, 5 * kMiB);
  EXPECT_EQ(FileSizes::of(1).table, kMiB);
  EXPECT_EQ(room_beside_copy(1'000'000 * kMiB), 256 * kMiB);
  EXPECT_EQ(room_beside_copy(320 * kMiB), 20 * kMiB);
}

// Neither the next file of the log, made ahead, nor rewriting tables uses up what is left.
TEST(RoomMarksTest, OnAShortDiskThereIsRoomToRewriteFiles) {
  for (uint64_t mib = 128; mib < 2'000'000; mib *= 2) {
    const RoomMarks marks = RoomMarks::of(mib * kMiB);
    const FileSizes sizes = FileSizes::of(mib * kMiB);
    EXPECT_LE(sizes.segment, marks.short_below / 2) << mib;
    EXPECT_LE(11 * sizes.table, marks.short_below) << mib;
    EXPECT_LE(room_to_flush(sizes.memtable), marks.reserve) << mib;
    EXPECT_LT(marks.reserve, marks.short_below) << mib;
  }
}

TEST(RoomMarksTest, ALevelIsLeftLaterThanItIsEntered) {
  const RoomMarks marks{.reserve = 10, .short_below = 100, .enough_from = 125};
  EXPECT_EQ(marks.level(RoomLevel::kEnough, 100), RoomLevel::kEnough);
  EXPECT_EQ(marks.level(RoomLevel::kEnough, 99), RoomLevel::kShort);
  EXPECT_EQ(marks.level(RoomLevel::kShort, 124), RoomLevel::kShort);
  EXPECT_EQ(marks.level(RoomLevel::kShort, 125), RoomLevel::kEnough);
  EXPECT_EQ(marks.level(RoomLevel::kShort, 10), RoomLevel::kShort);
  EXPECT_EQ(marks.level(RoomLevel::kEnough, 9), RoomLevel::kFull);
  EXPECT_EQ(marks.level(RoomLevel::kFull, 19), RoomLevel::kFull);
  EXPECT_EQ(marks.level(RoomLevel::kFull, 20), RoomLevel::kShort);
  EXPECT_EQ(marks.level(RoomLevel::kFull, 125), RoomLevel::kEnough);
}

TEST(PosixTest, SaysHowMuchRoomThereIs) {
  PosixFileSystem fs;
  const Result<DiskSpace> space = fs.space(".");
  ASSERT_TRUE(space);
  EXPECT_GT(space->total, 0U);
  EXPECT_LT(space->free, space->total);
}

TEST(PosixTest, TakesRoomWithoutAWrite) {
  PosixFileSystem fs;
  (void)fs.remove("taken");
  const Result<std::unique_ptr<File>> file = fs.create("taken");
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->take_room(kMiB));
  EXPECT_EQ((*file)->size(), kMiB);
  EXPECT_EQ((*file)->read_at(kMiB - 1, 10), std::string(1, '\0'));
  ASSERT_TRUE(fs.remove("taken"));
}

// What the kernel says of a full disk, without filling one.
TEST(PosixTest, AFullDiskIsToldApart) {
  PosixFileSystem fs;
  const Result<std::unique_ptr<File>> full = fs.open("/dev/full");
  ASSERT_TRUE(full);
  const Result<> written = (*full)->write_at(0, "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(written.error().message, "write /dev/full: No space left on device");
}

}  // namespace
}  // namespace holdfast
