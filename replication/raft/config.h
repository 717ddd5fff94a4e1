#pragma once

// What a replica starts with: its limits, and what was found on its disk.

#include <chrono>
#include <cstddef>
#include <vector>

#include "replication/raft/membership.h"
#include "replication/raft/raft_log.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"

namespace holdfast::raft {

struct Config {
  NodeId self;
  Duration heartbeat = std::chrono::milliseconds(50);
  Duration election_timeout = std::chrono::milliseconds(300);  // random from this to its double
  size_t append_bytes_max = 1 << 20;                 // in one message, but at least one entry
  size_t in_flight_bytes_max = 4 << 20;              // sent to one follower and not answered
  size_t proposals_bytes_max = 64 << 20;             // taken and not yet applied
  size_t apply_bytes_max = 16 << 20;                 // given to the state machine and not applied
  size_t window_bytes_max = 8 << 20;                 // entries kept in memory for followers
  Duration disk_patience = std::chrono::seconds(1);  // a write without an answer: fenced
};

// What a node finds on its disk at start.
struct Recovered {
  HardState hard_state;
  LogPosition before;  // the log holds what follows this; at most `applied`
  std::vector<TermRun> runs;
  LogIndex last;
  Stamp stamp;             // of the entry at `last`
  LogIndex applied;        // by the durable state; replay goes on behind it
  LogIndex members_index;  // where `members` come from, at or before `applied`
  Members members;
  std::vector<EntryPtr> newer_members;  // members entries behind `applied`, in log order
  // The log ends earlier than it did: entries that this node acknowledged may be missing, and those
  // that are there may be what was cut since. Its term and vote hold.
  bool quarantined = false;
  // The state was damaged and is gone, and the log does not go back to the first entry: a peer must
  // send the state. `applied` is then where the log begins.
  bool lacks_state = false;
  // Of one that lacks the state: `members` may be an older list than the one at `members_index`.
  bool guesses_members = false;
};

}  // namespace holdfast::raft
