#pragma once

// Raft decides; it does nothing. Give it what happened, take what to do. (Ongaro, Ousterhout:
// "In Search of an Understandable Consensus Algorithm", 2014; Ongaro's dissertation, 2014.)
//
// Contract with whoever runs it:
//   - Inputs are given one at a time, with a time that never goes back.
//   - Everything in one Output may be carried out at once, in any order, in parallel, except:
//     writes go in ticket order, entries are applied in log order.
//   - A promise (a vote, an acknowledgement, this node's own share of a quorum) is never in an
//     Output before the write that it depends on was Persisted. So the runner never holds a
//     message back.
//   - An entry to apply is committed and persisted here, so a restart never finds a state that is
//     ahead of its own log.
//   - Each Proposal and each read gets exactly one answer: a completion when its entry is applied
//     or `readable`; or a Refusal. A Refusal kUnknown may still be followed by its entry.
//   - Same config, same seed, same inputs: same outputs.
//
// One thread calls it; it knows no thread, file, socket, clock or global.

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "replication/raft/config.h"
#include "replication/raft/currency.h"
#include "replication/raft/input.h"
#include "replication/raft/membership.h"
#include "replication/raft/output.h"
#include "replication/raft/quarantine.h"
#include "replication/raft/raft_log.h"
#include "replication/raft/roles.h"
#include "replication/raft/stamp_clock.h"
#include "replication/raft/status.h"
#include "storage/base/random.h"

namespace holdfast::raft {

class Raft {
 public:
  Raft(Config config, Recovered recovered, Random random, Instant now);

  void step(Instant now, Input input);
  Output take_output();           // what was asked for since the last take
  Instant next_deadline() const;  // give Wake{} no later than this
  Status status() const;
  const Members& members() const { return membership_.current(); }
  const Members& committed_members() const { return membership_.at(commit_); }
  bool quarantine_is_due() const { return quarantine_.is_due(); }
  const RaftLog& log() const { return log_; }

 private:
  // raft.cc: dispatch, the term rule, time
  void receive(Envelope&& envelope);
  void wake();
  void become_follower(Term term, NodeId leader);
  void announce_role();
  void send(NodeId to, MessageBody body);  // waits until the term is on disk
  void hold(WriteTicket ticket, Envelope envelope);
  void send_when_persisted(NodeId to, MessageBody body);  // waits for all log writes until now
  void set_hard_state(HardState state);
  void forgive_own_pause(Instant now);
  bool is_leader() const { return std::holds_alternative<LeaderRole>(role_); }
  NodeId known_leader() const;

  // election.cc
  enum class Cause : uint8_t { kSilence, kHandedOver };
  void start_election(VotePhase phase, Cause cause);
  void on_vote_request(NodeId from, const VoteRequest& request);
  void on_vote_reply(NodeId from, const VoteReply& reply);
  void count_votes();
  void become_leader();
  void reset_election_timer();
  void on_peer_gone(NodeId peer);
  bool may_stand() const;
  bool hears_leader() const;
  bool lost_majority() const;

  // transfer.cc
  void transfer_leader(NodeId target);
  void start_handover(LeaderRole& leader, NodeId target, HandoverCause cause);
  void tell_target();
  void end_handover_if_late();
  void on_take_over(NodeId from);
  NodeId fittest_successor(Among among) const;
  bool is_in_contact(const Follower& follower) const;
  bool is_fit(NodeId id, const Follower& follower) const;
  void hand_over_for_want_of_state();

  // change_members.cc
  void ask_change(AskedChange change);
  void work_asked_changes();
  bool may_change_members() const;
  bool may_work(const AskedChange& asked) const;
  Result<Members> judge_change(const MemberChange& change) const;
  void reject_change(const AskedChange& change, std::string why);
  void give_back_asked_changes(const std::deque<AskedChange>& changes, Term led_in);
  void append_members(const Members& members, Origin origin);
  void follow_members();
  void promote_who_caught_up();
  void note_progress(Follower& follower);
  void forget_the_removed();
  void note_own_removal();

  // snapshots.cc
  StateTransfer order_transfer(NodeId to);
  void order_snapshot(NodeId to, Follower& follower);
  bool is_overdue(const StateTransfer& transfer) const;
  void on_snapshot_done(const SnapshotDone& done);
  void on_snapshot_arrived(SnapshotArrived&& arrived);
  void on_installed(Installed&& installed);
  void end_snapshot(NodeId to, Follower& follower);
  void heed_state(NodeId from, Follower& follower, const HeartbeatReply& reply);
  void give_up_on_skipped(Term upto);
  void tell_needs_to_log();

  // fence.cc: a disk that has stopped answering
  bool takes_requests() const { return !fenced_ && !awaits_state_; }
  void watch_disk();
  void note_write(WriteTicket ticket);
  void fence();

  // room.cc: disks that fill up
  size_t voters_with_room() const;
  bool refuses_growth() const;
  void yield_to_room();

  // quarantine.cc: a log that lost what was acknowledged
  bool lost(LogPosition committed) const;
  void doubt(Follower& follower, LogIndex verified);

