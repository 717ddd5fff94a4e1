// What a start makes of damage to what a node has on its disk, with all of its parts.

#include "server/node_storage.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/members_note.h"
#include "server/rebuild.h"
#include "server/rejoin.h"
#include "storage/fs/posix.h"
#include "storage/kv/command.h"
#include "storage/log/segment.h"

namespace holdfast {
namespace {

namespace files = std::filesystem;

const SegmentedLog::Options kLog{.segment_bytes = 1 << 20, .salt = 1};
const raft::Member kOnlyMember{NodeId{1}, "n1", "h1:1", true};
const raft::Members kAlone{.list = {kOnlyMember}, .removed = {}};
const raft::Members kWithOthers{.list = {kOnlyMember, {NodeId{2}, "n2", "h2:1", true}},
                                .removed = {}};

// A node that formed its cluster alone.
class NodeStorageTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "node-storage-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    group_ = pattern;
    ASSERT_TRUE(fs_.create_directories(log_path()));
    const auto opened = SegmentedLog::open(fs_, log_path(), kLog);
    ASSERT_TRUE(opened && write_first_entry(opened->recovered, *opened->log, kAlone));
    ASSERT_TRUE(open()) << "first start";
  }
  void TearDown() override { files::remove_all(group_); }

  StoragePlaces places() const { return {.data = group_, .group = group_, .log = log_path()}; }
  std::string log_path() const { return group_ + "/log"; }

  // As a start does.
  Result<NodeStorage> open() {
    suspicion_ = std::make_unique<Suspicion>(fs_, group_, kOnlyMember.id);
    const Identity identity{.node = kOnlyMember.id,
                            .name = kOnlyMember.name,
                            .cluster = ClusterId{9},
                            .first_members = kAlone,
                            .removed = false};
    return open_node_storage(fs_, identity, places(), kLog, *suspicion_);
  }

