#include "replication/node/upkeep.h"

#include <gtest/gtest.h>

#include "storage/kv/command.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/memory_engine.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

// A leader of one: what is proposed is in the log at the next look, and applied when told.
class UpkeepTest : public testing::Test {
 protected:
  UpkeepTest() {
    status_.role = raft::Role::kLeader;
    status_.term = {1};
    append(encode_command({GrantLeaseCommand{{1}, 5'000}}));
    apply();
    status_.cluster_ms = 5'000;
  }

  void append(Bytes payload) {
    status_.last = {status_.term, status_.last.index + 1};
    waiting_.push_back(std::make_shared<const LogEntry>(LogEntry{status_.last.index,
                                                                 status_.term,
                                                                 EntryKind::kCommand,
                                                                 {},
                                                                 std::move(payload),
                                                                 {status_.cluster_ms, 0}}));
  }
  void apply() {
    std::vector<Completion> completions;
    machine_->apply(waiting_, {}, completions);
    waiting_.clear();
    status_.applied = status_.last.index;
  }
  std::optional<Bytes> due() { return upkeep_.due(now_, status_); }

  MemoryEngine engine_;
  std::unique_ptr<KvStateMachine> machine_ = KvStateMachine::open(engine_).value();
  Upkeep upkeep_{*machine_};
  raft::Status status_{};
  std::vector<EntryPtr> waiting_;
  Instant now_{milliseconds(1'000)};
};

TEST_F(UpkeepTest, OnlyALeaderProposesAndOnlyWhatIsDue) {
  status_.role = raft::Role::kFollower;
  EXPECT_FALSE(due());
  status_.role = raft::Role::kLeader;
  status_.cluster_ms = 999;
  EXPECT_FALSE(due());
  status_.cluster_ms = 5'000;
  ASSERT_TRUE(due());
}

TEST_F(UpkeepTest, OneAtATime) {
  const std::optional<Bytes> first = due();
  ASSERT_TRUE(first);
  EXPECT_EQ(decode_command(first->view()), Command{ExpireCommand{}});
  append(*first);
  now_ += milliseconds(10);
  EXPECT_FALSE(due()) << "it is in the log, and not applied";
  append(encode_command({PutCommand{"k", "v", {}}}));
  now_ += milliseconds(1'000);
  EXPECT_FALSE(due());
  apply();
  EXPECT_FALSE(due()) << "and now nothing is left";
}

TEST_F(UpkeepTest, OthersGetAsMuchTimeAsItTook) {
  append(*due());
  now_ += milliseconds(40);
  apply();
  append(encode_command({GrantLeaseCommand{{2}, 1'000}}));
  apply();
  status_.cluster_ms = 9'000;
  EXPECT_FALSE(due());
  now_ += milliseconds(39);
  EXPECT_FALSE(due());
  now_ += milliseconds(1);
  EXPECT_TRUE(due());
}

TEST_F(UpkeepTest, WhatWasRefusedIsProposedAgain) {
  ASSERT_TRUE(due());
  now_ += milliseconds(10);
  EXPECT_FALSE(due()) << "the log did not take it: it is over now";
  now_ += milliseconds(10);
  EXPECT_TRUE(due());
}

TEST_F(UpkeepTest, AnotherTermBeginsAnew) {
  append(*due());
  now_ += milliseconds(10);
  EXPECT_FALSE(due());
  // It was cut off, and the barrier of this node's new term is not applied yet.
  status_.term = {3};
  EXPECT_TRUE(due());
}

}  // namespace
}  // namespace holdfast
