#include "replication/node/agreement.h"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/kv/kv_state_machine.h"
#include "storage/kv/memory_engine.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

raft::Members members(uint64_t voters, uint64_t learners = 0) {
  raft::Members made;
  for (uint64_t id = 1; id <= voters + learners; ++id)
    made.list.push_back({NodeId{id}, "n", "", id <= voters});
  return made;
}

Agreement judged(std::map<NodeId, uint64_t> reports, const raft::Members& of) {
  return judge_agreement({.index = {5}, .reports = std::move(reports)}, of);
}

TEST(Agreement, NobodyIsOutvotedByFewerThanAMajority) {
  const raft::Members three = members(3);
  EXPECT_EQ(judged({}, three), Agreement{});
  EXPECT_EQ(judged({{{1}, 7}}, three), Agreement{});
  const Agreement open = judged({{{1}, 7}, {{2}, 8}}, three);
  EXPECT_FALSE(open.majority);
  EXPECT_THAT(open.outvoted, IsEmpty());
  EXPECT_FALSE(open.is_split) << "the third may agree with either";
}

TEST(Agreement, WhoDiffersFromAMajorityIsNamed) {
  const Agreement two = judged({{{1}, 7}, {{2}, 8}, {{3}, 7}}, members(3));
  EXPECT_EQ(two.majority, 7u);
  EXPECT_THAT(two.outvoted, ElementsAre(NodeId{2}));
  EXPECT_FALSE(two.is_split);
  const Agreement all = judged({{{1}, 7}, {{2}, 7}, {{3}, 7}}, members(3));
  EXPECT_EQ(all.majority, 7u);
  EXPECT_THAT(all.outvoted, IsEmpty());
  const Agreement five = judged({{{1}, 8}, {{2}, 7}, {{3}, 9}, {{4}, 7}, {{5}, 7}}, members(5));
  EXPECT_THAT(five.outvoted, ElementsAre(NodeId{1}, NodeId{3}));
}

TEST(Agreement, ALearnerCountsForNobodyAndIsJudgedToo) {
  const raft::Members mixed = members(3, 2);
  EXPECT_FALSE(judged({{{1}, 7}, {{4}, 7}, {{5}, 7}}, mixed).majority);
  EXPECT_THAT(judged({{{1}, 7}, {{2}, 7}, {{4}, 8}}, mixed).outvoted, ElementsAre(NodeId{4}));
  // Nor does a node that is no member any more.
  EXPECT_THAT(judged({{{1}, 7}, {{2}, 7}, {{9}, 8}}, mixed).outvoted, IsEmpty());
}

TEST(Agreement, WhereNoMajorityCanComeAboutItIsASplit) {
  EXPECT_TRUE(judged({{{1}, 7}, {{2}, 8}}, members(2)).is_split);
  EXPECT_TRUE(judged({{{1}, 7}, {{2}, 8}, {{3}, 9}}, members(3)).is_split);
  EXPECT_FALSE(judged({{{1}, 7}, {{2}, 8}}, members(4)).is_split);
  EXPECT_TRUE(judged({{{1}, 7}, {{2}, 7}, {{3}, 8}, {{4}, 8}}, members(4)).is_split);
  EXPECT_FALSE(judged({{{1}, 7}}, members(1)).is_split);
}

TEST(HashReporter, ReportsOnEachCheckUntilItStandsInTheLog) {
  using std::chrono::seconds;
  HashReporter reporter(NodeId{2});
  const Instant start(seconds(100));
  EXPECT_FALSE(reporter.due(start, {}, members(3))) << "nothing was checked yet";
  HashCheck check{.index = {5}, .hash = 7};
  EXPECT_FALSE(reporter.due(start, check, members(1))) << "not a member";
  const auto payload = reporter.due(start, check, members(3));
  ASSERT_TRUE(payload);
  EXPECT_EQ(decode_command(payload->view()).value(),
            (Command{.act = HashReportCommand{{2}, {5}, 7}}));
  EXPECT_FALSE(reporter.due(start + seconds(1), check, members(3)));
  EXPECT_TRUE(reporter.due(start + seconds(2), check, members(3))) << "it may have been lost";
  check.reports[NodeId{2}] = 7;
  EXPECT_FALSE(reporter.due(start + seconds(9), check, members(3)));
  EXPECT_TRUE(reporter.due(start + seconds(9), {.index = {6}}, members(3)));
}

