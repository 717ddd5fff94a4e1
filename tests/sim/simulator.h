#pragma once

// One run, in three phases. Safety: a cluster under the faults of its plan while clients work.
// Liveness: a random majority, the core, is healed and the rest stays broken for ever; the core
// must come to one leader, agree, answer, and stay so. Recovery: every fault ends, all nodes must
// agree and answer. After each step the invariants must hold, and at the end the history must be
// linearizable.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/carriers.h"
#include "tests/sim/faults.h"
#include "tests/sim/member_changes.h"
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
  bool run_until_it_holds(const char* rule, Duration most, const std::function<bool()>& holds);

  // simulator.cc: the first phase, the last, and the verdict
  bool heal_and_agree();
  bool agree(const std::vector<NodeId>& nodes) const;
  bool contents_are_equal();
  // A fresh write and read at each of these nodes, at the first attempt.
  bool answers_at(const std::vector<NodeId>& nodes);
  std::vector<NodeId> whole_nodes() const;  // members that are not lost
  void judge_history();

  // liveness.cc: the second phase
  bool majority_lives();
  std::vector<NodeId> draw_core();
  bool needs_state(NodeId id) const;
  bool state_can_be_had(const std::vector<NodeId>& core) const;
  void break_for_ever(NodeId node);
  bool leads(NodeId node) const;
  bool core_agrees();
  bool core_answers();
  bool core_stays_calm();
  bool core_lets_end();
  NodeId leader_of(
      const std::vector<NodeId>& nodes) const;  // whom all follow; none if there is none

  // How long these nodes may take to agree.
  Duration patience(const std::vector<NodeId>& nodes) const;
  SimNode& node(NodeId id) const { return *nodes_[id.value - 1]; }

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
  Faults faults_;
  Carriers carriers_;
  MemberChanges members_;
  std::vector<NodeId> core_;
  std::vector<NodeId> heard_;  // of the rest: those that may still lead
  uint64_t steps_max_ = 0;
};

}  // namespace holdfast::sim
