// A follower that lacks what the log no longer holds is given the state (Raft, section 7). The
// leader only orders it: making, carrying and keeping it is the shell's work, over a connection of
// its own. The follower decides when it is whole there whether it still wants it.

#include <algorithm>
#include <utility>

#include "replication/raft/raft.h"
#include "storage/base/check.h"

namespace holdfast::raft {
namespace {

// How many election timeouts the log is kept for a follower that is silent.
constexpr int kFollowerRemembered = 100;

}  // namespace

void Raft::order_snapshot(NodeId to, Follower& follower) {
  // Whatever the state's copy will hold, it is made later than this.
  follower.progress =
      Snapshotting{.number = ++snapshots_ordered_, .covers = applied_, .delivered = {}};
  output_.snapshots.push_back({to, snapshots_ordered_, hard_state_.term});
}

void Raft::end_snapshot(NodeId to, const Follower& follower) {
  const Snapshotting* const sending = std::get_if<Snapshotting>(&follower.progress);
  if (sending != nullptr && !sending->delivered) output_.end_snapshots.push_back(to);
}

// A follower whose log is whole, but whose state is not.
void Raft::heed_wish_for_state(NodeId from, Follower& follower, bool wants) {
  if (Snapshotting* const sending = std::get_if<Snapshotting>(&follower.progress)) {
    if (!wants && sending->asked) {
      end_snapshot(from, follower);
      probe(follower, follower.match + 1);
    } else {
      sending->asked = sending->asked || wants;
    }
    return;
  }
  const Probing* const probing = std::get_if<Probing>(&follower.progress);
  // After a transfer that failed, not at once.
  if (!wants || (probing != nullptr && now_ < probing->resend_at)) return;
  order_snapshot(from, follower);
  std::get<Snapshotting>(follower.progress).asked = true;
}

void Raft::on_snapshot_done(const SnapshotDone& done) {
  LeaderRole* const leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr || !leader->followers.contains(done.destination)) return;
  Follower& follower = leader->followers.at(done.destination);
  Snapshotting* const sending = std::get_if<Snapshotting>(&follower.progress);
  if (sending == nullptr || sending->number != done.number) return;
  if (done.delivered) {
    sending->delivered = now_;
    return;
  }
  // It is asked again where it stands, but not at once.
  follower.next = follower.match + 1;
  follower.progress = Probing{now_ + config_.election_timeout};
}

void Raft::on_snapshot_arrived(SnapshotArrived&& arrived) {
  if (arrived.term > hard_state_.term) become_follower(arrived.term, {});
  const bool stale = arrived.term < hard_state_.term || is_leader();
  const bool in_log = log_.term_at(arrived.position.index) == arrived.position.term;
  // Whoever has none takes any state that its log goes on from.
  const bool wanted = awaits_state_ ? arrived.position.index >= log_.before().index
                                    : arrived.position.index > commit_ && !in_log;
  if (stale || !wanted || installing_) {
    // A state holds only what is committed, and what agrees in its last entry agrees in all.
    if (!stale && in_log) set_commit(arrived.position.index);
    // The leader waits for a word that it is there.
    if (!stale && !installing_) send(arrived.from, Appended{std::min(verified_, log_.persisted())});
    output_.discard.push_back(std::move(arrived.source));
    return;
  }
  installing_ = arrived.position;
  output_.install = InstallOrder{std::move(arrived.source), arrived.position};
}

// Entries that were given to the state machine before are in it, and it says so before this.
void Raft::on_installed(Installed&& installed) {
  CHECK(installing_ == installed.position && !is_leader());
  installing_.reset();
  awaits_state_ = false;
  const LogPosition position = installed.position;
  // Entries that came meanwhile may reach back to it. Else what the log holds is older, or was
  // never committed (RELIABILITY F4).
  if (log_.term_at(position.index) == position.term) {
    log_.vouched_for(position.index);
  } else {
    log_.restart_after(position);
    stamps_.follow(installed.stamp);
    membership_.cut_from(LogIndex{});
  }
  membership_.installed(position.index, std::move(installed.members));
  give_up_on_skipped(position.term);
  set_commit(position.index);
  emitted_ = position.index;
  emitted_term_ = position.term;
  applying_.clear();
  applying_bytes_ = 0;
  on_applied({position.index, position.index});
  if (const NodeId leader = known_leader()) send_when_persisted(leader, Appended{position.index});
}

// Changes that may be among the entries that were skipped: nobody will see them here.
void Raft::give_up_on_skipped(Term upto) {
  for (auto item = pending_.begin(); item != pending_.end();) {
    const auto& [request, pending] = *item;
    if (!pending.term || pending.term > upto) {
      ++item;
      continue;
    }
    output_.refused.push_back({request, RefusalReason::kUnknown});
    pending_bytes_ -= pending.bytes();
    item = pending_.erase(item);
  }
  count_given_before();
}

// The log may let go of what the durable state holds, but a leader keeps what its followers read.
void Raft::tell_needs_to_log() {
  LogIndex wanted;
  if (const LeaderRole* const leader = std::get_if<LeaderRole>(&role_)) {
    for (const auto& [id, follower] : leader->followers) {
      if (now_ - follower.last_contact > kFollowerRemembered * config_.election_timeout) continue;
      const Snapshotting* const sending = std::get_if<Snapshotting>(&follower.progress);
      const LogIndex from = sending != nullptr ? sending->covers + 1 : follower.match + 1;
      wanted = wanted ? std::min(wanted, from) : from;
    }
  }
  log_.set_needs(durable_ + 1, wanted);
}

}  // namespace holdfast::raft
