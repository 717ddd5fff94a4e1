// Linearizable reads without a log entry: ReadIndex (dissertation, section 6.4). One exchange of
// heartbeats confirms the leadership for all reads that wait; a follower asks its leader for all
// its reads at once. Each round and each attempt has a number of its own, so that an answer never
// confirms a question that was asked after it.

#include <algorithm>

#include "replication/raft/quorum.h"
#include "replication/raft/raft.h"
#include "storage/base/check.h"

namespace holdfast::raft {
namespace {

// Reads hold no memory to speak of; this only keeps a broken client from filling the node.
constexpr size_t kWaitingReadsMax = 100'000;

// How many election timeouts a request waits for a leader before it is told that there is none:
// enough for one election that fails and one that does not.
constexpr int kPatience = 4;

}  // namespace

void Raft::start_reads(ReadBarrier&& barrier) {
  size_t waiting = reads_that_wait();
  for (const ReadTicket& ticket : barrier.reads) {
    if (!takes_requests() || waiting >= kWaitingReadsMax) {
      output_.refused.push_back(
          {ticket.request, takes_requests() ? RefusalReason::kOverloaded : RefusalReason::kFenced});
    } else {
      waiting_reads_.push_back({ticket, now_});
      traces_.open(ticket.request, ticket.tracing);
      ++waiting;
    }
  }
}

size_t Raft::reads_that_wait() const {
  size_t waiting = waiting_reads_.size() + confirmed_reads_.size();
  if (read_attempt_) waiting += read_attempt_->reads.size();
  if (const LeaderRole* leader = std::get_if<LeaderRole>(&role_); leader && leader->read_round)
    waiting += leader->read_round->own.size();
  return waiting;
}

void Raft::send_reads() {
  if (LeaderRole* leader = std::get_if<LeaderRole>(&role_)) {
    // Those whose answers are missing may be voters no more.
    confirm_reads();
    if (!leader->read_round && !(waiting_reads_.empty() && leader->remote_reads.empty()))
      start_read_round(*leader);
    return;
  }
  const NodeId leader = known_leader();
  if (!leader || read_attempt_ || waiting_reads_.empty()) return;
  read_attempt_ = ReadAttempt{next_attempt_++, now_, std::exchange(waiting_reads_, {})};
  for (const WaitingRead& read : read_attempt_->reads)
    traces_.give(read.ticket.request, now_, true, {});
  send(leader, ReadRequest{read_attempt_->id});
}

void Raft::start_read_round(LeaderRole& leader) {
  // Until an entry of its own term is committed, a leader does not know what is committed.
  if (commit_ < leader.first_of_term) return;
  start_heartbeat_round();
  leader.read_round = ReadRound{leader.round, commit_, std::exchange(waiting_reads_, {}),
                                std::exchange(leader.remote_reads, {})};
  for (const WaitingRead& read : leader.read_round->own)
    traces_.give(read.ticket.request, now_, false, {});
  confirm_reads();
}

void Raft::confirm_reads() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  if (!leader.read_round) return;
  if (confirmed_round() < leader.read_round->heartbeat_round) return;
  const ReadRound round = *std::exchange(leader.read_round, std::nullopt);
  release_reads(round.index, round.own);
  for (const auto& [id, attempt] : round.remote) {
    send(id, ReadReply{attempt, round.index});
    const auto follower = leader.followers.find(id);
    if (follower != leader.followers.end())
      follower->second.awaits_commit = std::max(follower->second.awaits_commit, round.index);
  }
}

void Raft::on_read_request(NodeId from, const ReadRequest& request) {
  // Not the leader: no answer. The follower asks again under a new number.
  if (LeaderRole* leader = std::get_if<LeaderRole>(&role_))
    leader->remote_reads[from] = request.attempt;
}

void Raft::on_read_reply(const ReadReply& reply) {
  if (!read_attempt_ || read_attempt_->id != reply.attempt) return;
  const ReadAttempt attempt = *std::exchange(read_attempt_, std::nullopt);
  release_reads(reply.index, attempt.reads);
}

void Raft::release_reads(LogIndex index, const std::vector<WaitingRead>& reads) {
  for (const WaitingRead& read : reads) {
    if (auto trace = traces_.settle(read.ticket.request, now_)) output_.traces.push_back(*trace);
    if (applied_ >= index) {
      output_.readable.push_back(read.ticket.request);
    } else {
      confirmed_reads_.emplace(index, read.ticket);
    }
  }
}

// What was asked of a leader that is gone is asked again of the next.
void Raft::take_back_reads() {
  std::vector<WaitingRead> again;
  if (LeaderRole* leader = std::get_if<LeaderRole>(&role_)) {
    if (leader->read_round) again = std::move(leader->read_round->own);
    leader->read_round.reset();
  }
  if (read_attempt_) {
    again = std::move(read_attempt_->reads);
    read_attempt_.reset();
  }
  waiting_reads_.insert(waiting_reads_.begin(), again.begin(), again.end());
}

bool Raft::gave_up_on_leader(Instant since) const {
  return !known_leader() && now_ - since > kPatience * config_.election_timeout;
}

void Raft::expire_reads() {
  // Not sooner: where answers take long, every one would come too late.
  if (read_attempt_ && now_ - read_attempt_->sent >= config_.election_timeout) take_back_reads();
  const auto refuse_late = [this](const WaitingRead& read) {
    const bool gave_up = gave_up_on_leader(read.since);
    if (now_ < read.ticket.deadline && !gave_up) return false;
    output_.refused.push_back(
        {read.ticket.request, known_leader() ? RefusalReason::kTimeout : RefusalReason::kNoLeader});
    return true;
  };
  std::erase_if(waiting_reads_, refuse_late);
  if (read_attempt_) std::erase_if(read_attempt_->reads, refuse_late);
  if (LeaderRole* leader = std::get_if<LeaderRole>(&role_); leader && leader->read_round)
    std::erase_if(leader->read_round->own, refuse_late);
  std::erase_if(confirmed_reads_, [this](const auto& item) {
    if (now_ < item.second.deadline) return false;
    output_.refused.push_back({item.second.request, RefusalReason::kTimeout});
    return true;
  });
}

}  // namespace holdfast::raft
