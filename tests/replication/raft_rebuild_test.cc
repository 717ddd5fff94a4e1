// A node whose state was lost, and whose log does not go back to the first entry; and its leader.

#include "tests/replication/raft_fixture.h"

namespace holdfast::raft {
namespace {

class RaftRebuildTest : public RaftTest {
 protected:
  // Its log holds entries 6 to 8, of term 1.
  void start_without_state() {
    Recovered found;
    for (const NodeId id : {kSelf, kOther, kThird})
      found.members.list.push_back({id, "n" + std::to_string(id.value), "", true});
    found.hard_state = {Term{1}, {}};
    found.before = {Term{1}, LogIndex{5}};
    found.runs = {{LogIndex{6}, Term{1}}};
    found.last = {8};
    found.applied = found.members_index = {5};
    found.lacks_state = true;
    Config limits;
    limits.self = kSelf;
    members_ = found.members;
    raft_.emplace(limits, std::move(found), Random(++lives_), now_);
  }
  void arrive(uint64_t index) {
    step(SnapshotArrived{kOther, Term{1}, {Term{1}, LogIndex{index}}, "s" + std::to_string(index)});
    settle();
  }

  Members members_;
};

TEST_F(RaftRebuildTest, AsksForTheStateAndServesNothingMeanwhile) {
  start_without_state();
  receive(kOther, 1, Heartbeat{{}, 1});
  append(1, {Term{1}, LogIndex{8}}, 0, 8);
  settle();
  EXPECT_TRUE(said("wants_state"));
  EXPECT_EQ(raft_->status().commit, LogIndex{8});
  EXPECT_FALSE(said("apply"));
  propose({1});
  read(2);
  EXPECT_TRUE(said("refused request=1 fenced"));
  EXPECT_TRUE(said("refused request=2 fenced"));
}

TEST_F(RaftRebuildTest, VotesButDoesNotStand) {
  start_without_state();
  wait(milliseconds(2000));
  EXPECT_EQ(raft_->status().role, Role::kFollower);
  receive(kOther, 2, VoteRequest{VotePhase::kVote, Term{2}, {Term{1}, LogIndex{8}}});
  settle();
  EXPECT_EQ(raft_->status().vote, kOther);
}

TEST_F(RaftRebuildTest, TakesAStateThatItsLogGoesOnFrom) {
  start_without_state();
  receive(kOther, 1, Heartbeat{{}, 1});
  append(1, {Term{1}, LogIndex{8}}, 0, 8);
  settle();
  arrive(4);
  EXPECT_TRUE(said("discard s4"));
  arrive(7);
  ASSERT_EQ(installs_.size(), 1u);
  step(Installed{{Term{1}, LogIndex{7}}, members_});
  settle();
  EXPECT_FALSE(raft_->status().awaits_state);
  // What follows it is in the log, on disk.
  EXPECT_TRUE(said("load for=1 first=8"));
  lines_.clear();
  receive(kOther, 1, Heartbeat{LogIndex{8}, 2});
  settle();
  EXPECT_FALSE(said("wants_state"));
}

TEST_F(RaftRebuildTest, ALeaderSendsTheStateToWhoAsksThoughTheLogIsWhole) {
  start();
  lead();
  const uint64_t term = raft_->status().term.value;
  const LogIndex last = raft_->status().last.index;
  receive(kThird, term, Appended{last});
  settle();
  HeartbeatReply reply{1, last, 7};
  reply.wants_state = true;
  receive(kThird, term, reply);
  settle();
  EXPECT_TRUE(said("snapshot to=3 number=1"));
  const auto receives = [this] {
    for (const FollowerStatus& follower : raft_->status().followers)
      if (follower.id == kThird) return follower.receives_snapshot;
    return false;
  };
  receive(kThird, term, Appended{last});
  settle();
  EXPECT_TRUE(receives()) << "what its log holds says nothing of its state";
  step(SnapshotDone{kThird, 1, true});
  reply.wants_state = false;
  receive(kThird, term, reply);
  settle();
  EXPECT_FALSE(receives());
}

}  // namespace
}  // namespace holdfast::raft
