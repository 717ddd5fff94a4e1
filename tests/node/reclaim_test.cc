// When the past is given up for room, and what is done with the state then.

#include "server/reclaim.h"

#include <chrono>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/disk_room.h"
#include "storage/base/check.h"
#include "storage/kv/command.h"
#include "tests/node/taken_disk.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A leader whose disk is short.
class ReclaimTest : public testing::Test {
 protected:
  ReclaimTest() {
    CHECK(mkdtemp(directory_.data()) != nullptr);
    engine_ = std::move(RocksEngine::open({.directory = directory_ + "/state"}).value());
    machine_ = std::move(KvStateMachine::open(*engine_).value());
    disk_.take(kTakenDisk - kTakenDisk / 9);
    room_ = std::move(DiskRoom::open(disk_, "data", "").value());
    CHECK(room_->is_short() && room_->has_room_to_flush());
    reclaim_.emplace(*engine_, *machine_, *room_);
    status_.role = raft::Role::kLeader;
    status_.term = {7};
    status_.refuses_growth = true;
    put();
  }
  ~ReclaimTest() override {
    reclaim_.reset();
    machine_.reset();
    engine_.reset();
    std::filesystem::remove_all(directory_);
  }

  void apply(Command command) {
    const LogIndex index = machine_->applied().index + 1;
    const auto entry = std::make_shared<const LogEntry>(
        LogEntry{index, {7}, EntryKind::kCommand, {}, encode_command(std::move(command))});
    std::vector<Completion> completions;
    machine_->apply(std::vector<EntryPtr>{entry}, NodeId{1}, completions);
  }
  void put() { apply({.act = PutCommand{"k", "value", {}}}); }
  std::optional<Bytes> due() { return reclaim_->due(now_, status_); }
  bool is_flushed() const { return machine_->durable() == machine_->summary().applied.index; }

  std::string directory_ =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "reclaim_XXXXXX").string();
  std::unique_ptr<RocksEngine> engine_;
  std::unique_ptr<KvStateMachine> machine_;
  TakenDisk disk_;
  std::unique_ptr<DiskRoom> room_;
  std::optional<Reclaim> reclaim_;
  raft::Status status_{};
  Instant now_{seconds(1'000)};
};

TEST_F(ReclaimTest, ThePastIsGivenUpWhenARefusalLasts) {
  EXPECT_FALSE(due());
  now_ += seconds(10) - milliseconds(1);
  EXPECT_FALSE(due());
  now_ += milliseconds(1);
  testing::internal::CaptureStdout();
  const std::optional<Bytes> payload = due();
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              testing::HasSubstr("the past of all keys, below revision 2, is given up"));
  ASSERT_TRUE(payload);
  apply(decode_command(payload->view()).value());
  EXPECT_EQ(machine_->history_floor(), Revision{2});
  EXPECT_FALSE(due());
}

TEST_F(ReclaimTest, AndSeldom) {
  (void)due();
  now_ += seconds(10);
  ASSERT_TRUE(due());
  put();
  now_ += seconds(30) - milliseconds(1);
  EXPECT_FALSE(due());
  now_ += milliseconds(1);
  EXPECT_TRUE(due());
}

TEST_F(ReclaimTest, NothingIsGivenUpThatNeedNotBe) {
  (void)due();
  now_ += seconds(10);
  apply({.act = CompactCommand{.floor = machine_->revision()}});
  EXPECT_FALSE(due()) << "there is no past any more";
}

TEST_F(ReclaimTest, ARefusalThatWasTakenBackCountsAnew) {
  (void)due();
  now_ += seconds(9);
  status_.refuses_growth = false;
  EXPECT_FALSE(due());
  status_.refuses_growth = true;
  EXPECT_FALSE(due());
  now_ += seconds(9);
  EXPECT_FALSE(due());
  now_ += seconds(1);
  EXPECT_TRUE(due());
}

TEST_F(ReclaimTest, SoDoesOneUnderAnotherLeader) {
  (void)due();
  now_ += seconds(9);
  status_.term = {8};
  EXPECT_FALSE(due());
  now_ += seconds(9);
  EXPECT_FALSE(due());
  status_.role = raft::Role::kFollower;
  now_ += seconds(9);
  EXPECT_FALSE(due());
  status_.role = raft::Role::kLeader;
  EXPECT_FALSE(due());
  now_ += seconds(10);
  EXPECT_TRUE(due());
}

TEST_F(ReclaimTest, TheStateIsFlushedSeldomButForARaisedFloor) {
  reclaim_->look(now_);
  EXPECT_TRUE(is_flushed());
  put();
  now_ += seconds(30) - milliseconds(1);
  reclaim_->look(now_);
  EXPECT_FALSE(is_flushed());
  now_ += milliseconds(1);
  reclaim_->look(now_);
  EXPECT_TRUE(is_flushed());
  apply({.act = CompactCommand{.floor = machine_->revision()}});
  reclaim_->look(now_);
  EXPECT_TRUE(is_flushed());
}

TEST_F(ReclaimTest, WhatTheFloorAllowsIsRewritten) {
  put();
  const Revision newest = machine_->revision();
  apply({.act = CompactCommand{.floor = newest}});
  reclaim_->look(now_);
  put();  // by which the engine is told
  ASSERT_EQ(engine_->compacts_below(), newest);
  reclaim_->look(now_);
  const auto old = engine_->get("k", {newest.value - 1}, ReadTier::kDisk);
  EXPECT_TRUE(!old || !*old);
  EXPECT_TRUE(engine_->get("k", newest, ReadTier::kDisk).value());
}

TEST_F(ReclaimTest, NothingIsDoneWhereThereIsRoomOrNoneForAFlush) {
  disk_.take(0);
  room_ = std::move(DiskRoom::open(disk_, "data", "").value());
  reclaim_.emplace(*engine_, *machine_, *room_);
  reclaim_->look(now_);
  EXPECT_FALSE(is_flushed());
  disk_.take(kTakenDisk);
  room_ = std::move(DiskRoom::open(disk_, "data", "").value());
  reclaim_.emplace(*engine_, *machine_, *room_);
  reclaim_->look(now_);
  EXPECT_FALSE(is_flushed());
}

}  // namespace
}  // namespace holdfast
