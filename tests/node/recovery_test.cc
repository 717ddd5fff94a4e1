#include "replication/node/recovery.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "storage/fs/posix.h"
#include "storage/kv/memory_engine.h"

namespace holdfast {
namespace {

const raft::Members kMembers = {
    .list = {{NodeId{1}, "n1", "h1:1", true}, {NodeId{7}, "n2", "h2:1", false}}, .removed = {}};

class RecoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "recovery-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  SegmentedLog::Opened open() {
    auto opened = SegmentedLog::open(fs_, root_, {.segment_bytes = 1 << 20, .salt = 1});
    EXPECT_TRUE(opened.has_value());
    return *std::move(opened);
  }
  Result<> begin() {
    const SegmentedLog::Opened opened = open();
    return write_first_hard_state(opened.recovered, *opened.log);
  }
  Result<> form(const raft::Members& members) {
    const SegmentedLog::Opened opened = open();
    return write_first_entry(opened.recovered, *opened.log, members);
  }
  raft::Recovered recover(const KvStateMachine& machine) {
    const SegmentedLog::Opened opened = open();
    auto recovered = recover_replica(opened.recovered, *opened.log, machine, kMembers);
    EXPECT_TRUE(recovered.has_value());
    return *std::move(recovered);
  }

  PosixFileSystem fs_;
  std::string root_;
  MemoryEngine engine_;
};

TEST_F(RecoveryTest, ALogThatWasBegunIsToldFromALostOne) {
  EXPECT_FALSE(was_begun(open().recovered));
  ASSERT_TRUE(begin().has_value());
  EXPECT_TRUE(was_begun(open().recovered));
  EXPECT_TRUE(begin().has_value()) << "a start that ended before the identity knew";
  std::filesystem::remove_all(root_);
  ASSERT_TRUE(fs_.create_directories(root_).has_value());
  EXPECT_FALSE(was_begun(open().recovered));
}

TEST_F(RecoveryTest, ALogOfAnotherBeginningIsRefused) {
  ASSERT_TRUE(form(kMembers).has_value());
  EXPECT_FALSE(begin().has_value());
  EXPECT_TRUE(form(kMembers).has_value());
  EXPECT_FALSE(form({}).has_value());
}

TEST_F(RecoveryTest, TheFirstMembersCountUntilTheStateHasSome) {
  ASSERT_TRUE(begin().has_value());
  auto machine = KvStateMachine::open(engine_);
  ASSERT_TRUE(machine.has_value());
  const raft::Recovered empty = recover(**machine);
  EXPECT_EQ(empty.members, kMembers);
  EXPECT_EQ(empty.last, LogIndex{});
  EXPECT_EQ(empty.hard_state.term, Term{1});

  raft::Members later = kMembers;
  later.list.front().name = "other";
  std::filesystem::remove_all(root_);
  ASSERT_TRUE(fs_.create_directories(root_).has_value());
  ASSERT_TRUE(form(later).has_value());
  const raft::Recovered behind = recover(**machine);
  EXPECT_EQ(behind.members, kMembers);
  ASSERT_EQ(behind.newer_members.size(), 1u) << "the log's own count from where they stand";

  std::vector<Completion> completions;
  const auto entry = std::make_shared<const LogEntry>(
      LogEntry{LogIndex{1}, Term{1}, EntryKind::kMembers, {}, raft::encode_members(later)});
  (*machine)->apply(std::vector<EntryPtr>{entry}, NodeId{7}, completions);
  EXPECT_EQ(recover(**machine).members, later);
}

}  // namespace
}  // namespace holdfast