  void damage_state() const {
    for (const auto& file : files::recursive_directory_iterator(group_)) {
      if (!file.path().filename().string().starts_with("MANIFEST")) continue;
      if (file.path().string().find("damaged-state") != std::string::npos) continue;
      std::ofstream(file.path(), std::ios::trunc) << "not what was written";
    }
  }
  static void flip_byte(const std::string& path, std::streamoff at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 8));
  }
  // Two of these fill a segment.
  static void append(SegmentedLog& log, LogIndex index) {
    LogWrite write{};
    write.append.push_back(std::make_shared<const LogEntry>(LogEntry{
        .index = index,
        .term = {1},
        .kind = EntryKind::kCommand,
        .origin = {},
        .payload = encode_command({.act = PutCommand{"k", std::string(400'000, 'v'), {}}})}));
    ASSERT_TRUE(log.write(std::span(&write, 1)));
    ASSERT_TRUE(log.sync());
  }
  bool there(const std::string& path) const { return files::exists(group_ + "/" + path); }

  PosixFileSystem fs_;
  std::string group_;
  std::unique_ptr<Suspicion> suspicion_;
};

TEST_F(NodeStorageTest, AloneADamagedStateIsTouchedByNobody) {
  damage_state();
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(there("REBUILD") || there("damaged-state"));
}

TEST_F(NodeStorageTest, AloneItIsSaidThatDamageOfNoConsequenceWasPutAside) {
  {
    auto storage = open();
    ASSERT_TRUE(storage);
    // Three segments, and the first one's entries are in the state.
    for (uint64_t index = 2; index <= 7; ++index) append(*storage->log, {index});
    const auto entries = storage->log->read({kOnlyMember.id, {1}, {4}, 10 << 20});
    ASSERT_TRUE(entries && entries->size() == 4);
    std::vector<Completion> completions;
    storage->machine->apply(*entries, kOnlyMember.id, completions);
    ASSERT_TRUE(storage->engine->flush());
    ASSERT_GE(storage->log->segment(), 3U);
  }
  const std::string needless = segment_path(log_path(), 1);
  const std::string needed = segment_path(log_path(), 2);
  flip_byte(needless, 500'000);
  flip_byte(needed, 500'000);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(files::exists(needless + ".damaged") && files::exists(needed));
  EXPECT_THAT(opened.error().message, testing::HasSubstr("were put aside as *.damaged"));
  EXPECT_THAT(opened.error().message, testing::Not(testing::HasSubstr("Nothing was changed")));
}

TEST_F(NodeStorageTest, WhoWasJoinedByOthersMakesADamagedStateAnew) {
  suspicion_->follow(kWithOthers);
  damage_state();
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(there("REBUILD") && there("damaged-state"));
}

TEST_F(NodeStorageTest, WhoIsLeftAloneAgainDoesNot) {
  suspicion_->follow(kWithOthers);
  suspicion_->follow(kAlone);
  damage_state();
  EXPECT_FALSE(open());
}

TEST_F(NodeStorageTest, ADiskThatDamagesEachNewStateIsGivenUp) {
  suspicion_->follow(kWithOthers);
  for (int i = 0; i < kRebuildsMax; ++i) {
    damage_state();
    ASSERT_TRUE(open()) << i;
    ASSERT_TRUE(open()) << "a start in between proves nothing";
  }
  damage_state();
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("Replace the disk"));
}

TEST_F(NodeStorageTest, AStateThatAPeerSentIsOneMoreInARowUntilItIsProven) {
  suspicion_->follow(kWithOthers);
  damage_state();
  auto storage = open();
  ASSERT_TRUE(storage);
  LogWriter log(std::move(storage->log), {.persisted = [](WriteTicket) {},
                                          .loaded = [](NodeId, const std::vector<EntryPtr>&) {},
                                          .damaged = nullptr});
  storage->recovered.lacks_state = true;
  Repairs repairs(fs_, places(), *suspicion_, storage->recovered);
  repairs.settle(raft::Status{}, log);
  EXPECT_FALSE(repairs.any());
  EXPECT_TRUE(suspicion_->doubts_state());
  EXPECT_EQ(note_damaged_state(fs_, group_, "again")->times, 2);
  suspicion_->state_is_proven();
  EXPECT_FALSE(suspicion_->doubts_state() || there("REBUILD") || there("damaged-state"));
  EXPECT_EQ(note_damaged_state(fs_, group_, "another time")->times, 1);
}

TEST_F(NodeStorageTest, ALogThatIsToldToLackEntriesIsInQuarantineAfterARestartToo) {
  suspicion_->follow(kWithOthers);
  {
    auto storage = open();
    ASSERT_TRUE(storage);
    LogWriter log(std::move(storage->log), {.persisted = [](WriteTicket) {},
                                            .loaded = [](NodeId, const std::vector<EntryPtr>&) {},
                                            .damaged = nullptr});
    Repairs repairs(fs_, places(), *suspicion_, storage->recovered);
    repairs.begin_quarantine(raft::Status{});
    EXPECT_TRUE(repairs.any());
  }
  const auto again = open();
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->recovered.quarantined);
}

// By an old list, a majority may be found that shares nobody with one of the list that counts.
TEST_F(NodeStorageTest, AListThatCannotBeReplacedIsRemoved) {
  suspicion_->follow(kWithOthers);
  std::filesystem::create_directories(group_ + "/MEMBERS.new");
  suspicion_->follow(kAlone);
  EXPECT_FALSE(there("MEMBERS"));
  std::filesystem::remove(group_ + "/MEMBERS.new");
  suspicion_->follow(kWithOthers);
  EXPECT_EQ(noted_members(fs_, group_).value(), kWithOthers);
}

// Its newest vote was noted when the log was damaged, and the note is no more to be read.
TEST_F(NodeStorageTest, WhoLostItsVoteAndKnowsNobodySaysWhatToDo) {
  suspicion_->follow(kWithOthers);
  std::ofstream(log_path() + "/QUARANTINE") << "not what was written";
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kVoteLost);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("Where to ask the others is not known"));
  EXPECT_EQ(read_rejoin_note(fs_, group_).value(), std::nullopt);
}

TEST_F(NodeStorageTest, WhoLostItsVoteAndHasNoPeersComesBackNowhere) {
  {
    auto storage = open();
    ASSERT_TRUE(storage);
    for (uint64_t index = 2; index <= 3; ++index) append(*storage->log, {index});
    const auto entries = storage->log->read({kOnlyMember.id, {1}, {3}, 10 << 20});
    ASSERT_TRUE(entries && entries->size() == 3);
    std::vector<Completion> completions;
    storage->machine->apply(*entries, kOnlyMember.id, completions);
    ASSERT_TRUE(storage->engine->flush());
  }
  files::remove_all(log_path());
  ASSERT_TRUE(fs_.create_directories(log_path()));
  {
    const auto fresh = SegmentedLog::open(fs_, log_path(), kLog);
    ASSERT_TRUE(fresh && write_first_entry(fresh->recovered, *fresh->log, kAlone));
  }
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kVoteLost);
  EXPECT_THAT(opened.error().message, testing::Not(testing::HasSubstr("Where to ask the others")));
}

// A state that was never written out knows nobody; what it knew was noted beside it.
TEST_F(NodeStorageTest, WhoLostItsVoteAsksWhereTheNoteSaysAndStartsAnew) {
  suspicion_->follow(kWithOthers);
  ASSERT_TRUE(note_urls(fs_, group_, {"http://h2:2"}));
  std::ofstream(log_path() + "/QUARANTINE") << "not what was written";
  // The process that is started anew is this program again: it finds no test to run.
  EXPECT_EXIT(
      {
        ::setenv("GTEST_TOTAL_SHARDS", "1000000", 1);
        ::setenv("GTEST_SHARD_INDEX", "999999", 1);
        (void)open();
        std::_Exit(1);
      },
      testing::ExitedWithCode(0), "");
  const auto due = read_rejoin_note(fs_, group_).value();
  ASSERT_TRUE(due);
  EXPECT_EQ(due->old_id, kOnlyMember.id);
  EXPECT_EQ(due->cluster, ClusterId{9});
  EXPECT_EQ(due->urls, std::vector<std::string>{"http://h2:2"});
  EXPECT_FALSE(due->asked || due->stays_learner);
}

TEST_F(NodeStorageTest, WhatIsAssumedIsNotNoted) {
  EXPECT_FALSE(there("MEMBERS"));
}

TEST_F(NodeStorageTest, WhoLostTheStateKnowsTheMembersByTheirNoteAlone) {
  {
    const auto opened = SegmentedLog::open(fs_, log_path(), kLog);
    ASSERT_TRUE(opened);
    LogWrite write;
    write.ticket = {1};
    write.restart_after = LogPosition{Term{1}, LogIndex{5}};
    write.hard_state = HardState{Term{1}, {}};
    ASSERT_TRUE(opened->log->write(std::span(&write, 1)) && opened->log->sync());
  }
  ASSERT_TRUE(note_damaged_state(fs_, group_, "for the test"));
  {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(opened->recovered.lacks_state && opened->recovered.guesses_members);
  }
  suspicion_->follow(kWithOthers);
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->recovered.lacks_state && !opened->recovered.guesses_members);
  EXPECT_EQ(opened->recovered.members, kWithOthers);
}

TEST_F(NodeStorageTest, NoFlippedByteOfTheNotedMembersIsBelieved) {
  suspicion_->follow(kWithOthers);
  const std::string path = group_ + "/MEMBERS";
  const auto size = static_cast<std::streamoff>(files::file_size(path));
  for (std::streamoff at = 0; at < size; ++at) {
    flip_byte(path, at);
    const auto noted = noted_members(fs_, group_);
    ASSERT_TRUE(noted);
    EXPECT_FALSE(*noted) << at;
    flip_byte(path, at);
  }
  EXPECT_EQ(noted_members(fs_, group_).value(), kWithOthers);
}

}  // namespace
}  // namespace holdfast
