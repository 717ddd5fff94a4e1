#pragma once

// Plays one drill from the start of its cluster to its report.

#include "bench/drill/catalogue.h"
#include "bench/drill/report.h"

namespace holdfast::drill {

struct RunPlan {
  int nodes = 3;
  size_t clients = 9;
  Duration duration = std::chrono::seconds(12);  // of the load: before, during and after the fault
  uint64_t seed = 1;
  std::string holdfastd;
  std::vector<Endpoint> endpoints;  // of a running cluster; empty: the drill starts its own
  bool shows_progress = false;      // on standard error
};

Report run_drill(const Drill& drill, const RunPlan& plan);

}  // namespace holdfast::drill
