// Reading real directories, made by the real log and the real state.

#include "server/recover/survey.h"

#include <filesystem>
#include <fstream>
#include <stdlib.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/rebuild.h"
#include "server/recover/revive.h"
#include "server/rejoin.h"
#include "storage/fs/posix.h"
#include "storage/kv/rocks_engine.h"
#include "storage/log/quarantine.h"
#include "storage/log/segmented_log.h"

namespace holdfast::recover {
namespace {

using testing::HasSubstr;

constexpr ClusterId kSurveyedCluster{77};

raft::Members two() {
  return {.list = {{{1}, "n1", "h:1", true}, {{2}, "n2", "h:2", true}}, .removed = {}};
}

raft::Members four() {
  raft::Members members = two();
  members.list.push_back({{3}, "n3", "h:3", true});
  members.list.push_back({{4}, "n4", "h:4", false});
  return members;
}

class SurveyTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "RocksDB is not instrumented";
#endif
    std::string pattern =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "recover-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    place_ = {.data_dir = root_ + "/data", .log_dir = ""};
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write_log(std::vector<EntryPtr> entries) {
    auto opened = SegmentedLog::open(fs_, place_.log_path(), {.segment_bytes = 1 << 20, .salt = 7});
    ASSERT_TRUE(opened) << opened.error().message;
    LogWrite write{.ticket = {1},
                   .hard_state = HardState{{3}, {2}},
                   .restart_after = {},
                   .cut_from = {},
                   .append = std::move(entries),
                   .drop_before = {}};
    ASSERT_TRUE(opened->log->write(std::span(&write, 1)));
    ASSERT_TRUE(opened->log->sync());
    ASSERT_TRUE(opened->log->write_marker());
  }

  // Entries 1 to 4: two members, a key, four members, a key; the first `applied` are in the state.
  void make_node(size_t applied = 2) {
    ASSERT_TRUE(fs_.create_directories(place_.data_dir + "/groups/1"));
    ASSERT_TRUE(write_identity(fs_, place_.data_dir, {{1}, "n1", kSurveyedCluster}));
    const std::vector<EntryPtr> entries = {
        entry(1, EntryKind::kMembers, raft::encode_members(two())), entry(2, put("a")),
        entry(3, EntryKind::kMembers, raft::encode_members(four())), entry(4, put("b"))};
    write_log(entries);
    const auto engine = RocksEngine::open({.directory = state_path()}).value();
    const auto machine = KvStateMachine::open(*engine).value();
    std::vector<Completion> completions;
    machine->apply(std::span(entries).first(applied), NodeId{1}, completions);
    ASSERT_TRUE(engine->flush());
  }

  static Bytes put(const std::string& key) {
    return encode_command({.act = PutCommand{.key = key, .value = "v"}});
  }
  static EntryPtr entry(uint64_t index, Bytes payload) {
    return entry(index, EntryKind::kCommand, std::move(payload));
  }
  static EntryPtr entry(uint64_t index, EntryKind kind, Bytes payload) {
    return std::make_shared<const LogEntry>(
        LogEntry{{index}, Term{2}, kind, {}, std::move(payload)});
  }

  std::string state_path() const { return place_.data_dir + "/groups/1/state"; }

  // Each file under the root with its bytes and the time of its last change.
  std::vector<std::string> everything() const {
    std::vector<std::string> files;
    for (const auto& found : std::filesystem::recursive_directory_iterator(root_)) {
      std::string bytes;
      if (found.is_regular_file()) {
        std::ifstream in(found.path());
        bytes.assign(std::istreambuf_iterator<char>(in), {});
      }
      files.push_back(fmt::format("{} {} {:x}", found.path().string(),
                                  found.last_write_time().time_since_epoch().count(),
                                  checksum(bytes)));
    }
    std::ranges::sort(files);
    return files;
  }

  void flip_byte(const std::string& path, std::streamoff at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
    ASSERT_TRUE(file.good());
  }

  Trouble trouble() {
    const Finding finding = look_at(reader_, place_);
    EXPECT_TRUE(finding.problem);
    EXPECT_FALSE(finding.counts());
    message_ = finding.problem ? finding.problem->message : "";
    return finding.problem ? finding.problem->trouble : Trouble::kCopy;
  }

