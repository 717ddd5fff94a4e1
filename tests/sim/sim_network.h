#pragma once

// Links that lose, double, delay and reorder messages, and that can be cut in one direction.

#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "replication/transport/transport.h"
#include "tests/sim/watch.h"

namespace holdfast::sim {

class SimNetwork final : public Transport {
 public:
  using Deliver = std::function<void(raft::Envelope)>;
  SimNetwork(Watch& watch, Deliver deliver) : watch_(watch), deliver_(std::move(deliver)) {}

  void send(std::vector<raft::Envelope> envelopes) override;

  // A link may be cut several times; it carries messages again when every cut has ended.
  void cut(NodeId from, NodeId to) { ++cuts_[{from, to}]; }
  void mend(NodeId from, NodeId to);
  // From now on every message arrives once and soon, in order.
  void heal();

 private:
  void post(raft::Envelope envelope);
  bool is_cut(NodeId from, NodeId to) const { return cuts_.contains({from, to}); }

  Watch& watch_;
  const Deliver deliver_;
  bool healed_ = false;
  std::map<std::pair<NodeId, NodeId>, int> cuts_;
  std::map<std::pair<NodeId, NodeId>, Instant> last_arrival_;
};

}  // namespace holdfast::sim
