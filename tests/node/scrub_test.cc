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
    std::string pattern = "scrub-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    group_ = pattern;
    ASSERT_TRUE(fs_.create_directories(group_ + "/log"));
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

  void scrub() {
    const Scrub::Options options{.every = std::chrono::milliseconds(5),
                                 .log = group_ + "/log",
                                 .checkpoint = checkpoint(),
                                 .bytes_a_second = uint64_t{1} << 30,
                                 .has_replayed =
                                     [this] {
                                       ++asked_;
                                       return has_replayed_.load();
                                     },
                                 .has_room = [this] { return has_room_.load(); }};
    scrub_ = std::make_unique<Scrub>(options, fs_, *engine_, *machine_, *suspicion_, metrics_);
  }
  std::string checkpoint() const { return group_ + "/scrub"; }
  bool is_noted() const { return std::filesystem::exists(group_ + "/REBUILD"); }

  PosixFileSystem fs_;
  std::string group_;
  std::unique_ptr<Suspicion> suspicion_;
  std::unique_ptr<RocksEngine> engine_;
  Metrics metrics_;
  std::unique_ptr<KvStateMachine> machine_;
  std::atomic<bool> has_replayed_ = false;
  std::atomic<bool> has_room_ = true;
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
  std::filesystem::create_directories(checkpoint());
  std::ofstream(checkpoint() + "/left") << "of a crash";
  has_room_ = false;
  has_replayed_ = true;
  scrub();
  ASSERT_TRUE(comes_true([&] { return !suspicion_->doubts_state(); }));
  EXPECT_TRUE(std::filesystem::exists(checkpoint() + "/left"));
  has_room_ = true;
  EXPECT_TRUE(comes_true([&] { return !std::filesystem::exists(checkpoint() + "/left"); }));
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