TEST(HashReporter, AStateThatWasMadeAnewTakesBackWhatTheDamagedOneReported) {
  HashReporter reporter(NodeId{2});
  const HashCheck check{.index = {5}, .hash = 7, .reports = {{NodeId{2}, 8}}};
  const auto payload = reporter.due(Instant(std::chrono::seconds(100)), check, members(3));
  ASSERT_TRUE(payload);
  EXPECT_EQ(decode_command(payload->view()).value(),
            (Command{.act = HashReportCommand{{2}, {5}, 7}}));
}

// A replica of a group, over maps in memory, that applies what it is given.
class Replicated {
 public:
  explicit Replicated(uint64_t id) : id_{id} {}

  void apply(const EntryPtr& entry) {
    std::vector<Completion> completions;
    machine_->apply({&entry, 1}, id_, completions);
  }
  // Something flips a bit of a row behind the state machine's back.
  void flip(const std::string& key) {
    Row row = engine_.get(key, machine_->revision(), ReadTier::kDisk).value().value();
    row.info.hash ^= 1 << 9;
    engine_.overwrite(key, row);
  }
  KvStateMachine& machine() { return *machine_; }
  MemoryEngine& engine() { return engine_; }
  void start_again() { machine_ = KvStateMachine::open(engine_).value(); }

 private:
  const NodeId id_;
  MemoryEngine engine_;
  std::unique_ptr<KvStateMachine> machine_ = KvStateMachine::open(engine_).value();
};

class AgreementStory : public testing::Test {
 protected:
  void commit(Command command) {
    ++last_;
    const auto entry = std::make_shared<const LogEntry>(LogEntry{
        {last_}, {1}, EntryKind::kCommand, {}, encode_command(std::move(command)), {last_, last_}});
    for (auto& replica : replicas_) replica.apply(entry);
  }
  void check() {
    commit({.act = HashCheckCommand{}});
    for (uint64_t id = 1; id <= replicas_.size(); ++id) report(id);
  }
  void report(uint64_t id) {
    HashReporter reporter(NodeId{id});
    const auto payload = reporter.due(Instant(), *of(id).hash_check(), members(3));
    if (payload) commit(decode_command(payload->view()).value());
  }
  // Whether it is for this replica to start itself anew.
  bool is_out(uint64_t id) {
    const HashCheck check = *of(id).hash_check();
    return is_outvoted(check, judge_agreement(check, members(3)));
  }
  KvStateMachine& of(uint64_t id) { return replicas_[id - 1].machine(); }
  // What every replica says of all.
  std::vector<NodeId> outvoted() {
    std::vector<std::vector<NodeId>> said;
    for (auto& replica : replicas_)
      said.push_back(judge_agreement(*replica.machine().hash_check(), members(3)).outvoted);
    EXPECT_EQ(said[0], said[1]);
    EXPECT_EQ(said[0], said[2]);
    return said[0];
  }

  std::deque<Replicated> replicas_;
  uint64_t last_ = 0;
  void SetUp() override {
    for (uint64_t id = 1; id <= 3; ++id) replicas_.emplace_back(id);
  }
};

TEST_F(AgreementStory, ABitThatFlipsInOneReplicaIsFoundNamedAndHealed) {
  commit({.act = PutCommand{"a", "1", {}}});
  commit({.act = PutCommand{"b", "1", {}}});
  check();
  EXPECT_THAT(outvoted(), IsEmpty());
  EXPECT_EQ(replicas_[0].machine().hash_check()->hash, replicas_[1].machine().hash_check()->hash);

  replicas_[1].flip("a");
  replicas_[1].start_again();  // what it knows of hot rows it knows rightly
  commit({.act = PutCommand{"a", "2", {}}});
  check();
  EXPECT_THAT(outvoted(), ElementsAre(NodeId{2}));
  EXPECT_TRUE(is_out(2));
  EXPECT_FALSE(is_out(1));

  // The state of another takes the place of its own.
  ASSERT_TRUE(replicas_[0].machine().checkpoint("copy"));
  replicas_[1].engine().put_image("copy", replicas_[0].engine().take_image("copy"));
  ASSERT_TRUE(replicas_[1].machine().install("copy"));
  // What it reported of the state that is gone stands there still.
  EXPECT_THAT(outvoted(), ElementsAre(NodeId{2}));
  EXPECT_FALSE(is_out(2));
  report(2);
  EXPECT_THAT(outvoted(), IsEmpty());
  commit({.act = PutCommand{"a", "3", {}}});
  check();
  EXPECT_THAT(outvoted(), IsEmpty());
}

}  // namespace
}  // namespace holdfast
