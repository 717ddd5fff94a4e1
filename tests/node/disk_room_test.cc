// A node's look at its disks, on one that a test fills.

#include "server/disk_room.h"

#include <condition_variable>
#include <mutex>
#include <optional>

#include <gtest/gtest.h>

#include "tests/sim/sim_file_system.h"

namespace holdfast {
namespace {

constexpr uint64_t kDisk = 64'000'000;
constexpr RoomMarks kMarks{
    .reserve = kDisk / 16, .short_below = kDisk / 8, .enough_from = kDisk / 8 + kDisk / 32};

// A disk of which others take so much; the files on it are made in memory, and few.
class TakenDisk final : public FileSystem {
 public:
  void take(uint64_t bytes) {
    set([&] { taken_ = bytes; });
  }
  void fail() {
    set([&] { fails_ = true; });
  }

  Result<std::unique_ptr<File>> create(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return fs_.create(path);
  }
  Result<std::unique_ptr<File>> open(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return fs_.open(path);
  }
  Result<bool> exists(const std::string& path) const override {
    const std::lock_guard lock(mutex_);
    return fs_.exists(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    return fs_.list(path);
  }
  Result<> create_directories(const std::string& path) override {
    return fs_.create_directories(path);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    return fs_.rename(from, to);
  }
  Result<> remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return fs_.remove(path);
  }
  Result<> remove_directory(const std::string& path) override { return fs_.remove_directory(path); }
  Result<> sync_directory(const std::string& path) override { return fs_.sync_directory(path); }
  Result<DiskSpace> space(const std::string& path) const override {
    const std::lock_guard lock(mutex_);
    if (fails_) return holdfast::fail(ErrorCode::kIo, "it does not say");
    const uint64_t own = UINT64_MAX - 1 - fs_.space(path)->free;
    return DiskSpace{.free = kDisk - std::min(kDisk, taken_ + own), .total = kDisk};
  }

 private:
  void set(const auto& change) {
    const std::lock_guard lock(mutex_);
    change();
  }

  mutable std::mutex mutex_;
  SimFileSystem fs_{1};
  uint64_t taken_ = 0;
  bool fails_ = false;

 public:
  TakenDisk() { fs_.limit(UINT64_MAX - 1); }
};

class DiskRoomTest : public testing::Test {
 protected:
  void open() {
    auto opened = DiskRoom::open(disk_, "data", "");
    ASSERT_TRUE(opened) << opened.error().message;
    room_ = *std::move(opened);
  }
  void watch() {
    room_->watch({.changed =
                      [this](bool is_short) {
                        const std::lock_guard lock(mutex_);
                        told_ = is_short;
                        changed_.notify_all();
                      },
                  .looked =
                      [this](uint64_t free) {
                        const std::lock_guard lock(mutex_);
                        looked_ = free;
                      }});
  }
  bool wait_told(bool is_short) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return told_ == is_short; });
  }
  bool holds_reserve() { return *disk_.exists("data/RESERVE"); }

  TakenDisk disk_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<bool> told_;
  uint64_t looked_ = 0;
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

TEST_F(DiskRoomTest, TheReserveIsForAFullDiskOnly) {
  open();
  watch();
  disk_.take(kDisk - 2 * kMarks.reserve);
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kState)) << "who says so has not looked again";
  EXPECT_TRUE(holds_reserve());
}

TEST_F(DiskRoomTest, AFullDiskIsGivenTheReserveFirstAndThenTime) {
  open();
  watch();
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kLog));
  EXPECT_FALSE(holds_reserve());
  EXPECT_EQ(disk_.space("data")->free, kMarks.reserve);
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kState)) << "some time has passed";
  room_->end_watch();
  EXPECT_FALSE(room_->make_room(DiskRoom::Disk::kState)) << "the node stops";
}

TEST_F(DiskRoomTest, BeforeItServesANodeWaitsForNoRoom) {
  open();
  EXPECT_FALSE(room_->make_room(DiskRoom::Disk::kState));
  EXPECT_TRUE(holds_reserve());
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kState));
  EXPECT_FALSE(room_->make_room(DiskRoom::Disk::kState));
}

TEST_F(DiskRoomTest, TheReserveIsTakenAgainBeforeRoomCountsAsEnough) {
  open();
  watch();
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_TRUE(wait_told(true));
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kLog));
  // Enough, if the reserve were not to be taken from it.
  disk_.take(kDisk - kMarks.enough_from);
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kLog));
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kLog));
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

TEST_F(DiskRoomTest, ADiskThatCannotBeAskedStaysWhatItWas) {
  open();
  watch();
  disk_.take(kDisk - kMarks.reserve);
  EXPECT_TRUE(wait_told(true));
  disk_.fail();
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kLog));
  EXPECT_TRUE(room_->make_room(DiskRoom::Disk::kLog));
  EXPECT_TRUE(room_->is_short());
}

}  // namespace
}  // namespace holdfast
