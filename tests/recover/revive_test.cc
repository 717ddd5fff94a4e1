// Making the new cluster, on the disk that forgets at a crash what was not synced. There is no
// state on it, so what a node has applied is nothing.

#include "server/recover/revive.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log/quarantine.h"
#include "storage/log/segmented_log.h"
#include "tests/sim/sim_file_system.h"

namespace holdfast::recover {
namespace {

using testing::HasSubstr;

constexpr NodeId kFresh{0xf5e5};
constexpr ClusterId kOldCluster{77};
const Place kPlace{.data_dir = "d", .log_dir = ""};

raft::Members three() {
  return {.list = {{{1}, "n1", "h:1", true}, {{2}, "n2", "h:2", true}, {{3}, "n3", "h:3", true}},
          .removed = {{4}}};
}

EntryPtr entry(LogPosition at, EntryKind kind, Bytes payload) {
  return std::make_shared<const LogEntry>(
      LogEntry{at.index, at.term, kind, {}, std::move(payload)});
}

void append(FileSystem& fs, const HardState& hard_state, std::vector<EntryPtr> entries) {
  auto opened = SegmentedLog::open(fs, kPlace.log_path(), {.segment_bytes = 4 * kLogBlockBytes});
  ASSERT_TRUE(opened) << opened.error().message;
  LogWrite write{.ticket = {1},
                 .hard_state = hard_state,
                 .restart_after = {},
                 .cut_from = {},
                 .append = std::move(entries),
                 .drop_before = {}};
  ASSERT_TRUE(opened->log->write(std::span(&write, 1)));
  ASSERT_TRUE(opened->log->sync());
}

// Node n1 of three, with entries 1 to 3, the last of term 2; it is in term 5.
void make_node(FileSystem& fs) {
  ASSERT_TRUE(write_identity(fs, "d", {{1}, "n1", kOldCluster}));
  append(fs, {{5}, {2}},
         {entry({{1}, {1}}, EntryKind::kMembers, raft::encode_members(three())),
          entry({{2}, {2}}, EntryKind::kBarrier, {}),
          entry({{2}, {3}}, EntryKind::kCommand, Bytes("a change"))});
}

// Its log ends before something that it had acknowledged.
void quarantine(FileSystem& fs) {
  ASSERT_TRUE(begin_quarantine(fs, kPlace.log_path(), {{5}, {2}}, "for the test"));
}

Judgement look(FileSystem& fs) {
  return judge({look_at(fs, kPlace)});
}

void expect_revived(FileSystem& fs, const Revived& revived) {
  const Finding finding = look_at(fs, kPlace);
  ASSERT_FALSE(finding.problem) << finding.problem->message;
  EXPECT_EQ(*finding.identity, revived.now);
  EXPECT_EQ(revived.before, (Identity{{1}, "n1", kOldCluster}));
  EXPECT_EQ(revived.now.name, "n1");
  EXPECT_NE(revived.now.cluster, kOldCluster);
  EXPECT_TRUE(revived.now.cluster);
  const raft::Members alone{.list = {{revived.now.node, "n1", "h:1", true}},
                            .removed = {{1}, {2}, {3}, {4}}};
  EXPECT_EQ(finding.contents->members, alone);
  EXPECT_EQ(finding.contents->before, (LogPosition{}));
  EXPECT_EQ(finding.contents->last, (LogPosition{{6}, {4}}));
  EXPECT_EQ(finding.contents->hard_state, (HardState{{6}, {}}));
  EXPECT_EQ(judge({finding}).verdict, Verdict::kMajorityHere);

  auto opened = SegmentedLog::open_to_read(fs, kPlace.log_path());
  const auto kept = opened->log->read({{}, {3}, {3}, 1000});
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->front()->payload.view(), "a change");
}

TEST(Revive, MakesTheNodeTheOnlyMemberUnderNewIdsAndKeepsItsEntries) {
  SimFileSystem fs(1);
  make_node(fs);
  const Judgement judgement = look(fs);
  ASSERT_EQ(judgement.verdict, Verdict::kRecoverable);
  const auto revived = revive(fs, kPlace, judgement, kFresh, "");
  ASSERT_TRUE(revived) << revived.error().message;
  EXPECT_EQ(revived->now.node, kFresh);
  fs.crash();  // what it says is durable
  expect_revived(fs, *revived);
}

TEST(Revive, TheNewClusterHasAnIdOfItsOwn) {
  std::vector<ClusterId> ids;
  for (uint64_t i = 0; i < 3; ++i) {
    SimFileSystem fs(1);
    make_node(fs);
    ids.push_back(revive(fs, kPlace, look(fs), NodeId{900 + i}, "")->now.cluster);
  }
  std::ranges::sort(ids);
  EXPECT_TRUE(std::ranges::adjacent_find(ids) == ids.end());
}

// The process ends, or the power is lost, after any number of its acts. Another look and another
// call bring it to its end, and the first one's traces never mislead.
void interrupt_after(uint64_t acts, bool power_lost, bool quarantined, bool& done) {
  SCOPED_TRACE(fmt::format("after {} acts{}{}", acts, power_lost ? ", power lost" : "",
                           quarantined ? ", in quarantine" : ""));
  SimFileSystem fs(acts + 1);
  make_node(fs);
  if (quarantined) quarantine(fs);
  const Judgement first = look(fs);
  fs.lose_power_after(acts);
  done = revive(fs, kPlace, first, kFresh, "").has_value();
  fs.lose_power_after(1000);
  if (power_lost) fs.crash();

  const Judgement second = look(fs);
  ASSERT_FALSE(second.findings.front().problem) << second.findings.front().problem->message;
  if (second.verdict == Verdict::kMajorityHere) {
    expect_revived(fs, {{{1}, "n1", kOldCluster}, *second.findings.front().identity, {}});
    return;
  }
  EXPECT_FALSE(done);
  const auto revived = revive(fs, kPlace, second, NodeId{0xabc}, "");
  ASSERT_TRUE(revived) << revived.error().message;
  EXPECT_EQ(revived->now.node, second.verdict == Verdict::kBegun ? kFresh : NodeId{0xabc});
  fs.crash();
  expect_revived(fs, *revived);
}

TEST(Revive, IsBroughtToItsEndAfterAnyInterruption) {
  for (const bool power_lost : {false, true}) {
    for (const bool quarantined : {false, true}) {
      bool done = false;
      uint64_t acts = 0;
      for (; !done && acts < 100; ++acts) interrupt_after(acts, power_lost, quarantined, done);
      EXPECT_TRUE(done);
      EXPECT_GT(acts, 5u);
    }
  }
}

TEST(Revive, ANodeInQuarantineIsInNoneWhereItIsTheOnlyMember) {
  SimFileSystem fs(1);
  make_node(fs);
  quarantine(fs);
  const auto revived = revive(fs, kPlace, look(fs), kFresh, "");
  ASSERT_TRUE(revived) << revived.error().message;
  fs.crash();
  expect_revived(fs, *revived);
}

TEST(Revive, RefusesALogThatHasGrownSinceItWasLookedAt) {
  SimFileSystem fs(1);
  make_node(fs);
  const Judgement judgement = look(fs);
  append(fs, {{5}, {2}}, {entry({{2}, {4}}, EntryKind::kBarrier, {})});
  const auto before = fs.files();
  const auto revived = revive(fs, kPlace, judgement, kFresh, "");
  ASSERT_FALSE(revived);
  EXPECT_THAT(revived.error().message, HasSubstr("something else uses it"));
  EXPECT_EQ(fs.files(), before);
}

TEST(Revive, TheAddressMayBeGivenAnewAndMustBeWhereItIsNotKnown) {
  {
    SimFileSystem fs(1);
    make_node(fs);
    ASSERT_TRUE(revive(fs, kPlace, look(fs), kFresh, "elsewhere:9"));
    EXPECT_EQ(look_at(fs, kPlace).contents->members.list.front().peer_address, "elsewhere:9");
  }
  SimFileSystem fs(1);
  make_node(fs);
  ASSERT_TRUE(write_identity(fs, "d", {{4}, "n4", kOldCluster}));  // removed, by its own log
  const auto revived = revive(fs, kPlace, look(fs), kFresh, "");
  ASSERT_FALSE(revived);
  EXPECT_THAT(revived.error().message, HasSubstr("--peer-address"));
  EXPECT_EQ(look_at(fs, kPlace).contents->last.index, LogIndex{3});
}

}  // namespace
}  // namespace holdfast::recover
