#include "replication/raft/raft_log.h"

#include <gtest/gtest.h>

namespace holdfast::raft {
namespace {

EntryPtr entry(uint64_t index, uint64_t term, size_t payload = 0) {
  return std::make_shared<const LogEntry>(LogEntry{
      LogIndex{index}, Term{term}, EntryKind::kCommand, {}, Bytes(std::string(payload, 'x'))});
}

// A log on disk, one entry for each term.
RaftLog log_of(std::initializer_list<uint64_t> terms) {
  std::vector<TermRun> runs;
  uint64_t index = 0;
  for (const uint64_t term : terms) {
    ++index;
    if (runs.empty() || runs.back().term != Term{term})
      runs.push_back({LogIndex{index}, Term{term}});
  }
  return {{}, std::move(runs), LogIndex{index}};
}

LogPosition at(uint64_t term, uint64_t index) {
  return {Term{term}, LogIndex{index}};
}

std::vector<uint64_t> indexes(const std::optional<std::vector<EntryPtr>>& entries) {
  std::vector<uint64_t> found;
  if (!entries) return {0};
  for (const EntryPtr& each : *entries) found.push_back(each->index.value);
  return found;
}

using Indexes = std::vector<uint64_t>;

TEST(RaftLogTest, KnowsTheTermOfEveryEntry) {
  const RaftLog log = log_of({1, 1, 4});
  EXPECT_EQ(log.term_at({}), Term{});
  EXPECT_EQ(log.term_at(LogIndex{2}), Term{1});
  EXPECT_EQ(log.term_at(LogIndex{3}), Term{4});
  EXPECT_EQ(log.term_at(LogIndex{4}), std::nullopt);
  EXPECT_EQ(log.last(), at(4, 3));
}

TEST(RaftLogTest, FindsWhereTwoLogsMayAgree) {
  const RaftLog log = log_of({1, 1, 4, 4, 6});
  EXPECT_EQ(log.last_agreeable(at(6, 9)), at(6, 5));
  EXPECT_EQ(log.last_agreeable(at(5, 9)), at(4, 4));
  EXPECT_EQ(log.last_agreeable(at(4, 3)), at(4, 3));
  EXPECT_EQ(log.last_agreeable(at(3, 5)), at(1, 2));
  EXPECT_EQ(log.last_agreeable(at(0, 5)), at(0, 0));
  EXPECT_EQ(log.last_agreeable({}), at(0, 0));
}

TEST(RaftLogTest, OneWriteForEverythingSinceTheLast) {
  RaftLog log({}, {}, {});
  EXPECT_FALSE(log.take_write().has_value());
  log.append(entry(1, 1));
  log.set_hard_state({Term{1}, NodeId{1}});
  log.append(entry(2, 1));
  const std::optional<LogWrite> write = log.take_write();
  ASSERT_TRUE(write.has_value());
  EXPECT_EQ(write->ticket, WriteTicket{1});
  EXPECT_EQ(write->append.size(), 2U);
  EXPECT_EQ(write->hard_state, (HardState{Term{1}, NodeId{1}}));
  EXPECT_FALSE(log.take_write().has_value());
}

TEST(RaftLogTest, OnlyWhatItsTicketWroteIsPersisted) {
  RaftLog log({}, {}, {});
  log.append(entry(1, 1));
  (void)log.take_write();
  log.append(entry(2, 1));
  (void)log.take_write();
  EXPECT_EQ(log.persisted(), LogIndex{});
  log.on_persisted(WriteTicket{1});
  EXPECT_EQ(log.persisted(), LogIndex{1});
  log.on_persisted(WriteTicket{2});
  EXPECT_EQ(log.persisted(), LogIndex{2});
}

TEST(RaftLogTest, AWriteInFlightDoesNotPersistWhatReplacedItsEntries) {
  RaftLog log({}, {}, {});
  for (uint64_t i = 1; i <= 3; ++i) log.append(entry(i, 1));
  (void)log.take_write();
  log.cut_from(LogIndex{2});
  log.append(entry(2, 2));
  log.append(entry(3, 2));
  const std::optional<LogWrite> second = log.take_write();
  EXPECT_EQ(second->cut_from, LogIndex{2});
  log.on_persisted(WriteTicket{1});
  EXPECT_EQ(log.persisted(), LogIndex{1}) << "the old 2 and 3 are on disk, not the new ones";
  log.on_persisted(WriteTicket{2});
  EXPECT_EQ(log.persisted(), LogIndex{3});
}

TEST(RaftLogTest, ACutLowersWhatWasPersisted) {
  RaftLog log = log_of({1, 1, 1});
  log.cut_from(LogIndex{2});
  EXPECT_EQ(log.persisted(), LogIndex{1});
  log.append(entry(2, 2));
  EXPECT_EQ(log.persisted(), LogIndex{1});
}

TEST(RaftLogTest, EntriesThatWereNotHandedOutVanishWithoutACut) {
  RaftLog log = log_of({1});
  log.append(entry(2, 1));
  log.append(entry(3, 1));
  log.cut_from(LogIndex{3});
  const std::optional<LogWrite> write = log.take_write();
  EXPECT_EQ(write->cut_from, std::nullopt);
  EXPECT_EQ(write->append.size(), 1U);
}

TEST(RaftLogTest, TheLowestOfTwoCutsIsWritten) {
  RaftLog log = log_of({1, 1, 1, 1});
  log.cut_from(LogIndex{4});
  log.append(entry(4, 2));
  log.cut_from(LogIndex{2});
  log.append(entry(2, 3));
  log.cut_from(LogIndex{2});
  log.append(entry(2, 4));
  const std::optional<LogWrite> write = log.take_write();
  EXPECT_EQ(write->cut_from, LogIndex{2});
  ASSERT_EQ(write->append.size(), 1U);
  EXPECT_EQ(write->append[0]->term, Term{4});
}

TEST(RaftLogTest, EntriesAreBoundedInBytesButNeverNone) {
  RaftLog log({}, {}, {});
  for (uint64_t i = 1; i <= 4; ++i) log.append(entry(i, 1, 100));
  const size_t one = entry(1, 1, 100)->bytes();
  EXPECT_EQ(indexes(log.entries(LogIndex{2}, LogIndex{4}, 1)), (Indexes{2}));
  EXPECT_EQ(indexes(log.entries(LogIndex{2}, LogIndex{4}, 2 * one)), (Indexes{2, 3}));
  EXPECT_EQ(indexes(log.entries(LogIndex{2}, LogIndex{3}, 9 * one)), (Indexes{2, 3}));
}

TEST(RaftLogTest, TheWindowLetsGoOnlyOfWhatIsPersistedAndNotWanted) {
  RaftLog log({}, {}, {});
  for (uint64_t i = 1; i <= 4; ++i) log.append(entry(i, 1, 100));
  (void)log.take_write();
  log.shrink_window(LogIndex{4}, 0);
  EXPECT_EQ(indexes(log.entries(LogIndex{1}, LogIndex{4}, 1)), (Indexes{1})) << "not on disk yet";
  log.on_persisted(WriteTicket{1});
  log.shrink_window(LogIndex{2}, 0);
  EXPECT_EQ(log.entries(LogIndex{2}, LogIndex{4}, 1), std::nullopt);
  EXPECT_EQ(indexes(log.entries(LogIndex{3}, LogIndex{4}, 1)), (Indexes{3}));
  EXPECT_EQ(log.window_bytes(), 2 * entry(1, 1, 100)->bytes());
  log.shrink_window(LogIndex{4}, 1 << 20);
  EXPECT_EQ(indexes(log.entries(LogIndex{3}, LogIndex{4}, 1)), (Indexes{3}));
}

TEST(RaftLogTest, ALogThatBeginsBehindAPositionKnowsItAndNothingBefore) {
  RaftLog log(at(3, 10), {{LogIndex{11}, Term{3}}, {LogIndex{13}, Term{5}}}, LogIndex{14});
  EXPECT_EQ(log.term_at(LogIndex{10}), Term{3});
  EXPECT_EQ(log.term_at(LogIndex{9}), std::nullopt);
  EXPECT_EQ(log.term_at(LogIndex{}), std::nullopt);
  EXPECT_EQ(log.term_at(LogIndex{14}), Term{5});
  EXPECT_EQ(log.last_agreeable(at(4, 20)), at(3, 12));
  EXPECT_EQ(log.last_agreeable(at(3, 10)), at(3, 10));
  EXPECT_EQ(log.last_agreeable(at(2, 20)), at(0, 0));
  EXPECT_EQ(log.last_agreeable(at(3, 9)), at(0, 0));
}

TEST(RaftLogTest, ARestartVoidsWhatWaitsAndWhatIsOnItsWay) {
  RaftLog log = log_of({1, 1});
  log.append(entry(3, 2));
  const LogWrite before = *log.take_write();
  log.append(entry(4, 2));
  log.restart_after(at(7, 20));
  EXPECT_EQ(log.last(), at(7, 20));
  EXPECT_EQ(log.persisted(), LogIndex{20});
  log.append(entry(21, 7));
  const LogWrite restart = *log.take_write();
  EXPECT_EQ(restart.restart_after, at(7, 20));
  ASSERT_EQ(restart.append.size(), 1U);
  EXPECT_EQ(restart.append[0]->index, LogIndex{21});
  log.on_persisted(before.ticket);
  EXPECT_EQ(log.persisted(), LogIndex{20});
  log.on_persisted(restart.ticket);
  EXPECT_EQ(log.persisted(), LogIndex{21});
  EXPECT_EQ(log.term_at(LogIndex{21}), Term{7});
}

TEST(RaftLogTest, WhatIsNeededGoesAlongWithTheNextWrite) {
  RaftLog log = log_of({1, 1});
  log.set_needs(LogIndex{2}, LogIndex{1});
  EXPECT_FALSE(log.take_write().has_value());
  log.append(entry(3, 1));
  const LogWrite write = *log.take_write();
  EXPECT_EQ(write.drop_before, LogIndex{2});
  EXPECT_EQ(write.wanted_from, LogIndex{1});
}

}  // namespace
}  // namespace holdfast::raft
