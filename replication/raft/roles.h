#pragma once

// What a node keeps in each role, and of the requests that wait with it. Values inside Raft.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "replication/raft/currency.h"
#include "replication/raft/follower.h"
#include "replication/raft/input.h"
#include "replication/raft/output.h"

namespace holdfast::raft {

struct FollowerRole {
  NodeId leader;  // none if not known
  bool leader_refuses_growth = false;
};

struct CandidateRole {
  VotePhase phase;
  std::set<NodeId> granted;
};

struct WaitingRead {
  ReadTicket ticket;
  Instant since;
};

// A batch of reads that share one confirmation of leadership.
struct ReadRound {
  uint64_t heartbeat_round;  // an answer to this or a later one confirms
  LogIndex index;
  std::vector<WaitingRead> own;
  std::map<NodeId, uint64_t> remote;  // follower → attempt
};

// The leader takes no more changes, and those that reach it wait, until the target leads or the
// deadline has passed.
struct Handover {
  NodeId target;
  HandoverCause cause;
  Instant deadline;
  std::vector<std::pair<NodeId, Forward>> held;  // from which follower; all of this term
  size_t held_bytes = 0;
  bool before_removal = false;    // of this leader, the first of the changes that it was asked for
  uint64_t told_in = UINT64_MAX;  // the heartbeat round in which the target was last told
};

// A heartbeat round that a majority has not answered yet, and what that will prove.
struct TimedRound {
  uint64_t round;
  Currency proves;
};

// A change of members that this leader was asked for. One at a time is in the log uncommitted.
struct AskedChange {
  NodeId from;  // where it began
  RequestId request;
  Bytes payload;
};

struct LeaderRole {
  Instant since;
  std::map<NodeId, Follower> followers;
  std::deque<AskedChange> asked_changes;
  uint64_t round = 0;  // of the newest heartbeat
  LogIndex first_of_term;
  std::optional<ReadRound> read_round;
  std::map<NodeId, uint64_t> remote_reads;  // follower → newest attempt; wait for the next round
  std::optional<Handover> handover;
  std::optional<TimedRound> timed_round;
  Instant next_yield = Instant::min();  // not before this: a handover for want of room
};

// A change that began here and whose fate is not known yet. `term` is that of the leader it was
// given to, 0 while it waits for one. An entry of a later term, once committed, proves that
// whatever was given to an earlier leader and has not been seen by then never will be.
struct Pending {
  Instant deadline;
  Instant since;
  Term term;
  Bytes payload;
  EntryKind kind;
  uint64_t place = 0;  // among all that this node ever gave to leaders

  size_t bytes() const { return payload.size() + LogEntry::kOverheadBytes; }
};

// What followers forwarded in this node's newest leadership of this life. Kept when the
// leadership ends: it tells a change that was never taken from a message that came twice.
struct TakenForwards {
  Term term;                                               // 0: has not led
  std::map<std::pair<NodeId, uint64_t>, uint64_t> newest;  // origin and run → number
};

struct ReadAttempt {
  uint64_t id;
  Instant sent;
  std::vector<WaitingRead> reads;
};

}  // namespace holdfast::raft
