#pragma once

// Everything that can happen to a replica.

#include <string>
#include <variant>
#include <vector>

#include "replication/raft/membership.h"
#include "replication/raft/message.h"
#include "replication/raft/trace.h"

namespace holdfast::raft {

// Time has passed. Given at least at every `next_deadline`.
struct Wake {};

struct Received {
  Envelope envelope;
};

// A request to change the state, with an answer owed until `deadline`.
// Of kind kMembers: the payload is an encoded MemberChange, and the leader makes the list of
// members from it, or rejects it.
struct Proposal {
  RequestId request;
  Instant deadline;
  Bytes payload;
  EntryKind kind = EntryKind::kCommand;
  Tracing tracing = Tracing::kNone;
};
struct Propose {
  std::vector<Proposal> proposals;
};

// Requests that want to read everything acknowledged before now.
struct ReadTicket {
  RequestId request;
  Instant deadline;
  Tracing tracing = Tracing::kNone;
};
struct ReadBarrier {
  std::vector<ReadTicket> reads;
};

// The log write with this ticket, and every one before it, is on disk.
struct Persisted {
  WriteTicket ticket;
};

// The state machine holds everything up to `upto`, and after a crash would hold what is up to
// `durable`.
struct Applied {
  LogIndex upto;
  LogIndex durable = {};
};

// An answer to a SnapshotOrder: the follower has all of it on disk, or will not get it this time.
struct SnapshotDone {
  NodeId destination;
  uint64_t number;
  bool delivered;
};

// A state that a leader of `term` sent lies here, whole, verified and synced, beside the one in
// use. `source` is the shell's name for it.
struct SnapshotArrived {
  NodeId from;
  Term term;
  LogPosition position;  // of the last entry that the state holds
  std::string source;
};

// The answer to an InstallOrder: the state machine holds that state and no other, also after a
// crash.
struct Installed {
  LogPosition position;
  Members members;
  Stamp stamp = {};  // of the entry at `position`
};

// What the calendar says now, milliseconds since 1970. It only goes into the stamps of entries, and
// is taken to go on at the pace of `now`; it may jump.
struct Calendar {
  uint64_t wall_ms;
};

// That the log may lack what was acknowledged is on disk (Status::quarantine_is_due): no restart
// forgets it.
struct QuarantineNoted {};

// This node's disk is short of room, or full as well, or has enough again.
struct RoomChanged {
  bool is_short;
  bool is_full = false;
};

// The answer to a LoadOrder. No entries: the log does not go back so far any more.
struct Loaded {
  NodeId destination;
  std::vector<EntryPtr> entries;
};

// The peer's host says that its process is gone. Only a hint, which may be false: a majority still
// decides.
struct PeerGone {
  NodeId peer;
};

// The leader, here or elsewhere, is asked to hand over to `target`; none: to the voter with the
// longest log. Nothing answers: whether it came to pass shows in the changes of role.
struct TransferLeader {
  NodeId target;
};

using Input = std::variant<Wake, Received, Propose, ReadBarrier, Persisted, Applied, Loaded,
                           PeerGone, TransferLeader, SnapshotDone, SnapshotArrived, Installed,
                           Calendar, RoomChanged, QuarantineNoted>;

}  // namespace holdfast::raft
