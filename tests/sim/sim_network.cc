#include "tests/sim/sim_network.h"

#include <algorithm>

#include "replication/raft/print.h"

namespace holdfast::sim {

void SimNetwork::send(std::vector<raft::Envelope> envelopes) {
  const NetworkPlan& plan = watch_.plan.network;
  // The parts of an Output may be carried out in any order.
  if (plan.reorders) watch_.random.shuffle(envelopes);
  for (raft::Envelope& envelope : envelopes) {
    watch_.invariants.sent(envelope);
    const bool lost = is_cut(envelope.from, envelope.to) ||
                      (!healed_ && plan.lost > 0 && watch_.random.chance(plan.lost));
    watch_.line(envelope.from, [&] { return raft::to_text(envelope) + (lost ? " (lost)" : ""); });
    if (lost) {
      watch_.marks.reach(Mark::kMessageLost);
      continue;
    }
    if (!healed_ && plan.doubled > 0 && watch_.random.chance(plan.doubled)) {
      watch_.marks.reach(Mark::kMessageDoubled);
      post(envelope);
    }
    post(std::move(envelope));
  }
}

void SimNetwork::post(raft::Envelope envelope) {
  const NetworkPlan& plan = watch_.plan.network;
  Duration delay = watch_.draw(plan.delay);
  if (!healed_ && plan.late > 0 && watch_.random.chance(plan.late))
    delay += watch_.random.between(Duration{}, plan.late_max);
  if (healed_ || !plan.reorders) {
    Instant& last = last_arrival_[{envelope.from, envelope.to}];
    last = std::max(last, watch_.agenda.now() + delay);
    delay = last - watch_.agenda.now();
  }
  watch_.agenda.add(delay, [this, message = std::move(envelope)]() mutable {
    if (is_cut(message.from, message.to)) {
      watch_.marks.reach(Mark::kMessageLost);
    } else {
      deliver_(std::move(message));
    }
  });
}

void SimNetwork::mend(NodeId from, NodeId to) {
  const auto found = cuts_.find({from, to});
  if (found != cuts_.end() && --found->second == 0) cuts_.erase(found);
}

void SimNetwork::heal() {
  healed_ = true;
  cuts_.clear();
}

}  // namespace holdfast::sim
