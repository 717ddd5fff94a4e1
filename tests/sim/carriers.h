#pragma once

// Carries copies of states from node to node, beside the network of messages. A transfer ends early
// when either end's process does, when the leader ends it, and now and then without a reason.

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tests/sim/sim_network.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/watch.h"

namespace holdfast::sim {

class Carriers {
 public:
  Carriers(Watch& watch, const SimNodes& nodes, const SimNetwork& network)
      : watch_(watch), nodes_(nodes), network_(network) {}

  // Answered to `from` by SnapshotDone, unless it is ended or starts anew before.
  void send(NodeId from, const raft::SnapshotOrder& order);
  void end(NodeId from, NodeId to) { on_their_way_.erase({from, to}); }

 private:
  struct Transfer {
    raft::SnapshotOrder order;
    uint64_t life;  // of the sender
  };

  bool goes_on(NodeId from, const Transfer& transfer);
  void make(NodeId from, const Transfer& transfer);
  void arrive(NodeId from, const Transfer& transfer, const StateCopy& copy);
  SimNode& node(NodeId id) { return *nodes_[id.value - 1]; }

  Watch& watch_;
  const SimNodes& nodes_;
  const SimNetwork& network_;
  std::map<std::pair<NodeId, NodeId>, Transfer> on_their_way_;  // from, to
  uint64_t arrivals_ = 0;
};

}  // namespace holdfast::sim
