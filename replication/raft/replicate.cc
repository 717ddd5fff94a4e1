// The leader's side of replication (Raft, section 5.3).

#include <algorithm>

#include "replication/raft/quorum.h"
#include "replication/raft/raft.h"
#include "storage/base/check.h"

namespace holdfast::raft {

LogIndex Raft::append_as_leader(EntryKind kind, Origin origin, Bytes payload) {
  const LogIndex index = log_.last().index + 1;
  log_.append(std::make_shared<const LogEntry>(
      LogEntry{index, hard_state_.term, kind, origin, std::move(payload), stamps_.next(now_)}));
  return index;
}

void Raft::probe(Follower& follower, LogIndex next) {
  CHECK(next > follower.match);
  follower.next = next;
  follower.progress = Probing{now_};
}

void Raft::send_appends(NodeId to, Follower& follower) {
  const LogIndex last = log_.last().index;
  if (Snapshotting* const sending = std::get_if<Snapshotting>(&follower.progress)) {
    if (!is_overdue(sending->transfer)) return;
    probe(follower, follower.match + 1);
  }
  for (;;) {
    if (const Probing* probing = std::get_if<Probing>(&follower.progress)) {
      if (now_ < probing->resend_at) return;
    } else {
      const Streaming& streaming = std::get<Streaming>(follower.progress);
      if (follower.next > last || streaming.in_flight_bytes >= config_.in_flight_bytes_max) break;
    }
    if (!log_.term_at(follower.next - 1)) return order_snapshot(to, follower);
    if (follower.next > last) {
      send_entries(to, follower, {});
      return;
    }
    auto entries = log_.entries(follower.next, last, config_.append_bytes_max);
    if (!entries) {
      if (follower.loading) return;
      output_.load.push_back({to, follower.next, last, config_.append_bytes_max});
      follower.loading = follower.next;
      return;
    }
    send_entries(to, follower, *std::move(entries));
  }
  // Its clients wait for an entry that is committed: it learns so now, not at the next heartbeat.
  const LogIndex commit = std::min(commit_, follower.match);
  if (follower.told_commit < follower.awaits_commit && commit > follower.told_commit)
    send_heartbeat(to, follower);
}

void Raft::send_entries(NodeId to, Follower& follower, std::vector<EntryPtr> entries) {
  const LogIndex previous = follower.next - 1;
  size_t bytes = 0;
  for (const EntryPtr& entry : entries) bytes += entry->bytes();
  const LogIndex end = previous + entries.size();
  if (Streaming* streaming = std::get_if<Streaming>(&follower.progress)) {
    streaming->in_flight.emplace_back(end, bytes);
    streaming->in_flight_bytes += bytes;
    streaming->round_of_last_append = std::get<LeaderRole>(role_).round;
    follower.next = end + 1;
  } else {
    // Answered when it is on the follower's disk; asked again if the answer is lost.
    std::get<Probing>(follower.progress).resend_at = now_ + 4 * config_.heartbeat;
  }
  follower.told_commit = std::max(follower.told_commit, std::min(commit_, end));
  send(to, Append{{*log_.term_at(previous), previous}, std::move(entries), commit_});
}

void Raft::on_appended(NodeId from, const Appended& appended) {
  LeaderRole* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr || !leader->followers.contains(from)) return;
  Follower& follower = leader->followers.at(from);
  follower.last_contact = now_;
  follower.heard = true;
  CHECK(appended.match <= log_.last().index);
  follower.match = std::max(follower.match, appended.match);
  follower.next = std::max(follower.next, follower.match + 1);
  note_progress(follower);
  if (const Snapshotting* const sending = std::get_if<Snapshotting>(&follower.progress)) {
    if (follower.lacks_state || follower.match < sending->transfer.covers) return;
    end_snapshot(from, follower);
  }
  if (!std::holds_alternative<Streaming>(follower.progress)) {
    follower.next = follower.match + 1;
    follower.progress = Streaming{.in_flight = {}, .round_of_last_append = leader->round};
  }
  Streaming& streaming = std::get<Streaming>(follower.progress);
  while (!streaming.in_flight.empty() && streaming.in_flight.front().first <= follower.match) {
    streaming.in_flight_bytes -= streaming.in_flight.front().second;
    streaming.in_flight.pop_front();
  }
}

void Raft::on_append_rejected(NodeId from, const AppendRejected& rejected) {
  LeaderRole* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr || !leader->followers.contains(from)) return;
  Follower& follower = leader->followers.at(from);
  follower.last_contact = now_;
  follower.heard = true;
  // Late answers: about a place that was settled since, or not about the probe on its way.
  if (rejected.previous.index <= follower.match) return;
  if (std::holds_alternative<Snapshotting>(follower.progress)) return;
  const bool probing = std::holds_alternative<Probing>(follower.progress);
  if (probing && rejected.previous.index + 1 != follower.next) return;
  const LogPosition agreeable = log_.last_agreeable(rejected.hint);
  probe(follower, std::max(follower.match, agreeable.index) + 1);
}

