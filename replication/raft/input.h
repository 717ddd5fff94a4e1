#pragma once

// Everything that can happen to a replica.

#include <variant>
#include <vector>

#include "replication/raft/message.h"

namespace holdfast::raft {

// Time has passed. Given at least at every `next_deadline`.
struct Wake {};

struct Received {
  Envelope envelope;
};

// A request to change the state, with an answer owed until `deadline`.
struct Proposal {
  RequestId request;
  Instant deadline;
  Bytes payload;
};
struct Propose {
  std::vector<Proposal> proposals;
};

// Requests that want to read everything acknowledged before now.
struct ReadTicket {
  RequestId request;
  Instant deadline;
};
struct ReadBarrier {
  std::vector<ReadTicket> reads;
};

// The log write with this ticket, and every one before it, is on disk.
struct Persisted {
  WriteTicket ticket;
};

// The state machine holds everything up to here.
struct Applied {
  LogIndex upto;
};

// The answer to a LoadOrder.
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
                           PeerGone, TransferLeader>;

}  // namespace holdfast::raft
