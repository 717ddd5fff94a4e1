#include "server/scrub.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>

#include <gtest/gtest.h>

#include "server/metrics.h"
#include "server/rebuild.h"
#include "storage/base/log.h"
#include "storage/fs/posix.h"
#include "storage/kv/command.h"
#include "storage/kv/kv_state_machine.h"

namespace holdfast {
namespace {

bool comes_true(const std::function<bool()>& condition) {
  const Instant deadline = SystemClock().now() + std::chrono::seconds(60);
  std::promise<void> promise;
  const std::future<void> never = promise.get_future();
  while (!condition() && SystemClock().now() < deadline)
    never.wait_for(std::chrono::milliseconds(1));
  return condition();
}

// A state that was made anew from the log, and lies in memory.
class ScrubTest : public testing::Test {
 protected:
  void SetUp() override {
    // A process of its own that a test ends has the same folder, which the test removes.
    group_ = std::string("scrub-") + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(group_);
    ASSERT_TRUE(fs_.create_directories(group_ + "/log"));
    ASSERT_TRUE(fs_.create_directories(group_ + "/copies"));
    ASSERT_TRUE(note_damaged_state(fs_, group_, "for the test"));
    suspicion_ = std::make_unique<Suspicion>(fs_, group_, NodeId{1});
    auto engine = RocksEngine::open({.directory = group_ + "/state"});
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
    auto machine = KvStateMachine::open(*engine_);
    ASSERT_TRUE(machine) << machine.error().message;
    machine_ = *std::move(machine);
    const EntryPtr entry = std::make_shared<const LogEntry>(LogEntry{
        {1}, {1}, EntryKind::kCommand, {}, encode_command({.act = PutCommand{"k", "v", {}}})});
    std::vector<Completion> completions;
    machine_->apply({&entry, 1}, NodeId{1}, completions);
    suspicion_->state_is_new();
  }
  void TearDown() override {
    scrub_.reset();
    machine_.reset();
    engine_.reset();
    std::filesystem::remove_all(group_);
  }

  // As the state machine never does.
  void write_row(std::optional<Row> row) {
    engine_->write({.revisions = {{machine_->revision(), {}, {{"k", std::move(row)}}}}});
  }
  void lose_row() { write_row(std::nullopt); }

  void scrub(Duration every = std::chrono::milliseconds(5)) {
    const Scrub::Options options{.every = every,
                                 .log = group_ + "/log",
                                 .checkpoint = checkpoint(),
                                 .bytes_a_second = uint64_t{1} << 30,
                                 .has_replayed =
                                     [this] {
                                       ++asked_;
                                       return has_replayed_.load();
                                     },
                                 .has_room = has_room_};
    scrub_ = std::make_unique<Scrub>(options, fs_, *engine_, *machine_, *suspicion_, metrics_);
  }
  std::string checkpoint() const { return group_ + "/copies/scrub"; }
  bool is_noted() const { return std::filesystem::exists(group_ + "/REBUILD"); }

