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

  // Entries up to `last`: the first is the list of members, the others are of `term`.
  static void apply(KvStateMachine& machine, Term term, uint64_t last) {
    std::vector<Completion> completions;
    for (uint64_t i = machine.applied().index.value + 1; i <= last; ++i) {
      LogEntry entry{LogIndex{i}, term, EntryKind::kBarrier, {}, {}};
      if (i == 1)
        entry = {LogIndex{1}, Term{1}, EntryKind::kMembers, {}, raft::encode_members(kMembers)};
      machine.apply(std::vector{std::make_shared<const LogEntry>(std::move(entry))}, NodeId{7},
                    completions);
    }
  }
  void expect_refused(const KvStateMachine& machine, ErrorCode code, const std::string& says) {
    const SegmentedLog::Opened opened = open();
    const auto recovered = recover_replica(opened.recovered, *opened.log, machine, kMembers);
    ASSERT_FALSE(recovered.has_value());
    EXPECT_EQ(recovered.error().code, code);
    EXPECT_NE(recovered.error().message.find(says), std::string::npos) << recovered.error().message;
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

TEST_F(RecoveryTest, AStateThatTheLogDoesNotLeadToIsRefused) {
  ASSERT_TRUE(form(kMembers).has_value());
  auto machine = KvStateMachine::open(engine_);
  apply(**machine, Term{1}, 3);
  expect_refused(**machine, ErrorCode::kVoteLost, "the state holds entry 3, but the log ends at 1");

  MemoryEngine other;
  auto beside = KvStateMachine::open(other);
  std::vector<Completion> completions;
  (*beside)->apply(std::vector{std::make_shared<const LogEntry>(
                       LogEntry{LogIndex{1}, Term{2}, EntryKind::kBarrier, {}, {}})},
                   NodeId{7}, completions);
  expect_refused(**beside, ErrorCode::kCorrupt, "the state ends with entry 1 of term 2");
}

TEST_F(RecoveryTest, AStateThatTheLogBeginsBehindIsRefused) {
  {
    const SegmentedLog::Opened opened = open();
    LogWrite write;
    write.ticket = {1};
    write.hard_state = HardState{Term{1}, {}};
    write.restart_after = {Term{1}, LogIndex{10}};
    ASSERT_TRUE(opened.log->write(std::span(&write, 1)).has_value());
    ASSERT_TRUE(opened.log->sync().has_value());
  }
  auto machine = KvStateMachine::open(engine_);
  expect_refused(**machine, ErrorCode::kCorrupt,
                 "the log begins behind entry 10, but the state ends at 0");
}

TEST_F(RecoveryTest, BehindAStateThatWasInstalledTheLogBeginsAnew) {
  ASSERT_TRUE(form(kMembers).has_value());
  MemoryEngine peer;
  auto its_machine = KvStateMachine::open(peer);
  apply(**its_machine, Term{4}, 3);
  ASSERT_TRUE((*its_machine)->checkpoint("copy").has_value());
  engine_.put_image("copy", peer.take_image("copy"));
  auto machine = KvStateMachine::open(engine_);
  ASSERT_TRUE((*machine)->install("copy").has_value());

  const raft::Recovered recovered = recover(**machine);
  EXPECT_EQ(recovered.before, (LogPosition{Term{4}, LogIndex{3}}));
  EXPECT_EQ(recovered.last, LogIndex{3});
  EXPECT_EQ(recovered.applied, LogIndex{3});
  EXPECT_EQ(recovered.hard_state, (HardState{Term{4}, {}}));
  EXPECT_EQ(recovered.members, kMembers);
  const Recovered on_disk = open().recovered;
  EXPECT_EQ(on_disk.before, recovered.before);
  EXPECT_EQ(on_disk.hard_state, recovered.hard_state);

  // What is applied behind it must be in the log.
  apply(**machine, Term{4}, 5);
  expect_refused(**machine, ErrorCode::kVoteLost, "the state holds entry 5, but the log ends at 3");
}

}  // namespace
}  // namespace holdfast
