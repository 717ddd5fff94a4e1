#include "tests/sim/sim_network.h"

#include <algorithm>

#include "replication/raft/print.h"

namespace holdfast::sim {

SimNetwork::SimNetwork(Watch& watch, Deliver deliver)
    : watch_(watch),
      deliver_(std::move(deliver)),
      links_(watch.plan.places() * watch.plan.places()) {
  if (watch_.plan.network.one_speed) return;
  for (State& state : links_)
    if (watch_.random.chance(0.5))
      state.fixed_delay = watch_.random.between(Duration{}, watch_.plan.network.slowest_link);
}

bool SimNetwork::loses(const raft::Envelope& envelope) {
  const NetworkPlan& plan = watch_.plan.network;
  const State& state = link(envelope.from, envelope.to);
  if (state.cuts > 0) return true;
  if (state.loses_half && watch_.random.chance(0.5)) return true;
  return !healed_ && plan.lost > 0 && watch_.random.chance(plan.lost);
}

void SimNetwork::send(std::vector<raft::Envelope> envelopes) {
  const NetworkPlan& plan = watch_.plan.network;
  // The parts of an Output may be carried out in any order.
  if (plan.reorders) watch_.random.shuffle(envelopes);
  for (raft::Envelope& envelope : envelopes) {
    watch_.invariants.sent(envelope);
    const bool lost = loses(envelope);
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
  State& state = link(envelope.from, envelope.to);
  Duration delay = watch_.draw(plan.delay) + state.fixed_delay;
  if (!healed_ && plan.late > 0 && watch_.random.chance(plan.late))
    delay += watch_.random.between(Duration{}, plan.late_max);
  if (healed_ || !plan.reorders) {
    state.last_arrival = std::max(state.last_arrival, watch_.agenda.now() + delay);
    delay = state.last_arrival - watch_.agenda.now();
  }
  watch_.agenda.add(delay, [this, message = std::move(envelope)]() mutable {
    if (link(message.from, message.to).cuts > 0) {
      watch_.marks.reach(Mark::kMessageLost);
    } else {
      deliver_(std::move(message));
    }
  });
}

void SimNetwork::mend(NodeId from, NodeId to) {
  int& cuts = link(from, to).cuts;
  cuts = std::max(0, cuts - 1);
}

bool SimNetwork::connects(NodeId a, NodeId b) const {
  const auto cuts = [this](NodeId from, NodeId to) {
    return links_[(from.value - 1) * watch_.plan.places() + to.value - 1].cuts;
  };
  return cuts(a, b) == 0 && cuts(b, a) == 0;
}

void SimNetwork::heal() {
  healed_ = true;
  for (State& state : links_) {
    state.cuts = 0;
    state.loses_half = false;
  }
}

}  // namespace holdfast::sim
