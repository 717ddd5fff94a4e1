// RocksDB on a disk that is really full: a small one in memory, seen by this process alone. Each
// test runs in a process of its own, since it takes root and a mount.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <sched.h>
#include <sys/mount.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "storage/fs/posix.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr int kDone = 17;

// What it fails with is told on standard error, where EXPECT_EXIT shows it.
void must(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::_Exit(1);
}

// Something that one thread does and another waits for.
class Event {
 public:
  void happen() {
    {
      const std::lock_guard lock(mutex_);
      happened_ = true;
    }
    changed_.notify_all();
  }
  void wait(const char* what) {
    std::unique_lock lock(mutex_);
    must(changed_.wait_for(lock, std::chrono::seconds(60), [this] { return happened_; }), what);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool happened_ = false;
};

class SmallDisk {
 public:
  explicit SmallDisk(const std::string& path) : path_(path) {
    std::filesystem::create_directories(path_);
    must(unshare(CLONE_NEWNS) == 0, "unshare");
    must(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private");
    must(mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=256m") == 0, "mount");
  }
  const std::string& path() const { return path_; }
  uint64_t free() const { return PosixFileSystem().space(path_)->free; }
  // Others take everything but so much. RocksDB may take some of it first.
  void leave(uint64_t bytes) {
    give_back();
    Result<> taken = fail(ErrorCode::kNoSpace, "");
    while (!taken && free() > bytes) {
      give_back();
      taken = PosixFileSystem().create(path_ + "/others").value()->take_room(free() - bytes);
    }
  }
  void give_back() { std::filesystem::remove(path_ + "/others"); }

 private:
  const std::string path_;
};

// Batches of incompressible rows, each with the number that says how far it came.
class Writer {
 public:
  explicit Writer(Engine& engine) : engine_(engine) {}
  uint64_t count() const { return count_; }
  void write() {
    ++count_;
    EngineBatch batch;
    batch.revisions.push_back({.revision = {count_ + 1}, .made = {1, 1}, .rows = {}});
    batch.revisions.back().rows.emplace_back(key(count_), row(count_));
    batch.meta.emplace_back("count", std::to_string(count_));
    engine_.write(batch);
  }
  // Everything that was written is there.
  void check(const Engine& engine) const {
    must(engine.get_meta("count").value() == std::to_string(count_), "count");
    for (uint64_t i = 1; i <= count_; ++i)
      must(engine.get(key(i), {count_ + 1}, ReadTier::kDisk).value() == row(i), "row");
  }

 private:
  static std::string key(uint64_t i) { return "key/" + std::to_string(i); }
  static Row row(uint64_t i) {
    Random random(i);
    std::string value;
    for (int word = 0; word < 2000; ++word) {
      const uint64_t next = random.next();
      value.append(reinterpret_cast<const char*>(&next), sizeof next);
    }
    return {{{i + 1}, {i + 1}, 1, 77}, std::move(value)};
  }

  Engine& engine_;
  uint64_t count_ = 0;
};

constexpr size_t kMemtable = 1 << 20;

void writes_wait_for_room(const std::string& path) {
  SmallDisk disk(path);
  std::atomic<int> asked = 0;
  RocksEngine::Options options{.directory = path + "/state", .memtable_bytes = kMemtable};
  options.make_room = [&](RoomFor) {
    if (++asked >= 5) disk.give_back();
    return true;
  };
  {
    auto engine = RocksEngine::open(options).value();
    engine->set_free_bytes(256 * kMiB);
    Writer writer(*engine);
    for (uint64_t round = 0; round < 3; ++round) {
      asked = 0;
      disk.leave(round * kMiB / 2);
      while (asked < 5) writer.write();
      for (int i = 0; i < 200; ++i) writer.write();
    }
    must(engine->flush().has_value(), "flush");
    writer.check(*engine);
    engine.reset();
    writer.check(*RocksEngine::open(options).value());
  }
  std::_Exit(kDone);
}

void only_the_flush_waits(const std::string& path) {
  SmallDisk disk(path);
  Event asked;
  Event released;
  RocksEngine::Options options{.directory = path + "/state", .memtable_bytes = 8 * kMemtable};
  options.make_room = [&](RoomFor) {
    asked.happen();
    released.wait("the room");
    return true;
  };
  auto engine = RocksEngine::open(options).value();
  Writer writer(*engine);
  const auto write_some = [&] {
    for (int i = 0; i < 20; ++i) writer.write();
  };
  write_some();
  disk.leave(0);
  std::thread flush([&] { must(engine->flush().has_value(), "flush"); });
  asked.wait("a flush without room");
  write_some();
  writer.check(*engine);
  disk.give_back();
  released.happen();
  flush.join();
  std::_Exit(kDone);
}

void gives_up(const std::string& path) {
  SmallDisk disk(path);
  RocksEngine::Options options{.directory = path + "/state", .memtable_bytes = kMemtable};
  options.make_room = [](RoomFor) { return false; };
  auto engine = RocksEngine::open(options).value();
  Writer writer(*engine);
  disk.leave(0);
  for (;;) writer.write();
}

void the_manifest_waits(const std::string& path) {
  SmallDisk disk(path);
  std::atomic<int> asked = 0;
  RocksEngine::Options options{.directory = path + "/state", .memtable_bytes = kMemtable};
  options.make_room = [&](RoomFor) {
    if (++asked == 5) disk.give_back();
    return true;
  };
  auto engine = RocksEngine::open(options).value();
  Writer writer(*engine);
  for (int i = 0; i < 20; ++i) writer.write();
  must(engine->flush().has_value(), "flush");
  disk.leave(0);
  // RocksDB has taken room for some MiB of it ahead.
  Revision floor{2};
  for (; asked < 5; floor = floor + 1) must(engine->set_history_floor(floor).has_value(), "floor");
  must(engine->compacts_below() == Revision{floor.value - 1}, "what was taken counts");
  engine.reset();
  engine = RocksEngine::open(options).value();
  must(engine->get_meta("count").value() == "20", "what was there is there");
  std::_Exit(kDone);
}

void what_asks_is_told(const std::string& path) {
  SmallDisk disk(path);
  std::atomic<int> asked = 0;
  std::atomic<int> rewriting = 0;
  RocksEngine::Options options{.directory = path + "/state", .memtable_bytes = 8 * kMemtable};
  options.make_room = [&](RoomFor what) {
    if (what == RoomFor::kRewriting) ++rewriting;
    if (++asked == 5) disk.give_back();
    return true;
  };
  auto engine = RocksEngine::open(options).value();
  engine->set_free_bytes(256 * kMiB);
  Writer writer(*engine);
  const auto flush_some = [&] {
    for (int i = 0; i < 20; ++i) writer.write();
    must(engine->flush().has_value(), "flush");
  };
  flush_some();
  flush_some();
  disk.leave(0);
  must(engine->compact().has_value(), "compact");
  must(asked >= 5 && rewriting == asked, "what rewrites says so");
  asked = rewriting = 0;
  disk.leave(0);
  flush_some();
  must(asked >= 5 && rewriting == 0, "what is new says so");
  writer.check(*engine);
  std::_Exit(kDone);
}

class FullDiskTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "RocksDB is not instrumented";
#endif
    if (::geteuid() != 0) GTEST_SKIP() << "only root may mount a disk";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
  // Fixed: the process that mounts on it cannot clean up.
  const std::string path_ = "kv_test_small_disk";
};

TEST_F(FullDiskTest, WritesWaitForRoomAndNothingIsLost) {
  EXPECT_EXIT(writes_wait_for_room(path_), testing::ExitedWithCode(kDone), "");
}

TEST_F(FullDiskTest, WritesAndReadsGoOnWhileAFlushWaits) {
  EXPECT_EXIT(only_the_flush_waits(path_), testing::ExitedWithCode(kDone), "");
}

TEST_F(FullDiskTest, WhereNoneIsToBeHopedForTheProcessStopsAndSaysWhy) {
  EXPECT_DEATH(gives_up(path_), "fatal: writing the state failed: RocksDB says .*No space left");
}

TEST_F(FullDiskTest, WhatRewritesIsToldFromWhatIsNew) {
  EXPECT_EXIT(what_asks_is_told(path_), testing::ExitedWithCode(kDone), "");
}

TEST_F(FullDiskTest, WhatRocksNotesOfItselfWaitsToo) {
  EXPECT_EXIT(the_manifest_waits(path_), testing::ExitedWithCode(kDone), "");
}

}  // namespace
}  // namespace holdfast
