#pragma once

// Links that lose, double, delay and reorder messages, each direction at a speed of its own, and
// that can be cut in one direction.

#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "replication/transport/transport.h"
#include "tests/sim/watch.h"

namespace holdfast::sim {

using Link = std::pair<NodeId, NodeId>;  // from, to

class SimNetwork final : public Transport {
 public:
  using Deliver = std::function<void(raft::Envelope)>;
  SimNetwork(Watch& watch, Deliver deliver);

  void send(std::vector<raft::Envelope> envelopes) override;

  // A link may be cut several times; it carries messages again when every cut has ended.
  void cut(NodeId from, NodeId to) { ++link(from, to).cuts; }
  void mend(NodeId from, NodeId to);
  void lose_half(NodeId from, NodeId to) { link(from, to).loses_half = true; }
  bool connects(NodeId a, NodeId b) const;  // in both directions, well or badly
  bool is_healed() const { return healed_; }
  // From now on every message arrives once and soon, in order, but for what is cut after this.
  void heal();

 private:
  struct State {
    int cuts = 0;
    bool loses_half = false;
    Duration fixed_delay{};
    Instant last_arrival{};
  };

  void post(raft::Envelope envelope);
  bool loses(const raft::Envelope& envelope);
  State& link(NodeId from, NodeId to) {
    return links_[(from.value - 1) * watch_.plan.places() + to.value - 1];
  }

  Watch& watch_;
  const Deliver deliver_;
  bool healed_ = false;
  std::vector<State> links_;  // from each node to each
};

}  // namespace holdfast::sim
