#pragma once

// One run: a cluster under the faults of its plan while clients work (safety), then with every
// fault ended until all nodes agree and each answers a fresh write and read (liveness). After each
// step the invariants must hold, and at the end the history must be linearizable.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/sim_client.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/watch.h"

namespace holdfast::sim {

struct RunResult {
  std::optional<Violation> violation;
  uint64_t steps = 0;
  Duration simulated{};
  uint64_t trace_hash = 0;
  Marks marks;
};

class Simulator {
 public:
  Simulator(const Plan& plan, TraceKind trace_kind);

  // Stops at the first violation, or after `steps_max` steps.
  RunResult run(uint64_t steps_max);

  uint64_t steps() const { return agenda_.steps(); }
  std::string last_lines() const { return trace_.last_lines(); }

 private:
  bool step();
  bool run_until(Instant end);
  // Runs until `holds` does. False: a violation, of which the lack of `holds` may be one.
  template <class Condition>
  bool run_until_it_holds(const char* rule, Duration patience, Condition holds);

  void plan_faults();
  template <class Act>
  void repeat(Duration mean, Act act);
  void cut_something();
  void crash_one(NodeId node);
  void spread_news_of_crash(NodeId gone);
  NodeId any_node() { return NodeId{1 + random_.below(plan_.nodes)}; }

  bool heal_and_agree();
  bool agree() const;
  bool contents_are_equal();
  bool answers_everywhere();
  void judge_history();

  const Plan plan_;
  Agenda agenda_;
  Random random_;
  Invariants invariants_;
  Marks marks_;
  Trace trace_;
  Watch watch_;
  SimNodes nodes_;
  ClientPool clients_;
  SimNetwork network_;
  bool faults_are_on_ = true;
  uint64_t steps_max_ = 0;
};

}  // namespace holdfast::sim
