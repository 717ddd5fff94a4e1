#include "server/scrub.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>

#include <gtest/gtest.h>

#include "server/metrics.h"
#include "server/rebuild.h"
#include "storage/fs/posix.h"

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
    EngineBatch batch;
    batch.meta.emplace_back("head", "something");
    engine_->write(batch);
    suspicion_->state_is_new();
  }
  void TearDown() override {
    scrub_.reset();
    engine_.reset();
    std::filesystem::remove_all(group_);
  }

  void scrub() {
    const Scrub::Options options{.every = std::chrono::milliseconds(5),
                                 .log = group_ + "/log",
                                 .bytes_a_second = uint64_t{1} << 30,
                                 .has_replayed = [this] {
                                   ++asked_;
                                   return has_replayed_.load();
                                 }};
    scrub_ = std::make_unique<Scrub>(options, fs_, *engine_, *suspicion_, metrics_);
  }
  bool is_noted() const { return std::filesystem::exists(group_ + "/REBUILD"); }

  PosixFileSystem fs_;
  std::string group_;
  std::unique_ptr<Suspicion> suspicion_;
  std::unique_ptr<RocksEngine> engine_;
  Metrics metrics_;
  std::atomic<bool> has_replayed_ = false;
  std::atomic<int> asked_ = 0;
  std::unique_ptr<Scrub> scrub_;
};

TEST_F(ScrubTest, AStateIsProvenByWhatLiesOnTheDisk) {
  has_replayed_ = true;
  scrub();
  ASSERT_TRUE(comes_true([&] { return !suspicion_->doubts_state(); }));
  EXPECT_FALSE(is_noted());
  EXPECT_TRUE(engine_->get_durable_meta("head").value().has_value());
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
