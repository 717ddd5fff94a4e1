#pragma once

// The drills that there are.

#include <string>
#include <vector>

#include "bench/drill/stage.h"

namespace holdfast::drill {

enum class Needs {
  kProcesses,         // a cluster that the drill has started: signals, files, links
  kFaultedProcesses,  // that, with --enable-faults
  kFaultsApi,         // a cluster with --enable-faults: nothing of it is left when it is healed
  kApi,               // any cluster
};

struct Drill {
  std::string name;
  std::string purpose;
  std::string means;  // by which the fault is made
  Needs needs = Needs::kProcesses;
  int nodes = 0;  // that it begins with; 0: as many as are asked for
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
