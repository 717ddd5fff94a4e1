#include "replication/raft/raft.h"

#include <algorithm>

#include "storage/base/check.h"
#include "storage/base/overloaded.h"

namespace holdfast::raft {
namespace {

constexpr size_t kHeldMax = 10'000;

HardState start_state(const Recovered& recovered) {
  // The log may name a later term than the hard state only if the latter is an older copy; a term
  // that was seen is never gone back on.
  const Term log_term = recovered.runs.empty() ? recovered.before.term : recovered.runs.back().term;
  return log_term > recovered.hard_state.term ? HardState{log_term, {}} : recovered.hard_state;
}

}  // namespace

Raft::Raft(Config config, Recovered recovered, Random random, Instant now)
    : config_(config),
      random_(random),
      now_(now),
      last_step_(now),
      hard_state_(start_state(recovered)),
      log_(recovered.before, std::move(recovered.runs), recovered.last),
      stamps_(recovered.stamp),
      membership_(recovered.members_index, std::move(recovered.members), recovered.guesses_members),
      heartbeat_deadline_(now + config.heartbeat),
      verified_(recovered.applied),
      commit_(recovered.applied),
      emitted_(recovered.applied),
      applied_(recovered.applied),
      currency_(random_.next()),
      awaits_state_(recovered.lacks_state),
      quarantine_(recovered.quarantined),
      run_(currency_.first()),
      next_attempt_(random_.next()) {
  CHECK(config_.self);
  CHECK(recovered.applied <= log_.last().index, "the state is ahead of the log: {} and {}",
        recovered.applied.value, log_.last().index.value);
  for (const EntryPtr& entry : recovered.newer_members) membership_.append(*entry);
  emitted_term_ = *log_.term_at(emitted_);
  reset_election_timer();
  announce_role();
}

void Raft::step(Instant now, Input input) {
  CHECK(now >= now_, "time went back");
  forgive_own_pause(now);
  now_ = now;
  std::visit(Overloaded{
                 [&](Wake&) { wake(); },
                 [&](Received& received) { receive(std::move(received.envelope)); },
                 [&](Propose& proposals) { propose(std::move(proposals)); },
                 [&](ReadBarrier& barrier) { start_reads(std::move(barrier)); },
                 [&](Persisted& persisted) { on_persisted(persisted); },
                 [&](Applied& applied) { on_applied(applied); },
                 [&](Loaded& loaded) { on_loaded(std::move(loaded)); },
                 [&](PeerGone& gone) { on_peer_gone(gone.peer); },
                 [&](TransferLeader& transfer) { transfer_leader(transfer.target); },
                 [&](SnapshotDone& done) { on_snapshot_done(done); },
                 [&](SnapshotArrived& arrived) { on_snapshot_arrived(std::move(arrived)); },
                 [&](Installed& installed) { on_installed(std::move(installed)); },
                 [&](Calendar& calendar) { stamps_.set_calendar(now_, calendar.wall_ms); },
                 [&](RoomChanged& room) { room_ = room; },
                 [&](QuarantineNoted&) { quarantine_.noted(); },
             },
             input);
}

// A node that was itself asleep has no right to call the others silent: they may have spoken, and
// what they said waits to be read. Only its sleep is forgiven, so that one that sleeps again and
// again still sees who is silent.
void Raft::forgive_own_pause(Instant now) {
  const Instant expected = std::max(next_deadline(), last_step_);
  last_step_ = now;
  const Duration pause = now - expected;
  if (pause <= config_.heartbeat) return;
  now_ = now;
  for (auto& [ticket, since] : unanswered_writes_) since += pause;
  if (LeaderRole* leader = std::get_if<LeaderRole>(&role_)) {
    for (auto& [id, follower] : leader->followers) follower.last_contact += pause;
  } else if (!forgave_silence_) {
    forgave_silence_ = true;
    reset_election_timer();
  }
}

void Raft::receive(Envelope&& envelope) {
  const NodeId from = envelope.from;
  CHECK(envelope.to == config_.self);
  if (const VoteRequest* request = std::get_if<VoteRequest>(&envelope.body)) {
    // The term rule for candidates has exceptions (pre-vote, stickiness): election.cc.
    on_vote_request(from, *request);
    return;
  }
  if (envelope.term > hard_state_.term) become_follower(envelope.term, {});
  const bool stale = envelope.term < hard_state_.term;
  std::visit(
      Overloaded{
          [&](VoteRequest&) {},
          // A voter of an earlier term may grant a pre-vote; the reply itself names its election.
          [&](VoteReply& reply) { on_vote_reply(from, reply); },
          // A leader of an earlier term is answered with the term that deposed it; were it only
          // ignored, a node at a higher term and the leader would ignore each other for ever.
          [&](Append& append) {
            if (stale) return send(from, AppendRejected{append.previous, {}});
            on_append(from, std::move(append));
          },
          [&](Heartbeat& heartbeat) {
            // Not with its round: the same node may lead this term too, and count rounds anew.
            if (stale) return send(from, HeartbeatReply{0, {}});
            on_heartbeat(from, heartbeat);
          },
          [&](Appended& appended) {
            if (!stale) on_appended(from, appended);
          },
          [&](AppendRejected& rejected) {
            if (!stale) on_append_rejected(from, rejected);
          },
          [&](HeartbeatReply& reply) {
            if (!stale) on_heartbeat_reply(from, reply);
          },
          [&](Forward& forward) { on_forward(from, envelope.term, std::move(forward)); },
          [&](ForwardRefused& refused) { on_forward_refused(refused); },
          [&](ReadRequest& request) {
            if (!stale) on_read_request(from, request);
          },
          [&](ReadReply& reply) {
            if (!stale) on_read_reply(reply);
          },
          [&](HandOverRequest& request) {
            if (!stale && is_leader()) transfer_leader(request.target);
          },
          [&](TakeOver&) {
            if (!stale) on_take_over(from);
          },
      },
      envelope.body);
}

void Raft::wake() {
  if (now_ >= heartbeat_deadline_) {
    heartbeat_deadline_ = now_ + config_.heartbeat;
    watch_disk();
    if (is_leader() && lost_majority()) become_follower(hard_state_.term, {});
    if (is_leader()) end_handover_if_late();
    if (is_leader()) {
      hand_over_for_want_of_state();
      forget_the_removed();
      promote_who_caught_up();
      yield_to_room();
      start_heartbeat_round();
    }
    expire_pending();
    expire_reads();
  }
  if (!is_leader() && now_ >= election_deadline_)
    start_election(VotePhase::kPreVote, Cause::kSilence);
}

Instant Raft::next_deadline() const {
  if (is_leader()) return heartbeat_deadline_;
  const bool somebody_waits = !pending_.empty() || !waiting_reads_.empty() || read_attempt_ ||
                              !confirmed_reads_.empty() || !unanswered_writes_.empty();
  return somebody_waits ? std::min(heartbeat_deadline_, election_deadline_) : election_deadline_;
}

Output Raft::take_output() {
  send_proposals();
  if (LeaderRole* leader = std::get_if<LeaderRole>(&role_)) {
    advance_commit();
    work_asked_changes();
    for (auto& [id, follower] : leader->followers) send_appends(id, follower);
    tell_target();
    // It led only to commit the list that it is not in.
    if (!members().votes(config_.self) && commit_ >= membership_.index())
      become_follower(hard_state_.term, {});
  }
  send_reads();
  quarantine_.end_if_whole(std::min(verified_, log_.persisted()));
  emit_committed();
  note_own_removal();
  announce_role();
  tell_needs_to_log();
  for (const Refusal& refusal : output_.refused) traces_.settle(refusal.request, now_);
  output_.write = log_.take_write();
  if (output_.write) note_write(output_.write->ticket);
  return std::exchange(output_, {});
}

void Raft::become_follower(Term term, NodeId leader) {
  CHECK(term >= hard_state_.term);
  const bool was_leader = is_leader();
  const bool other_leader = known_leader() != leader;
  if (was_leader || other_leader || term > hard_state_.term) take_back_reads();
  std::vector<std::pair<NodeId, Forward>> held;
  std::deque<AskedChange> asked;
  if (LeaderRole* const led = std::get_if<LeaderRole>(&role_)) {
    if (led->handover) held = std::move(led->handover->held);
    asked = std::move(led->asked_changes);
    for (auto& [id, follower] : led->followers) end_snapshot(id, follower);
  }
  const Term led_in = hard_state_.term;
  role_ = FollowerRole{leader};
  if (term > hard_state_.term) {
    set_hard_state({term, {}});
    count_given_before();
  }
  if (was_leader) reset_election_timer();
  for (const auto& [from, forward] : held)
    refuse_forward(from, led_in, ForwardRefusal::kNotLeader, forward.requests());
  give_back_asked_changes(asked, led_in);
}

NodeId Raft::known_leader() const {
  if (is_leader()) return config_.self;
  const FollowerRole* follower = std::get_if<FollowerRole>(&role_);
  return follower ? follower->leader : NodeId{};
}

void Raft::announce_role() {
  const Role role = is_leader()                                    ? Role::kLeader
                    : std::holds_alternative<CandidateRole>(role_) ? Role::kCandidate
                                                                   : Role::kFollower;
  RoleChange now_is{role, hard_state_.term, known_leader()};
  if (const LeaderRole* const leader = std::get_if<LeaderRole>(&role_);
      leader != nullptr && leader->handover)
    now_is.handover = HandoverTo{leader->handover->target, leader->handover->cause};
  if (now_is == announced_) return;
  announced_ = now_is;
  output_.roles.push_back(now_is);
}

void Raft::set_hard_state(HardState state) {
  CHECK(state.term >= hard_state_.term);
  CHECK(state.term > hard_state_.term || !hard_state_.vote || state.vote == hard_state_.vote);
  // What is committed is in the log of every later leader.
  if (state.term > hard_state_.term) {
    verified_ = commit_;
    quarantine_.forget_reach();
  }
  hard_state_ = state;
  log_.set_hard_state(state);
  hard_state_ticket_ = log_.newest_ticket();
}

// Everything that is said in a term waits until the term is on disk: what a restarted node says
// then never contradicts what it said before.
void Raft::send(NodeId to, MessageBody body) {
  Envelope envelope{config_.self, to, hard_state_.term, std::move(body)};
  if (hard_state_ticket_ > log_.persisted_ticket()) {
    hold(hard_state_ticket_, std::move(envelope));
  } else {
    output_.send.push_back(std::move(envelope));
  }
}

void Raft::send_when_persisted(NodeId to, MessageBody body) {
  const WriteTicket ticket = log_.newest_ticket();
  if (ticket <= log_.persisted_ticket()) return send(to, std::move(body));
  Envelope envelope{config_.self, to, hard_state_.term, std::move(body)};
  // Several appends of one turn become one acknowledgement: of the furthest, as an append that was
  // overtaken may come last.
  const Appended* const appended = std::get_if<Appended>(&envelope.body);
  if (appended != nullptr && !held_.empty() && held_.back().first == ticket &&
      held_.back().second.to == to && held_.back().second.term == envelope.term) {
    if (Appended* const before = std::get_if<Appended>(&held_.back().second.body)) {
      before->match = std::max(before->match, appended->match);
      return;
    }
  }
  hold(ticket, std::move(envelope));
}

// A disk that stalls must not fill the memory: any message may be lost, and is said again. In the
// order of tickets: who waits for an earlier write leaves with it, and nothing said later
// overtakes.
void Raft::hold(WriteTicket ticket, Envelope envelope) {
  if (held_.size() == kHeldMax) return;
  const auto behind =
      std::ranges::upper_bound(held_, ticket, {}, [](const auto& item) { return item.first; });
  held_.emplace(behind, ticket, std::move(envelope));
}

Status Raft::status() const {
  Status status{.role = announced_.role,
                .term = hard_state_.term,
                .leader = known_leader(),
                .vote = hard_state_.vote,
                .last = log_.last(),
                .persisted = log_.persisted(),
                .commit = commit_,
                .applied = applied_,
                .current_as_of = currency_.as_of(),
                .cluster_ms = is_leader() ? stamps_.cluster_ms(now_) : stamps_.last().cluster_ms,
                .fenced = fenced_,
                .quarantined = quarantine_.is_on(),
                .quarantine_is_due = quarantine_.is_due(),
                .awaits_state = awaits_state_,
                .short_of_room = room_.is_short,
                .refuses_growth = refuses_growth(),
                .removed = removed_,
                .proposals_bytes = pending_bytes_,
                .followers = {}};
  if (const LeaderRole* leader = std::get_if<LeaderRole>(&role_)) {
    for (const auto& [id, follower] : leader->followers) {
      const Streaming* streaming = std::get_if<Streaming>(&follower.progress);
      status.followers.push_back(
          {id, follower.match, follower.last_contact, streaming != nullptr,
           streaming != nullptr ? streaming->in_flight_bytes : 0,
           std::holds_alternative<Snapshotting>(follower.progress) || follower.repair,
           follower.short_of_room});
    }
  }
  return status;
}

}  // namespace holdfast::raft
