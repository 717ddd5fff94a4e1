#pragma once

// What a run will be like, drawn from its seed: how many nodes, which faults are on and how strong
// they are, and the limits of the product's own knobs. In most runs some faults are off, so that
// none hides another (swarm testing).

#include <string>

#include "replication/raft/raft.h"
#include "storage/base/random.h"

namespace holdfast::sim {

struct Span {
  Duration min;
  Duration max;
};

struct NetworkPlan {
  Span delay;
  double lost = 0;
  double doubled = 0;
  double late = 0;  // delayed by up to late_max
  Duration late_max{};
  bool reorders = false;    // else each link keeps its order
  bool one_speed = true;    // else each direction of each link has a speed of its own
  Duration slowest_link{};  // no message takes longer for its link alone
};

inline constexpr int64_t kFastestPermille = 1300;

// Steady clocks run at a rate in thousandths of the run's time.
struct ClockPlan {
  int64_t slowest = 1000;
  int64_t fastest = 1000;
  Duration change{};         // mean time between two changes of a node's rate; 0: never
  bool far_origins = false;  // some begin where numbers of few bits would wrap
};

// Mean time between two faults of a kind; 0: never.
struct FaultPlan {
  Duration cut{};
  Duration crash{};
  double crash_in_write = 0;  // chance, for each write to the log, that its sync never comes
  Duration crash_all{};
  Duration damage{};          // a synced byte of a node's log is not what was written
  double other_settings = 0;  // chance that a node restarts with other limits and timeouts
  Duration pause{};
  Duration slow_disk{};     // every sync takes longer by slow_sync
  Duration stalled_disk{};  // one sync takes as long as `stall`
  double cut_for_ever = 0;  // chance that a cut in one direction lasts as long as the faults
  Span cut_length;
  Span slow_sync;
  Span stall;
  Span down;
  Span pause_length;
  double news_of_crash = 0;  // chance that a peer is told so
  Duration false_news{};     // a node is told that a living peer is gone
  Duration transfer{};       // a node is asked to have the leader changed
  Duration full_disk{};      // others leave little room on a node's disk, or none
  Span full_length;
};

struct DiskPlan {
  Span sync;
  uint64_t segment_bytes = 0;
  uint64_t unflushed_bytes_max = 0;
  Span apply;
};

struct SnapshotPlan {
  uint64_t keep_bytes = 0;  // of log, behind what is durable
  Span make;
  Span carry;
  double fails = 0;  // chance that a transfer ends early
};

struct MembersPlan {
  size_t spares = 0;  // nodes that are no members at first
  Duration change{};  // mean time between two wishes to change the members; 0: never
};

struct ClientPlan {
  size_t count = 0;
  size_t in_flight = 1;  // requests of one client that wait at a time
  Span think;
  Duration timeout{};
  uint64_t keys = 0;
  size_t value_bytes_max = 0;
  double reads = 0;  // linearizable
  double local_reads = 0;
  double past_reads = 0;
  double compactions = 0;  // of the changes
  double deletes = 0;
  double conditions = 0;    // of the changes
  double once = 0;          // of the changes: under a key, and sent again while unknown
  double transactions = 0;  // of the changes
  double leases = 0;        // of the changes: about leases
  double bound = 0;         // of the puts: end with a lease, or with time
};

struct Plan {
  uint64_t seed = 0;
  size_t nodes = 0;  // the first members
  size_t places() const { return nodes + members.spares; }
  Duration safety{};  // how long faults and clients go on
  raft::Config limits;
  NetworkPlan network;
  ClockPlan clocks;
  FaultPlan faults;
  DiskPlan disk;
  SnapshotPlan snapshots;
  MembersPlan members;
  ClientPlan clients;
};

Plan draw_plan(uint64_t seed);
// What another node of the same cluster may be set to.
raft::Config draw_other_limits(const raft::Config& limits, Random& random);
std::string to_text(const Plan& plan);

}  // namespace holdfast::sim