  PosixFileSystem fs_;
  PosixReader reader_;
  std::string root_;
  Place place_;
  std::string message_;
};

TEST_F(SurveyTest, SaysWhatLogAndStateHoldAndChangesNothing) {
  make_node();
  const std::vector<std::string> before = everything();
  const Finding finding = look_at(reader_, place_);
  EXPECT_EQ(everything(), before);
  ASSERT_FALSE(finding.problem) << finding.problem->message;
  EXPECT_EQ(finding.identity, (Identity{{1}, "n1", kSurveyedCluster}));
  EXPECT_EQ(finding.contents->hard_state, (HardState{{3}, {2}}));
  EXPECT_EQ(finding.contents->before, (LogPosition{}));
  EXPECT_EQ(finding.contents->last, (LogPosition{{2}, {4}}));
  EXPECT_EQ(finding.contents->members, four());  // from the log, behind the state
  EXPECT_EQ(finding.state->applied, (LogPosition{{2}, {2}}));
  EXPECT_EQ(finding.state->revision, Revision{2});
  EXPECT_TRUE(finding.last_written);
}

TEST_F(SurveyTest, AllAppliedTheMembersComeFromTheState) {
  make_node(4);
  EXPECT_EQ(look_at(reader_, place_).contents->members, four());
}

TEST_F(SurveyTest, ANodeThatEndedBeforeItsFirstStateCounts) {
  make_node();
  std::filesystem::remove_all(state_path());
  const Finding finding = look_at(reader_, place_);
  EXPECT_TRUE(finding.counts());
  EXPECT_EQ(finding.state->applied, (LogPosition{}));
  EXPECT_FALSE(std::filesystem::exists(state_path()));
}

TEST_F(SurveyTest, ALogElsewhereIsFoundWhereItIsSaidToBe) {
  make_node();
  ASSERT_TRUE(fs_.create_directories(root_ + "/fast/groups/1"));
  std::filesystem::rename(place_.log_path(), root_ + "/fast/groups/1/log");
  EXPECT_EQ(trouble(), Trouble::kDamaged);
  EXPECT_THAT(message_, HasSubstr("--log-dir"));
  place_.log_dir = root_ + "/fast";
  EXPECT_TRUE(look_at(reader_, place_).counts());
}

TEST_F(SurveyTest, ATornTailIsReportedAndLeftAsItIs) {
  make_node();
  // The batch's block, then the marker's; then a write that did not end.
  flip_byte(segment_path(place_.log_path(), 1), 3 * kLogBlockBytes);
  const std::vector<std::string> before = everything();
  const Finding finding = look_at(reader_, place_);
  EXPECT_TRUE(finding.counts());
  EXPECT_TRUE(finding.contents->torn_tail);
  EXPECT_EQ(everything(), before);
}

TEST_F(SurveyTest, DamageIsSaidAndTheStateStillTellsWhatWasCommitted) {
  make_node();
  flip_byte(segment_path(place_.log_path(), 1), kLogBlockBytes + 100);
  EXPECT_EQ(trouble(), Trouble::kDamaged);
  EXPECT_THAT(message_, HasSubstr("damaged at byte 4096"));
  EXPECT_EQ(look_at(reader_, place_).state->applied.index, LogIndex{2});
}

TEST_F(SurveyTest, ALogInQuarantineSaysWhatIsLeftOfItAndWhatLiesBesideIt) {
  make_node();
  ASSERT_TRUE(begin_quarantine(fs_, place_.log_path(), {{7}, {2}}, "for the test"));
  std::ofstream(segment_path(place_.log_path(), 2) + ".damaged") << "entries";
  const std::vector<std::string> before = everything();
  const Finding finding = look_at(reader_, place_);
  EXPECT_EQ(everything(), before);
  ASSERT_FALSE(finding.problem) << finding.problem->message;
  EXPECT_TRUE(finding.counts());
  EXPECT_FALSE(finding.is_whole());
  EXPECT_EQ(finding.contents->quarantine, "for the test");
  EXPECT_EQ(finding.contents->last, (LogPosition{{2}, {4}}));
  EXPECT_EQ(finding.contents->hard_state, (HardState{{7}, {2}})) << "the newer one";
  ASSERT_EQ(finding.remarks.size(), 1);
  EXPECT_EQ(finding.remarks[0].path, place_.log_path() + "/*.damaged");
  EXPECT_TRUE(finding.remarks[0].may_hold_acknowledged);

  ASSERT_TRUE(forget_quarantine(fs_, place_.log_path()));
  const Finding later = look_at(reader_, place_);
  EXPECT_TRUE(later.is_whole());
  ASSERT_EQ(later.remarks.size(), 1);
  EXPECT_FALSE(later.remarks[0].may_hold_acknowledged) << "a leader has filled it";
}

TEST_F(SurveyTest, ALogInQuarantineThatEndsBeforeItsStateCountsUpToTheState) {
  make_node(4);
  std::filesystem::remove_all(place_.log_path());
  write_log({entry(1, EntryKind::kMembers, raft::encode_members(two()))});
  ASSERT_TRUE(begin_quarantine(fs_, place_.log_path(), {{3}, {2}}, "for the test"));
  const Finding finding = look_at(reader_, place_);
  ASSERT_FALSE(finding.problem) << finding.problem->message;
  EXPECT_EQ(finding.contents->last, (LogPosition{{2}, {4}}));
  EXPECT_EQ(finding.contents->members, four());
  const auto revived = revive(fs_, place_, judge({finding}), NodeId{55}, "");
  ASSERT_TRUE(revived) << revived.error().message;
  const Finding after = look_at(reader_, place_);
  EXPECT_TRUE(after.is_whole());
  EXPECT_EQ(after.contents->last, (LogPosition{{4}, {5}}));
}

TEST_F(SurveyTest, AStateThatIsToBeDroppedIsNotGoneBy) {
  make_node();
  const std::string group = place_.data_dir + "/groups/1";
  ASSERT_TRUE(note_damaged_state(fs_, group, "a block is another"));
  const Finding finding = look_at(reader_, place_);
  ASSERT_FALSE(finding.problem) << finding.problem->message;
  EXPECT_EQ(finding.contents->last, (LogPosition{{2}, {4}})) << "the log goes back to entry 1";
  EXPECT_EQ(finding.state->applied.index, LogIndex{2}) << "that was committed, whatever its rows";
  ASSERT_EQ(finding.remarks.size(), 1);
  EXPECT_THAT(finding.remarks[0].meaning, HasSubstr("a start drops it"));

  std::filesystem::remove_all(place_.log_path());
  auto opened = SegmentedLog::open(fs_, place_.log_path(), {});
  LogWrite write{.ticket = {1},
                 .hard_state = HardState{{3}, {2}},
                 .restart_after = LogPosition{{2}, {2}},
                 .cut_from = {},
                 .append = {entry(3, put("b"))},
                 .drop_before = {}};
  ASSERT_TRUE(opened->log->write(std::span(&write, 1)));
  ASSERT_TRUE(opened->log->sync());
  EXPECT_EQ(trouble(), Trouble::kDamaged);
  EXPECT_THAT(message_, HasSubstr("cannot be made anew from its log"));

  auto note = read_rebuild_note(fs_, group).value();
  ASSERT_TRUE(drop_damaged_state(fs_, group, *note));
  const Finding later = look_at(reader_, place_);
  ASSERT_EQ(later.remarks.size(), 2);
  EXPECT_EQ(later.remarks[1].path, group + "/damaged-state");
}

TEST_F(SurveyTest, WhatANodeHadUnderAnEarlierIdIsNamed) {
  make_node();
  const RejoinNote note{
      .old_id = {1}, .cluster = kSurveyedCluster, .urls = {"http://h:1"}, .why = "for the test"};
  ASSERT_TRUE(note_rejoin(fs_, place_.data_dir, note));
  EXPECT_EQ(trouble(), Trouble::kDamaged);
  EXPECT_THAT(message_, HasSubstr("may be lost"));
  ASSERT_TRUE(put_groups_aside(fs_, place_.data_dir));
  EXPECT_EQ(trouble(), Trouble::kDamaged);
  EXPECT_THAT(message_, HasSubstr("may be lost"));
  ASSERT_TRUE(write_identity(fs_, place_.data_dir, {{9}, "n1", {}}));
  EXPECT_EQ(trouble(), Trouble::kNoCluster);
  EXPECT_THAT(message_, HasSubstr("under its new id"));
  const Finding finding = look_at(reader_, place_);
  ASSERT_EQ(finding.remarks.size(), 1);
  EXPECT_EQ(finding.remarks[0].path, place_.data_dir + "/groups.damaged");
  EXPECT_TRUE(finding.remarks[0].may_hold_acknowledged);
}

TEST_F(SurveyTest, AStateAheadOfItsLogIsDamage) {
  make_node(4);
  std::filesystem::remove_all(place_.log_path());
  write_log({entry(1, EntryKind::kMembers, raft::encode_members(two()))});
  EXPECT_EQ(trouble(), Trouble::kDamaged);
  EXPECT_THAT(message_, HasSubstr("the log ends at 1"));
}

// A crash between the two steps of taking in a snapshot: the state is there, the log not yet.
TEST_F(SurveyTest, AStateThatWasInstalledBehindItsLogCountsAndIsRecoveredFrom) {
  make_node(4);
  {
    const auto engine = RocksEngine::open({.directory = state_path()}).value();
    ASSERT_TRUE(KvStateMachine::open(*engine).value()->checkpoint(root_ + "/copy"));
  }
  place_.data_dir = root_ + "/other";
  ASSERT_TRUE(fs_.create_directories(place_.data_dir + "/groups/1"));
  ASSERT_TRUE(write_identity(fs_, place_.data_dir, {{2}, "n2", kSurveyedCluster}));
  write_log({entry(1, EntryKind::kMembers, raft::encode_members(two()))});
  {
    const auto engine = RocksEngine::open({.directory = state_path()}).value();
    ASSERT_TRUE(KvStateMachine::open(*engine).value()->install(root_ + "/copy"));
  }

  const std::vector<std::string> before = everything();
  const Finding finding = look_at(reader_, place_);
  EXPECT_EQ(everything(), before);
  ASSERT_FALSE(finding.problem) << finding.problem->message;
  EXPECT_EQ(finding.contents->last, (LogPosition{{2}, {4}}));
  EXPECT_EQ(finding.contents->members, four());

  const auto revived = revive(fs_, place_, judge({finding}), NodeId{55}, "");
  ASSERT_TRUE(revived) << revived.error().message;
  const Finding after = look_at(reader_, place_);
  ASSERT_FALSE(after.problem) << after.problem->message;
  EXPECT_EQ(after.contents->before, (LogPosition{{2}, {4}}));
  EXPECT_EQ(after.contents->last, (LogPosition{{4}, {5}}));
  EXPECT_EQ(after.state->applied.index, LogIndex{4});
  EXPECT_EQ(judge({after}).verdict, Verdict::kMajorityHere);
}

TEST_F(SurveyTest, AnInstalledStateWhoseFilesAreGoneIsDamage) {
  make_node();
  ASSERT_TRUE(fs_.create_directories(state_path() + ".1"));
  EXPECT_NE(trouble(), Trouble::kNoNode);
}

TEST_F(SurveyTest, EachKindOfTroubleHasItsOwnLine) {
  EXPECT_EQ(trouble(), Trouble::kNoNode);
  EXPECT_THAT(message_, HasSubstr("no IDENTITY"));
  EXPECT_FALSE(std::filesystem::exists(place_.data_dir));

  make_node();
  ASSERT_TRUE(write_identity(fs_, place_.data_dir, {{1}, "n1", {}}));
  EXPECT_EQ(trouble(), Trouble::kNoCluster);

  const std::string newer = R"({"format":2})";
  std::ofstream(place_.data_dir + "/IDENTITY", std::ios::trunc)
      << newer << fmt::format("\n{:016x}\n", checksum(newer));
  EXPECT_EQ(trouble(), Trouble::kNewerFormat);
  EXPECT_THAT(message_, HasSubstr("format 2"));

  flip_byte(place_.data_dir + "/IDENTITY", 3);
  EXPECT_EQ(trouble(), Trouble::kDamaged);

  ASSERT_TRUE(write_identity(fs_, place_.data_dir, {{1}, "n1", kSurveyedCluster}));
  EXPECT_TRUE(look_at(reader_, place_).counts());
}

TEST_F(SurveyTest, ADirectoryInUseIsNotReadButNamed) {
  make_node();
  const auto held = DirectoryLock::take(place_.data_dir);
  ASSERT_TRUE(held);
  const auto refused = DirectoryLock::take_to_read(place_.data_dir);
  ASSERT_FALSE(refused);
  const Finding finding = look_at_locked(reader_, place_, refused.error());
  EXPECT_EQ(finding.problem->trouble, Trouble::kInUse);
  EXPECT_EQ(finding.identity->name, "n1");
  EXPECT_FALSE(finding.counts());
}

TEST_F(SurveyTest, WhoLooksMakesNoLockFileAndHoldsTheOneThatIsThere) {
  make_node();
  ASSERT_TRUE(DirectoryLock::take_to_read(place_.data_dir));
  EXPECT_FALSE(std::filesystem::exists(place_.data_dir + "/LOCK"));
  ASSERT_TRUE(DirectoryLock::take(place_.data_dir));
  const auto held = DirectoryLock::take_to_read(place_.data_dir);
  ASSERT_TRUE(held);
  EXPECT_FALSE(DirectoryLock::take(place_.data_dir));
}

TEST_F(SurveyTest, TheReaderOfFilesWritesNothing) {
  make_node();
  const std::vector<std::string> before = everything();
  const std::string identity = place_.data_dir + "/IDENTITY";
  EXPECT_FALSE(reader_.create(root_ + "/new"));
  EXPECT_FALSE(reader_.create_directories(root_ + "/new"));
  EXPECT_FALSE(reader_.rename(identity, identity + "2"));
  EXPECT_FALSE(reader_.remove(identity));
  EXPECT_FALSE(reader_.sync_directory(root_));
  EXPECT_FALSE(reader_.open(identity).value()->write_at(0, "x"));
  EXPECT_EQ(everything(), before);
}

}  // namespace
}  // namespace holdfast::recover
