#pragma once

// One node alone, that a test tells what the others say. Its disk and its state machine answer at
// once.

#include <algorithm>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "replication/raft/print.h"
#include "replication/raft/raft.h"

namespace holdfast::raft {

using std::chrono::milliseconds;

inline constexpr NodeId kSelf{1};
inline constexpr NodeId kOther{2};
inline constexpr NodeId kThird{3};

class RaftTest : public testing::Test {
 protected:
  void start(const std::vector<NodeId>& voters = {kSelf, kOther, kThird}, Config limits = {}) {
    Recovered found;
    for (const NodeId id : {kSelf, kOther, kThird})
      found.members.list.push_back(
          {id, "n" + std::to_string(id.value), "", std::ranges::find(voters, id) != voters.end()});
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
  // One entry, committed: this node's request, or none of it.
  void append_of(uint64_t term, LogPosition previous, uint64_t request) {
    const Origin origin = request != 0 ? Origin{kSelf, RequestId{request}} : Origin{};
    const LogIndex index = previous.index + 1;
    receive(kOther, term,
            Append{previous,
                   {std::make_shared<const LogEntry>(
                       LogEntry{index, Term{term}, EntryKind::kCommand, origin, Bytes("x")})},
                   index});
  }
  void propose(const std::vector<uint64_t>& requests) {
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
      for (const Envelope& envelope : output.send) sent_.push_back(envelope);
      if (output.write) writes_.push_back(*output.write);
      for (const Trace& trace : output.traces) traces_.push_back(trace);
      if (output.write && disk_answers_) step(Persisted{output.write->ticket});
      if (!output.apply.empty())
        step(Applied{output.apply.back()->index, output.apply.back()->index});
      if (output.install) installs_.push_back(*std::move(output.install));
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

  void read(uint64_t request) {
    step(ReadBarrier{{{RequestId{request}, now_ + milliseconds(1000)}}});
    settle();
  }
  uint64_t newest_attempt() const {
    for (const Envelope& envelope : std::views::reverse(sent_))
      if (const auto* request = std::get_if<ReadRequest>(&envelope.body)) return request->attempt;
    return 0;
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
  std::vector<Envelope> sent_;
  std::vector<LogWrite> writes_;
  std::vector<InstallOrder> installs_;
  std::vector<Trace> traces_;
  bool disk_answers_ = true;
  uint64_t lives_ = 0;
};

}  // namespace holdfast::raft
