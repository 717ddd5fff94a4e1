#include "tests/sim/faults.h"

#include <algorithm>

#include <fmt/format.h>

namespace holdfast::sim {

void Faults::repeat(Duration mean, const std::function<void()>& act) {
  if (mean == Duration{}) return;
  watch_.agenda.add(watch_.random.between(Duration{}, 2 * mean), [this, mean, act] {
    if (!are_on_) return;
    act();
    repeat(mean, act);
  });
}

void Faults::start() {
  repeat(watch_.plan.faults.cut, [this] { cut_something(); });
  start_crashes();
  start_slowness();
  start_rumours();
}

void Faults::start_crashes() {
  const FaultPlan& plan = watch_.plan.faults;
  repeat(plan.crash, [this] { crash(any_node_or_leader()); });
  repeat(plan.crash_all, [this] {
    watch_.marks.reach(Mark::kCrashOfAll);
    for (uint64_t id = 1; id <= nodes_.size(); ++id) crash(NodeId{id});
  });
  repeat(plan.damage, [this] { damage(); });
}

void Faults::start_slowness() {
  const FaultPlan& plan = watch_.plan.faults;
  repeat(plan.pause, [this] {
    node(any_node_or_leader()).pause(watch_.draw(watch_.plan.faults.pause_length));
  });
  repeat(plan.slow_disk,
         [this] { node(any_node()).slow_disk(watch_.draw(watch_.plan.faults.pause_length)); });
  repeat(plan.stalled_disk,
         [this] { node(any_node_or_leader()).stall_disk(watch_.draw(watch_.plan.faults.stall)); });
  repeat(watch_.plan.clocks.change, [this] { node(any_node()).change_clock_rate(); });
  repeat(plan.full_disk, [this] { fill_disks(); });
}

// One, or so many that nobody has a majority with room.
void Faults::fill_disks() {
  const Span length = watch_.plan.faults.full_length;
  if (watch_.random.chance(0.6)) return node(any_node_or_leader()).fill_disk(watch_.draw(length));
  for (const auto& any : nodes_)
    if (watch_.random.chance(0.8)) any->fill_disk(watch_.draw(length));
}

void Faults::start_rumours() {
  const FaultPlan& plan = watch_.plan.faults;
  repeat(plan.false_news, [this] {
    watch_.marks.reach(Mark::kFalseNews);
    node(any_node()).submit(raft::PeerGone{any_node()});
  });
  repeat(plan.transfer, [this] {
    watch_.marks.reach(Mark::kTransfer);
    const NodeId target = watch_.random.chance(0.3) ? NodeId{} : any_node();
    node(any_node()).submit(raft::TransferLeader{target});
  });
}

// The leader is where most goes wrong.
NodeId Faults::any_node_or_leader() {
  if (watch_.random.chance(0.7)) return any_node();
  for (uint64_t id = 1; id <= nodes_.size(); ++id)
    if (node({id}).is_up() && node({id}).status().role == raft::Role::kLeader) return {id};
  return any_node();
}

std::vector<Link> Faults::draw_cut(bool& one_way) {
  enum { kAlone, kMute, kDeaf, kTwoGroups, kBridge, kChain, kOneLink, kSomeLinks, kShapes };
  const NodeId one = any_node_or_leader();
  const NodeId other = any_node();
  const uint64_t shape = watch_.random.below(kShapes);
  const uint64_t sides = watch_.random.next();
  const auto is_apart = [&](NodeId a, NodeId b) {
    return (sides >> a.value & 1) != (sides >> b.value & 1);
  };
  const auto is_far = [](NodeId a, NodeId b) { return std::max(a, b) - std::min(a, b) > 1; };
  std::vector<Link> links;
  for (uint64_t f = 1; f <= nodes_.size(); ++f) {
    for (uint64_t t = 1; t <= nodes_.size(); ++t) {
      const NodeId from{f};
      const NodeId to{t};
      const bool is_cut = shape == kAlone       ? from == one || to == one
                          : shape == kMute      ? from == one
                          : shape == kDeaf      ? to == one
                          : shape == kTwoGroups ? is_apart(from, to)
                          : shape == kBridge    ? is_apart(from, to) && from != one && to != one
                          : shape == kChain     ? is_far(from, to)
                          : shape == kOneLink   ? from == one && to == other
                                                : watch_.random.chance(0.2);
      if (from != to && is_cut) links.emplace_back(from, to);
    }
  }
  one_way = shape == kMute || shape == kDeaf || shape == kOneLink;
  return links;
}

void Faults::cut_something() {
  watch_.marks.reach(Mark::kCut);
  bool one_way = false;
  const std::vector<Link> links = draw_cut(one_way);
  const bool for_ever = one_way && watch_.random.chance(watch_.plan.faults.cut_for_ever);
  watch_.line({}, [&] {
    std::string text = for_ever ? "cut for ever" : "cut";
    for (const auto& [from, to] : links) text += fmt::format(" {}->{}", from.value, to.value);
    return text;
  });
  for (const auto& [from, to] : links) network_.cut(from, to);
  if (for_ever) return watch_.marks.reach(Mark::kCutForEver);
  watch_.agenda.add(watch_.draw(watch_.plan.faults.cut_length), [this, links] {
    if (!are_on_) return;
    watch_.line({}, [] { return std::string("a cut ends"); });
    for (const auto& [from, to] : links) network_.mend(from, to);
  });
}

void Faults::crash(NodeId id) {
  if (!node(id).is_up()) return;
  node(id).crash();
  spread_news_of_crash(id);
  watch_.agenda.add(watch_.draw(watch_.plan.faults.down), [this, id] {
    if (!kept_down_.contains(id) && !node(id).is_up()) node(id).start();
  });
}

void Faults::take_down(NodeId id) {
  kept_down_.insert(id);
  if (node(id).is_up()) crash(id);
}

void Faults::bring_back(NodeId id) {
  kept_down_.erase(id);
  if (!node(id).is_up()) node(id).start();
}

void Faults::lose_state(const std::vector<NodeId>& voters) {
  const auto damaged =
      std::ranges::count_if(voters, [this](NodeId id) { return !node(id).is_whole(); });
  const NodeId id = voters[watch_.random.below(voters.size())];
  if (!node(id).is_up() || !node(id).is_whole()) return;
  if (static_cast<size_t>(damaged) + 1 > (voters.size() - 1) / 2) return;
  crash(id);
  node(id).damage_state();
}

// As many at a time as the others can do without.
void Faults::damage() {
  const auto damaged = std::ranges::count_if(nodes_, [](const auto& n) { return !n->is_whole(); });
  const NodeId id = any_node();
  const size_t more = node(id).is_whole() ? 1 : 0;
  if (node(id).is_lost() || static_cast<size_t>(damaged) + more > (nodes_.size() - 1) / 2) return;
  crash(id);
  if (watch_.random.chance(0.3)) return node(id).damage_state();
  if (node(id).damage_log()) watch_.marks.reach(Mark::kDamage);
}

// Some peers see the dead node's host refuse them; in their own time.
void Faults::spread_news_of_crash(NodeId gone) {
  for (uint64_t id = 1; id <= nodes_.size(); ++id) {
    if (id == gone.value || !watch_.random.chance(watch_.plan.faults.news_of_crash)) continue;
    watch_.marks.reach(Mark::kNewsOfCrash);
    watch_.agenda.add(watch_.draw(watch_.plan.network.delay),
                      [this, id, gone] { node({id}).submit(raft::PeerGone{gone}); });
  }
}

}  // namespace holdfast::sim
