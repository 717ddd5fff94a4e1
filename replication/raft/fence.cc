// A disk that stops answering is worse than one that fails: heartbeats go on, and nothing else does
// (RELIABILITY J3). A node whose write has had no answer for too long is fenced until it has one:
// it hands the leadership over, stands for no election, and takes no requests that it could not
// answer.

#include <utility>

#include "replication/raft/raft.h"

namespace holdfast::raft {

void Raft::note_write(WriteTicket ticket) {
  unanswered_writes_.emplace_back(ticket, now_);
}

void Raft::watch_disk() {
  const bool stalled = !unanswered_writes_.empty() &&
                       now_ - unanswered_writes_.front().second >= config_.disk_patience;
  if (stalled) {
    fence();
  } else {
    fenced_ = false;
  }
}

void Raft::fence() {
  fenced_ = true;
  // Whatever was not given to a leader yet, and all reads: the answer would have to pass this disk.
  // Changes that were given may still be done, and have their deadline.
  for (const RequestId request : unsent_) {
    const auto found = pending_.find(request);
    output_.refused.push_back({request, RefusalReason::kFenced});
    pending_bytes_ -= found->second.bytes();
    pending_.erase(found);
  }
  unsent_.clear();
  const auto refuse = [this](std::vector<WaitingRead>& reads) {
    for (const WaitingRead& read : std::exchange(reads, {}))
      output_.refused.push_back({read.ticket.request, RefusalReason::kFenced});
  };
  refuse(waiting_reads_);
  if (read_attempt_) refuse(read_attempt_->reads);
  for (const auto& [index, ticket] : std::exchange(confirmed_reads_, {}))
    output_.refused.push_back({ticket.request, RefusalReason::kFenced});
  LeaderRole* const leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr) return;
  if (leader->read_round) refuse(leader->read_round->own);
  // Again and again while nobody is fit to follow it.
  if (!leader->handover) start_handover(*leader, {}, HandoverCause::kSilentDisk);
}

}  // namespace holdfast::raft
