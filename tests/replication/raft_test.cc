// Rules that are easiest shown on one node alone. Stories of several nodes are in tests/scenarios.

#include "replication/raft/raft.h"

#include <gtest/gtest.h>

#include "replication/raft/print.h"

namespace holdfast::raft {
namespace {

using std::chrono::milliseconds;

constexpr NodeId kSelf{1};
constexpr NodeId kOther{2};
constexpr NodeId kThird{3};

class RaftTest : public testing::Test {
 protected:
  void start(std::vector<NodeId> voters = {kSelf, kOther, kThird}, Config limits = {}) {
    Recovered found;
    for (const NodeId id : voters) found.members.list.push_back({id, "n", "", true});
    limits.self = kSelf;
    raft_.emplace(limits, std::move(found), Random(++lives_), now_);
  }

  void step(Input input) { raft_->step(now_, std::move(input)); }
  void receive(NodeId from, uint64_t term, MessageBody body) {
    step(Received{{from, kSelf, Term{term}, std::move(body)}});
  }
  void append(uint64_t term, LogPosition previous, size_t count, uint64_t commit = 0) {
    std::vector<EntryPtr> entries;
    for (uint64_t i = 1; i <= count; ++i)
      entries.push_back(std::make_shared<const LogEntry>(
          LogEntry{previous.index + i, Term{term}, EntryKind::kCommand, {}, Bytes("x")}));
    receive(kOther, term, Append{previous, std::move(entries), LogIndex{commit}});
  }
  void propose(std::vector<uint64_t> requests) {
    Propose propose;
    for (const uint64_t request : requests)
      propose.proposals.push_back({RequestId{request}, now_ + milliseconds(1000), Bytes("x")});
    step(std::move(propose));
  }

  // Carries out what was asked, the disk and the state machine at once; keeps the rest as text.
  void settle() {
    for (;;) {
      Output output = raft_->take_output();
      if (output.empty()) return;
      for (std::string& line : to_lines(output)) lines_.push_back(std::move(line));
      if (output.write) step(Persisted{output.write->ticket});
      if (!output.apply.empty()) step(Applied{output.apply.back()->index});
    }
  }
  bool said(const std::string& part) const {
    for (const std::string& line : lines_)
      if (line.find(part) != std::string::npos) return true;
    return false;
  }
  void wait(Duration duration) {
    const Instant end = now_ + duration;
    while (raft_->next_deadline() <= end) {
      now_ = std::max(now_, raft_->next_deadline());
      step(Wake{});
      settle();
    }
    now_ = end;
  }

  // Wins the next election with the vote of kOther.
  void lead() {
    while (raft_->status().role != Role::kLeader) {
      now_ = raft_->next_deadline();
      step(Wake{});
      settle();
      const Term next = raft_->status().term + 1;
      receive(kOther, raft_->status().term.value, VoteReply{VotePhase::kPreVote, next, true});
      settle();
      receive(kOther, raft_->status().term.value,
              VoteReply{VotePhase::kVote, raft_->status().term, true});
      settle();
    }
  }

  Instant now_{};
  std::optional<Raft> raft_;
  std::vector<std::string> lines_;
  uint64_t lives_ = 0;
};

TEST_F(RaftTest, AnOvertakenAppendDoesNotLowerTheAcknowledgement) {
  start();
  append(1, {}, 3);
  append(1, {}, 1);
  settle();
  EXPECT_TRUE(said("Appended term=1 match=3"));
}

}  // namespace
}  // namespace holdfast::raft