  PosixFileSystem fs_;
  std::string group_;
  std::unique_ptr<Suspicion> suspicion_;
  std::unique_ptr<RocksEngine> engine_;
  Metrics metrics_;
  std::unique_ptr<KvStateMachine> machine_;
  std::atomic<bool> has_replayed_ = false;
  std::function<bool()> has_room_ = [] { return true; };
  std::atomic<int> asked_ = 0;
  std::unique_ptr<Scrub> scrub_;
};

TEST_F(ScrubTest, AStateIsProvenByWhatLiesOnTheDisk) {
  has_replayed_ = true;
  scrub();
  ASSERT_TRUE(comes_true([&] { return !suspicion_->doubts_state(); }));
  EXPECT_FALSE(is_noted());
  EXPECT_TRUE(engine_->get_durable_meta("head").value().has_value());
  EXPECT_TRUE(comes_true([&] { return !std::filesystem::exists(checkpoint()); }));
}

// Files that a checkpoint keeps would be what fills the disk.
TEST_F(ScrubTest, NoCheckpointIsMadeWithoutRoom) {
  std::filesystem::remove(group_ + "/copies");  // where one that is begun would fail
  has_room_ = [] { return false; };
  has_replayed_ = true;
  scrub();
  EXPECT_TRUE(comes_true([&] { return !suspicion_->doubts_state(); }));
}

TEST_F(ScrubTest, ACheckpointGoesWhereRoomGetsShort) {
  lose_row();
  std::atomic<int> looks = 0;
  has_room_ = [&] { return looks++ == 0; };
  has_replayed_ = true;
  scrub();
  EXPECT_TRUE(comes_true([&] { return !suspicion_->doubts_state(); })) << "it was read to its end";
  EXPECT_GE(looks, 2);
  EXPECT_FALSE(std::filesystem::exists(checkpoint()));
}

TEST_F(ScrubTest, WhatACrashHasLeftOfACheckpointGoesAtTheStart) {
  const std::string unfinished = checkpoint() + ".tmp";
  for (const std::string& path : {checkpoint(), unfinished}) {
    std::filesystem::create_directories(path);
    std::ofstream(path + "/left") << "of a crash";
  }
  scrub(std::chrono::hours(1));
  EXPECT_TRUE(comes_true([&] { return !std::filesystem::exists(checkpoint()); }));
  EXPECT_TRUE(comes_true([&] { return !std::filesystem::exists(unfinished); }));
}

TEST_F(ScrubTest, WhatIsLeftOfACheckpointGoesAlsoWithoutRoom) {
  has_room_ = [] { return false; };
  scrub();
  ASSERT_TRUE(comes_true([&] { return asked_ >= 1; }));
  std::filesystem::create_directories(checkpoint());
  EXPECT_TRUE(comes_true([&] { return !std::filesystem::exists(checkpoint()); }));
}

// All nodes may lack it alike: what is right is what the majority has.
TEST_F(ScrubTest, AStateThatLacksARowIsKeptAndNotProven) {
  lose_row();
  has_replayed_ = true;
  testing::internal::CaptureStderr();
  start_log(LogFormat::kText);
  scrub();
  EXPECT_TRUE(comes_true([&] { return asked_ >= 3; }));
  scrub_.reset();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("error"), std::string::npos) << said;
  EXPECT_NE(said.find("the state's hash is"), std::string::npos) << said;
  EXPECT_EQ(said.find("are whole"), std::string::npos) << said;
  EXPECT_TRUE(suspicion_->doubts_state());
}

TEST_F(ScrubTest, DamageIsSaidThoughItsCheckpointCannotBeRemoved) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::atomic<int> looks = 0;
  has_room_ = [&] {
    if (looks++ == 1) {  // it has been read
      std::filesystem::rename(group_ + "/copies", group_ + "/elsewhere");
      std::ofstream(group_ + "/copies") << "in the way";
    }
    return true;
  };
  const auto find = [&] {
    write_row(Row{{{2}, {2}, 1, 12345}, "not what was written"});
    scrub();
    comes_true([] { return false; });
  };
  EXPECT_DEATH(find(), "the key 'k' does not hold what was written");
}

TEST_F(ScrubTest, AStateIsNotProvenBeforeTheLogHasBeenReplayed) {
  scrub();
  ASSERT_TRUE(comes_true([&] { return asked_ >= 3; }));
  EXPECT_TRUE(suspicion_->doubts_state() && is_noted());
  has_replayed_ = true;
  EXPECT_TRUE(comes_true([&] { return !suspicion_->doubts_state(); }));
}

// Else a start would take what is damaged again for the first time.
TEST_F(ScrubTest, TheDoubtStaysAsLongAsItsNoteDoes) {
  std::filesystem::remove(group_ + "/REBUILD");
  std::filesystem::create_directories(group_ + "/REBUILD/in-the-way");
  has_replayed_ = true;
  scrub();
  ASSERT_TRUE(comes_true([&] { return asked_ >= 3; }));
  EXPECT_TRUE(suspicion_->doubts_state());
}

}  // namespace
}  // namespace holdfast
