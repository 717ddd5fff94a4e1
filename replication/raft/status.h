#pragma once

// Raft's positions at one moment: for the status page, the trace and tests.

#include <vector>

#include "replication/raft/output.h"

namespace holdfast::raft {

// What one voter or learner looks like from the leader; for status and tests.
struct FollowerStatus {
  NodeId id;
  LogIndex match;
  Instant last_contact;
  bool streaming;
  size_t in_flight_bytes;
  bool receives_snapshot;
  bool short_of_room;
};

struct Status {
  Role role;
  Term term;
  NodeId leader;
  NodeId vote;
  LogPosition last;
  LogIndex persisted;
  LogIndex commit;
  LogIndex applied;
  // The applied state held all that the cluster had acknowledged at that moment.
  std::optional<Instant> current_as_of;
  uint64_t cluster_ms = 0;                // the leader: the cluster's clock now; else as last heard
  bool fenced = false;                    // the disk has stopped answering
  bool quarantined = false;               // the log lost entries, and has not been filled again
  bool quarantine_is_due = false;         // that was found just now: answered by QuarantineNoted
  bool awaits_state = false;              // it was lost, and a peer is to send it
  bool short_of_room = false;             // this node's disk
  bool refuses_growth = false;            // the leader does, as far as is known here
  bool removed = false;                   // this node is no member any more, and never will be
  size_t proposals_bytes = 0;             // begun here, and their fate is not known yet
  std::vector<FollowerStatus> followers;  // on the leader
};

}  // namespace holdfast::raft