  // replicate.cc: leader
  LogIndex append_as_leader(EntryKind kind, Origin origin, Bytes payload);
  void on_appended(NodeId from, const Appended& appended);
  void on_append_rejected(NodeId from, const AppendRejected& rejected);
  void on_heartbeat_reply(NodeId from, const HeartbeatReply& reply);
  void on_loaded(Loaded&& loaded);
  void send_entries(NodeId to, Follower& follower, std::vector<EntryPtr> entries);
  void send_appends(NodeId to, Follower& follower);
  void send_heartbeat(NodeId to, Follower& follower);
  void start_heartbeat_round();
  uint64_t confirmed_round() const;
  void time_confirmed_round();
  void advance_commit();
  void probe(Follower& follower, LogIndex next);

  // follow.cc: follower, and applying everywhere
  void on_append(NodeId from, Append&& append);
  void on_heartbeat(NodeId from, const Heartbeat& heartbeat);
  void follow(NodeId leader);
  void set_commit(LogIndex commit);
  void emit_committed();
  void emit(std::vector<EntryPtr> entries);
  void on_applied(const Applied& applied);
  void on_persisted(const Persisted& persisted);

  // propose.cc: changes that begin here, or came from a follower
  void propose(Propose&& propose);
  void on_forward(NodeId from, Term given, Forward&& forward);
  void append_forward(NodeId from, Forward&& forward);
  void refuse_forward(NodeId to, Term given, ForwardRefusal reason,
                      std::vector<RequestId> requests);
  void on_forward_refused(const ForwardRefused& refused);
  void send_proposals();
  void forward_proposals(NodeId leader);
  void resolve(const LogEntry& committed);
  void take_back_proposals(Term before);
  void note_in_log(const Pending& pending);
  void count_given_before();
  bool overloaded(size_t more_bytes) const;
  void expire_pending();

  // read_barrier.cc
  void start_reads(ReadBarrier&& barrier);
  size_t reads_that_wait() const;
  void on_read_request(NodeId from, const ReadRequest& request);
  void on_read_reply(const ReadReply& reply);
  void send_reads();
  void start_read_round(LeaderRole& leader);
  void confirm_reads();
  void release_reads(LogIndex index, const std::vector<WaitingRead>& reads);
  void take_back_reads();
  void expire_reads();
  bool gave_up_on_leader(Instant since) const;

  // Set once.
  const Config config_;
  Random random_;

  Instant now_;
  Instant last_step_;
  HardState hard_state_;
  WriteTicket hard_state_ticket_;  // writes hard_state_; 0: it was on disk at start
  RaftLog log_;
  StampClock stamps_;
  Membership membership_;
  std::variant<FollowerRole, CandidateRole, LeaderRole> role_ = FollowerRole{};
  RoleChange announced_{};
  Instant election_deadline_;
  Instant heartbeat_deadline_;  // also when waiting requests are looked at
  std::optional<Instant> heard_leader_;
  bool forgave_silence_ = false;  // of the leader, since it was heard last
  Term leader_gone_in_;           // the newest term whose leader this node was told to be gone

  LogIndex verified_;  // our log is that of this term's leader up to here
  LogIndex commit_;
  LogIndex emitted_;  // given to the state machine up to here
  LogIndex applied_;
  LogIndex durable_;                                  // applied, and a crash would not take it back
  Term emitted_term_;                                 // of the entry at emitted_
  std::deque<std::pair<LogIndex, size_t>> applying_;  // emitted, not applied: index and bytes
  size_t applying_bytes_ = 0;
  CurrencyWatch currency_;
  bool loading_own_ = false;  // committed entries are being read back from disk
  std::optional<LogPosition> installing_;
  uint64_t snapshots_ordered_ = 0;
  bool removed_ = false;
  bool awaits_state_;
  Quarantine quarantine_;
  std::deque<std::pair<WriteTicket, Instant>> unanswered_writes_;
  bool fenced_ = false;
  RoomChanged room_{.is_short = false};

  std::map<RequestId, Pending> pending_;
  std::set<RequestId> unsent_;  // of pending_: term 0
  size_t pending_bytes_ = 0;
  size_t given_before_ = 0;  // of pending_: given to a leader of an earlier term
  uint64_t given_ = 0;       // how many changes were given to leaders
  uint64_t in_log_ = 0;      // the last of them that is committed, or may be and is not waited for
  const uint64_t run_;
  uint64_t forwards_sent_ = 0;
  TakenForwards taken_;

  std::vector<WaitingRead> waiting_reads_;   // not yet part of a round or an attempt
  std::optional<ReadAttempt> read_attempt_;  // sent to the leader
  uint64_t next_attempt_;                    // begins anywhere: never one of an earlier life
  std::multimap<LogIndex, ReadTicket> confirmed_reads_;  // wait until this index is applied

  Traces traces_;
  std::deque<std::pair<WriteTicket, Envelope>> held_;  // promises that wait for the disk
  Output output_;
};

}  // namespace holdfast::raft
