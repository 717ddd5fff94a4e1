#pragma once

// The drills that there are.

#include <expected>
#include <string>
#include <vector>

#include "bench/drill/stage.h"

namespace holdfast::drill {

struct Means {
  std::string how;                // the fault is made
  bool needs_faults_api = false;  // of nodes with --enable-faults
};

struct Drill {
  std::string name;
  std::string purpose;
  Means here;                               // on nodes that the drill has started
  std::expected<Means, std::string> there;  // on a cluster that runs already, or why not there
  int nodes = 0;                            // that it begins with; 0: as many as are asked for
  Result<> (*play)(Stage& stage) = nullptr;
};

const std::vector<Drill>& catalogue();
// Null: there is none of that name.
const Drill* drill_named(const std::string& name);

// By subject, each in a file of its own.
std::vector<Drill> process_drills();
std::vector<Drill> network_drills();
std::vector<Drill> member_drills();
std::vector<Drill> disk_drills();
std::vector<Drill> clock_drills();
std::vector<Drill> storm_drills();

}  // namespace holdfast::drill
