#pragma once

// An operator who changes the members while clients work: adds nodes that were never members,
// removes some, and promotes learners, through any node. Nobody waits for the answers.

#include <vector>

#include "tests/sim/sim_node.h"
#include "tests/sim/watch.h"

namespace holdfast::sim {

class MemberChanges {
 public:
  MemberChanges(Watch& watch, const SimNodes& nodes) : watch_(watch), nodes_(nodes) {}

  // Keeps the answers to the operator's requests from the clients.
  static Outside without_own(Outside outside);

  void start();
  void stop() { are_on_ = false; }
  // Those of the node with the longest log: who votes now, if all agree.
  raft::Members members() const;
  // No learner is left that is to vote, and nobody who was removed still lives.
  bool are_settled() const;

 private:
  void repeat();
  void add();
  void remove();
  void promote();
  void ask(raft::MemberChange::Act act, NodeId id);
  NodeId any_up() const;
  SimNode& node(NodeId id) const { return *nodes_[id.value - 1]; }

  Watch& watch_;
  const SimNodes& nodes_;
  bool are_on_ = true;
  uint64_t asked_ = 0;
  Instant answered_by_{};  // all that was asked; clocks may be slow
};

}  // namespace holdfast::sim
