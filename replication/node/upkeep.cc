#include "replication/node/upkeep.h"

namespace holdfast {

// It needs no answer to know when the last one is over: what the replica was given before it had
// the log that `status` tells of stands in that log, or was refused.
bool Upkeep::is_over(Instant now, const raft::Status& status) {
  if (!proposed_) return true;
  if (proposed_->term != status.term) {
    proposed_.reset();
    return true;
  }
  if (!proposed_->through) proposed_->through = status.last.index;
  if (status.applied < *proposed_->through) return false;
  not_before_ = now + (now - proposed_->at);
  proposed_.reset();
  return true;
}

std::optional<Bytes> Upkeep::due(Instant now, const raft::Status& status) {
  if (status.role != raft::Role::kLeader) {
    proposed_.reset();
    return std::nullopt;
  }
  if (!is_over(now, status) || now < not_before_) return std::nullopt;
  std::optional<Bytes> payload = machine_.upkeep(status.cluster_ms);
  if (payload) proposed_ = Proposed{.term = status.term, .at = now, .through = {}};
  return payload;
}

}  // namespace holdfast