void Raft::start_heartbeat_round() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  ++leader.round;
  // Until an entry of its own term is committed, a leader does not know what is committed.
  if (!leader.timed_round && commit_ >= leader.first_of_term) {
    leader.timed_round = {leader.round, {now_, commit_}};
    for (auto& [id, follower] : leader.followers)
      follower.moment_before_timed_round = follower.newest_moment;
  }
  for (auto& [id, follower] : leader.followers) send_heartbeat(id, follower);
  time_confirmed_round();
}

void Raft::send_heartbeat(NodeId to, Follower& follower) {
  LogPosition commit{.index = std::min(commit_, follower.match)};
  // What the log does not reach back to is left unsaid.
  const std::optional<Term> term = log_.term_at(commit.index);
  commit = term ? LogPosition{*term, commit.index} : LogPosition{};
  follower.told_commit = std::max(follower.told_commit, commit.index);
  std::optional<Reach> reach;
  if (follower.quarantined) reach = Reach{follower.newest_moment, log_.last().index};
  send(to, Heartbeat{commit, std::get<LeaderRole>(role_).round, follower.proof, reach,
                     refuses_growth()});
}

void Raft::on_heartbeat_reply(NodeId from, const HeartbeatReply& reply) {
  LeaderRole* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr || !leader->followers.contains(from)) return;
  Follower& follower = leader->followers.at(from);
  follower.last_contact = now_;
  follower.heard = true;
  follower.confirmed_round = std::max(follower.confirmed_round, reply.round);
  follower.newest_moment = reply.moment;
  follower.quarantined = reply.quarantined;
  follower.short_of_room = reply.short_of_room;
  if (reply.quarantined) doubt(follower, reply.verified);
  heed_state(from, follower, reply);
  note_progress(follower);
  const Streaming* streaming = std::get_if<Streaming>(&follower.progress);
  // The heartbeat was sent after the newest append, and the follower does not know of its end: an
  // append was lost, and without new proposals nothing else would show it.
  if (streaming != nullptr && reply.round > streaming->round_of_last_append &&
      reply.verified + 1 < follower.next)
    probe(follower, follower.match + 1);
  time_confirmed_round();
  confirm_reads();
}

uint64_t Raft::confirmed_round() const {
  const LeaderRole& leader = std::get<LeaderRole>(role_);
  std::vector<uint64_t> rounds;
  for (const NodeId voter : members().voters()) {
    const auto found = leader.followers.find(voter);
    rounds.push_back(found == leader.followers.end() ? leader.round
                                                     : found->second.confirmed_round);
  }
  return reached_by_majority(rounds);
}

void Raft::time_confirmed_round() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  if (!leader.timed_round || confirmed_round() < leader.timed_round->round) return;
  currency_.note(leader.timed_round->proves, applied_);
  for (auto& [id, follower] : leader.followers)
    follower.proof = {follower.moment_before_timed_round, leader.timed_round->proves.commit};
  leader.timed_round.reset();
}

void Raft::on_loaded(Loaded&& loaded) {
  if (loaded.destination == config_.self) {
    loading_own_ = false;
    // None: asked for before a state was installed that goes further.
    if (!loaded.entries.empty() && loaded.entries.front()->index == emitted_ + 1 && !installing_)
      emit(std::move(loaded.entries));
    return;
  }
  LeaderRole* leader = std::get_if<LeaderRole>(&role_);
  if (leader == nullptr || !leader->followers.contains(loaded.destination)) return;
  Follower& follower = leader->followers.at(loaded.destination);
  const std::optional<LogIndex> asked = std::exchange(follower.loading, std::nullopt);
  if (std::holds_alternative<Snapshotting>(follower.progress)) return;
  if (loaded.entries.empty()) {
    // What it lacks now may be another thing than what was asked for.
    if (asked == follower.next) order_snapshot(loaded.destination, follower);
    return;
  }
  // The order may be of an earlier leadership: then the log, or what the follower needs, may have
  // changed since.
  const LogEntry& front = *loaded.entries.front();
  const LogEntry& back = *loaded.entries.back();
  if (front.index != follower.next || log_.term_at(front.index) != front.term ||
      log_.term_at(back.index) != back.term)
    return;
  if (const Probing* probing = std::get_if<Probing>(&follower.progress)) {
    if (now_ < probing->resend_at) return;
  }
  send_entries(loaded.destination, follower, std::move(loaded.entries));
}

void Raft::advance_commit() {
  const LeaderRole& leader = std::get<LeaderRole>(role_);
  std::vector<LogIndex> matches;
  for (const NodeId voter : members().voters()) {
    const auto found = leader.followers.find(voter);
    matches.push_back(found == leader.followers.end() ? log_.persisted() : found->second.match);
  }
  const LogIndex reached = reached_by_majority(matches);
  // Entries of earlier terms commit only through one of the own term (Raft, figure 8).
  if (reached > commit_ && log_.term_at(reached) == hard_state_.term) set_commit(reached);
}

}  // namespace holdfast::raft
