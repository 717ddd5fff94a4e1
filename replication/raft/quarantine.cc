// A log that lost entries which this node had acknowledged (RELIABILITY G3). Others may count on
// them, so it must not help to elect a leader without them: it does not vote nor stand until it has
// all that it ever acknowledged.
//
// A leader of its own term or a later one has that. Each entry that is or will be committed by an
// acknowledgement of this node is in the log of that term's leader, and of each later one: this
// node voted for them when it still had the entry, or they were elected without it, by a majority
// of which somebody else had it. But a word of the leader that was sent before this life began may
// be older than an acknowledgement. So the leader says how far its log goes in answer to this life.
//
// Whether it is so is known from the start, where damage shows; or the first heartbeat says it, of
// a disk that forgot a synced tail without a trace.
//
// What is fetched again and synced counts for a commit like anybody's: it is on this disk.

#include <algorithm>

#include "replication/raft/raft.h"

namespace holdfast::raft {

void Raft::note_reach(const Reach& reach) {
  const bool answers_this_life = currency_.was_given(reach.after_moment);
  if (quarantined_ && answers_this_life && !must_match_) must_match_ = reach.last;
}

void Raft::leave_quarantine_if_whole() {
  if (!quarantined_ || !must_match_) return;
  quarantined_ = std::min(verified_, log_.persisted()) < *must_match_;
}

// The leader takes back what it knew of a follower that may lack what it acknowledged.
void Raft::doubt(Follower& follower, LogIndex verified) {
  if (verified >= follower.match) return;
  follower.match = verified;
  follower.told_commit = std::min(follower.told_commit, verified);
  if (!std::holds_alternative<Snapshotting>(follower.progress)) probe(follower, verified + 1);
}

}  // namespace holdfast::raft
