#pragma once

// What goes wrong while clients work: each kind of its plan again and again, until all is over.

#include <functional>
#include <set>
#include <vector>

#include "tests/sim/sim_network.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/watch.h"

namespace holdfast::sim {

class Faults {
 public:
  Faults(Watch& watch, const SimNodes& nodes, SimNetwork& network)
      : watch_(watch), nodes_(nodes), network_(network) {}

  void start();
  void stop() { are_on_ = false; }  // what is broken stays so
  // The power of the node fails, and comes back some time later.
  void crash(NodeId node);
  // The power of the node fails, and comes back only with `bring_back`.
  void take_down(NodeId node);
  void bring_back(NodeId node);
  // One of them is found to have lost its state, if the others can do without; it is down then.
  void lose_state(const std::vector<NodeId>& voters);

 private:
  void repeat(Duration mean, const std::function<void()>& act);
  void start_crashes();
  void start_slowness();
  void start_rumours();
  void fill_disks();
  void cut_something();
  std::vector<Link> draw_cut(bool& one_way);
  void damage();
  void spread_news_of_crash(NodeId gone);
  NodeId any_node() { return NodeId{1 + watch_.random.below(nodes_.size())}; }
  NodeId any_node_or_leader();
  SimNode& node(NodeId id) { return *nodes_[id.value - 1]; }

  Watch& watch_;
  const SimNodes& nodes_;
  SimNetwork& network_;
  bool are_on_ = true;
  std::set<NodeId> kept_down_;
};

}  // namespace holdfast::sim
