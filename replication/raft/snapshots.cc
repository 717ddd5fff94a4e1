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
// How many of them a follower that has the whole state is given to say that it puts it in use.
constexpr int kInstallPatience = 10;

}  // namespace

StateTransfer Raft::order_transfer(NodeId to) {
  output_.snapshots.push_back({to, ++snapshots_ordered_, hard_state_.term});
  // Whatever the state's copy will hold, it is made later than this.
  return {.number = snapshots_ordered_, .covers = applied_, .delivered = {}};
}

void Raft::order_snapshot(NodeId to, Follower& follower) {
  if (follower.repair) {
    // What is on its way serves this need too.
    follower.progress = Snapshotting{*std::exchange(follower.repair, std::nullopt)};
  } else if (!awaits_state_ && now_ >= follower.next_transfer) {
    follower.progress = Snapshotting{order_transfer(to)};
  } else {
    // It is asked again where it stands, but not at once.
    probe(follower, follower.next);
    std::get<Probing>(follower.progress).resend_at =
        std::max(follower.next_transfer, now_ + config_.election_timeout);
  }
}

void Raft::end_snapshot(NodeId to, Follower& follower) {
  const StateTransfer* const transfer = follower.transfer();
  if (transfer != nullptr && !transfer->delivered) output_.end_snapshots.push_back(to);
}

bool Raft::is_overdue(const StateTransfer& transfer) const {
  return transfer.delivered &&
         now_ - *transfer.delivered >= kInstallPatience * config_.election_timeout;
}

// A follower whose log is whole, but whose state is not, takes entries meanwhile: a majority may
// need it for them.
void Raft::heed_state(NodeId from, Follower& follower, const HeartbeatReply& reply) {
  follower.lacks_state = reply.lacks_state;
  StateTransfer* const transfer = follower.transfer();
  // However long it takes, it is not sent another.
  if (transfer != nullptr && transfer->delivered && reply.installs) transfer->delivered = now_;
  if (std::holds_alternative<Snapshotting>(follower.progress)) {
    if (follower.lacks_state || follower.match < transfer->covers) return;
    end_snapshot(from, follower);
    return probe(follower, follower.match + 1);
  }
  if (!follower.lacks_state) {
    end_snapshot(from, follower);
    follower.repair.reset();
    return;
  }
  if (follower.repair && is_overdue(*follower.repair)) follower.repair.reset();
  if (!follower.repair && !reply.installs && !awaits_state_ && now_ >= follower.next_transfer)
    follower.repair = order_transfer(from);
}

void Raft::on_snapshot_done(const SnapshotDone& done) {
  LeaderRole* const leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr || !leader->followers.contains(done.destination)) return;
  Follower& follower = leader->followers.at(done.destination);
  StateTransfer* const transfer = follower.transfer();
  if (transfer == nullptr || transfer->number != done.number) return;
  if (done.delivered) {
    transfer->delivered = now_;
    return;
  }
  // Not at once; how often a copy of the state may be made in vain is for the shell to say.
  follower.next_transfer = now_ + config_.election_timeout;
  follower.repair.reset();
  if (std::holds_alternative<Snapshotting>(follower.progress)) probe(follower, follower.match + 1);
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
    // The log may hold nothing behind it that bears one.
    if (position == log_.last()) stamps_.follow(installed.stamp);
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
      const LogIndex from = sending != nullptr ? sending->transfer.covers + 1 : follower.match + 1;
      wanted = wanted ? std::min(wanted, from) : from;
    }
  }
  log_.set_needs(durable_ + 1, wanted);
}

}  // namespace holdfast::raft
