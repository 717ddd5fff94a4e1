#pragma once

// What one run measured, and whether it measured what was asked for.

#include <optional>
#include <string>
#include <vector>

#include "bench/load/cpu_meter.h"
#include "bench/load/tally.h"

namespace holdfast::load {

enum class Verdict {
  kMeasured,
  kServerBehind,     // open loop: the asked rate was not kept, and the generator had time to spare
  kGeneratorBehind,  // open loop: not kept for want of the generator's own time; closed loop: its
                     // threads had no time to spare, and a quicker one might have measured more
};

struct RunResult {
  explicit RunResult(Duration length) : measured(length), tally(length) {}

  Duration measured;
  std::optional<double> asked;  // operations a second; none: closed loop
  uint64_t places = 0;          // requests that can be under way at a time
  Tally tally;
  std::vector<CpuUse> cpu;  // of each thread of the generator
  std::optional<CpuUse> watcher_cpu;
  uint64_t undelivered = 0;  // changes that did not come to a watcher

  double rate() const;  // operations answered well, a second
  double rate_of(OpKind kind) const;
  double busiest() const;  // the largest share of a core that one thread took
  double cores() const;    // that all took together
  Verdict verdict() const;
  bool has_errors() const { return tally.outcomes.errors() > 0 || undelivered > 0; }
  // A rate is told only where it is one: of a closed loop, and of an open one that kept it.
  bool has_rate() const { return !asked || verdict() == Verdict::kMeasured; }
};

// For people: what must be known before the numbers are looked at. Empty where nothing must be.
std::vector<std::string> warnings(const RunResult& run);
std::string error_line(const RunResult& run);  // "", or "12 refused (overloaded), 3 unknown (…)"

}  // namespace holdfast::load
