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
// a disk that forgot a synced tail, or a cut, without a trace. That is noted before it is answered.
//
// What is fetched again and synced counts for a commit like anybody's: it is on this disk.

#include "replication/raft/quarantine.h"

#include <algorithm>

#include "replication/raft/raft.h"

namespace holdfast::raft {

void Quarantine::heed_reach(LogIndex last) {
  if (is_on() && !must_match_) must_match_ = last;
}

void Quarantine::end_if_whole(LogIndex match) {
  if (is_on() && must_match_ && match >= *must_match_) stage_ = Stage::kOff;
}

// An entry that was acknowledged here, and is committed.
bool Raft::lost(LogPosition committed) const {
  const std::optional<Term> have = log_.term_at(committed.index);
  return have ? have != committed.term : committed.index > log_.last().index;
}

// The leader takes back what it knew of a follower that may lack what it acknowledged.
void Raft::doubt(Follower& follower, LogIndex verified) {
  if (verified >= follower.match) return;
  follower.match = verified;
  follower.told_commit = std::min(follower.told_commit, verified);
  if (!std::holds_alternative<Snapshotting>(follower.progress)) probe(follower, verified + 1);
}

}  // namespace holdfast::raft
