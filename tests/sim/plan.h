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
  bool reorders = false;  // else each link keeps its order
};

// Mean time between two faults of a kind; 0: never.
struct FaultPlan {
  Duration cut{};
  Duration crash{};
  double crash_in_write = 0;  // chance, for each write to the log, that its sync never comes
  Duration crash_all{};
  Duration pause{};
  Duration slow_disk{};
  Span cut_length;
  Span down;
  Span pause_length;
  double news_of_crash = 0;  // chance that a peer is told so
  Duration false_news{};     // a node is told that a living peer is gone
  Duration transfer{};       // a node is asked to have the leader changed
};

struct DiskPlan {
  Span sync;
  uint64_t segment_bytes = 0;
  uint64_t unflushed_bytes_max = 0;
  Span apply;
};

struct ClientPlan {
  size_t count = 0;
  Span think;
  Duration timeout{};
  uint64_t keys = 0;
  size_t value_bytes_max = 0;
  double reads = 0;  // linearizable
  double local_reads = 0;
  double deletes = 0;
  double conditions = 0;  // of the changes
};

struct Plan {
  uint64_t seed = 0;
  size_t nodes = 0;
  Duration safety{};  // how long faults and clients go on
  raft::Config limits;
  NetworkPlan network;
  FaultPlan faults;
  DiskPlan disk;
  ClientPlan clients;
};

Plan draw_plan(uint64_t seed);
std::string to_text(const Plan& plan);

}  // namespace holdfast::sim
