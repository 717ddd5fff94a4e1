#pragma once

// What clients felt: of each kind of operation, before, during and after a fault.

#include <cstdint>
#include <string>
#include <vector>

#include "bench/drill/history.h"

namespace holdfast::drill {

// On the history's clock.
struct Window {
  int64_t begin = 0;  // of the load
  int64_t fault_begin = 0;
  int64_t fault_end = 0;
  int64_t end = 0;
};

struct Latency {
  uint64_t count = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
};

struct Felt {
  std::string kind;  // "linearizable reads", …
  uint64_t ok = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;
  // Around the longest time without an answer that ended after the fault had begun.
  double last_ok_s = 0;  // since the load began
  double first_ok_s = 0;
  double pause_ms = 0;
  Latency before;
  Latency during;
  Latency after;
};

// A tenth of a second, or more where the drill is long.
struct Bucket {
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t failed = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

struct Timeline {
  std::vector<Felt> kinds;  // all together is the last one
  double bucket_s = 0.1;
  std::vector<Bucket> buckets;
};

Timeline timeline_of(const History& history, const Window& window);

}  // namespace holdfast::drill
