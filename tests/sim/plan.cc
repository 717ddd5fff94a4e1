#include "tests/sim/plan.h"

#include <algorithm>

#include <fmt/format.h>

namespace holdfast::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

double draw_rate(Random& random, double chance_on, double max) {
  if (!random.chance(chance_on)) return 0;
  return max * static_cast<double>(random.between(uint64_t{1}, uint64_t{100})) / 100;
}

Duration draw_interval(Random& random, double chance_on, Duration min, Duration max) {
  return random.chance(chance_on) ? random.between(min, max) : Duration{};
}

void draw_tight_limits(raft::Config& limits, Random& random) {
  limits.append_bytes_max = random.chance(0.3) ? 1 : random.between(uint64_t{100}, 2000);
  limits.in_flight_bytes_max = random.between(uint64_t{1}, 4000);
  limits.window_bytes_max = random.between(uint64_t{1}, 4000);
  limits.apply_bytes_max = random.between(uint64_t{1}, 4000);
  limits.proposals_bytes_max = random.between(uint64_t{1000}, 20000);
}

raft::Config draw_limits(Random& random) {
  raft::Config limits;
  if (random.chance(0.6)) draw_tight_limits(limits, random);
  limits.heartbeat = random.between(Duration(milliseconds(20)), Duration(milliseconds(60)));
  limits.election_timeout =
      limits.heartbeat * static_cast<int64_t>(random.between(uint64_t{4}, uint64_t{8}));
  return limits;
}

NetworkPlan draw_network(Random& random) {
  NetworkPlan network;
  const Duration most = random.chance(0.2) ? Duration(milliseconds(20)) : Duration(milliseconds(2));
  network.delay = {microseconds(50), random.between(Duration(microseconds(100)), most)};
  network.lost = draw_rate(random, 0.5, 0.2);
  network.doubled = draw_rate(random, 0.5, 0.2);
  network.late = draw_rate(random, 0.5, 0.1);
  network.late_max = random.between(Duration(milliseconds(5)), Duration(milliseconds(1000)));
  network.reorders = random.chance(0.5);
  network.one_speed = random.chance(0.6);
  if (!network.one_speed) network.slowest_link = milliseconds(20) - network.delay.max;
  return network;
}

ClockPlan draw_clocks(Random& random) {
  ClockPlan clocks;
  clocks.far_origins = random.chance(0.5);
  if (random.chance(0.4)) return clocks;
  clocks.slowest = 1000 - static_cast<int64_t>(random.below(301));
  clocks.fastest = 1000 + static_cast<int64_t>(random.below(kFastestPermille - 1000 + 1));
  clocks.change = draw_interval(random, 0.5, milliseconds(100), seconds(5));
  return clocks;
}

FaultPlan draw_faults(Random& random) {
  FaultPlan faults;
  faults.cut = draw_interval(random, 0.6, milliseconds(150), seconds(2));
  faults.crash = draw_interval(random, 0.6, milliseconds(200), seconds(2));
  faults.crash_all = draw_interval(random, 0.2, seconds(1), seconds(5));
  faults.pause = draw_interval(random, 0.4, milliseconds(200), seconds(2));
  faults.crash_in_write = draw_rate(random, 0.4, 0.02);
  faults.slow_disk = draw_interval(random, 0.4, milliseconds(200), seconds(2));
  faults.cut_length = {milliseconds(10), random.between(Duration(milliseconds(100)), seconds(3))};
  faults.down = {milliseconds(1), random.between(Duration(milliseconds(50)), seconds(2))};
  faults.pause_length = {milliseconds(10), random.between(Duration(milliseconds(100)), seconds(2))};
  faults.news_of_crash = draw_rate(random, 0.6, 1.0);
  faults.false_news = draw_interval(random, 0.3, milliseconds(100), seconds(2));
  faults.transfer = draw_interval(random, 0.5, milliseconds(100), seconds(2));
  faults.damage = draw_interval(random, 0.3, seconds(1), seconds(10));
  faults.other_settings = draw_rate(random, 0.4, 1.0);
  faults.stalled_disk = draw_interval(random, 0.3, milliseconds(500), seconds(5));
  faults.cut_for_ever = draw_rate(random, 0.2, 0.2);
  faults.slow_sync = {milliseconds(1),
                      random.between(Duration(milliseconds(5)), milliseconds(100))};
  faults.stall = {milliseconds(500), seconds(5)};
  return faults;
}

}  // namespace

// Timeouts that the nodes of one cluster can live with: every leader beats well within what the
// others wait for, also if its clock is slow and theirs are fast.
raft::Config draw_other_limits(const raft::Config& limits, Random& random) {
  raft::Config other = limits;
  draw_tight_limits(other, random);
  const auto scaled = [&](Duration duration) {
    return duration * static_cast<int64_t>(random.between(uint64_t{100}, uint64_t{125})) / 100;
  };
  other.heartbeat = scaled(limits.heartbeat);
  other.election_timeout = scaled(limits.election_timeout);
  return other;
}

// In some runs the log is never cut; in others the shortest absence asks for the state.
SnapshotPlan draw_snapshots(Random& random) {
  SnapshotPlan snapshots;
  snapshots.keep_bytes = random.chance(0.3) ? UINT64_MAX : random.below(100'000);
  snapshots.make = {microseconds(100), random.between(Duration(milliseconds(1)), milliseconds(50))};
  snapshots.carry = {milliseconds(1), random.between(Duration(milliseconds(5)), milliseconds(400))};
  snapshots.fails = draw_rate(random, 0.5, 0.5);
  return snapshots;
}

Plan draw_plan(uint64_t seed) {
  Random random(seed);
  Plan plan;
  plan.seed = seed;
  constexpr size_t kSizes[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7};
  plan.nodes = kSizes[random.below(std::size(kSizes))];
  plan.safety = random.between(Duration(seconds(5)), seconds(25));
  plan.limits = draw_limits(random);
  plan.network = draw_network(random);
  plan.clocks = draw_clocks(random);
  plan.faults = draw_faults(random);
  plan.snapshots = draw_snapshots(random);
  if (random.chance(0.5)) {
    plan.members = {.spares = random.between(uint64_t{1}, uint64_t{5}),
                    .change = random.between(Duration(milliseconds(100)), seconds(3))};
    // What is lost for ever is counted against the first members.
    plan.faults.damage = {};
  }
  const Duration slowest = random.chance(0.3) ? milliseconds(60) : milliseconds(3);
  plan.disk = {.sync = {microseconds(100), random.between(Duration(microseconds(200)), slowest)},
               .segment_bytes = 4096 * random.between(uint64_t{4}, uint64_t{16}),
               .unflushed_bytes_max = random.between(uint64_t{100}, uint64_t{20000}),
               .apply = {microseconds(10),
                         random.between(Duration(microseconds(20)), Duration(milliseconds(5)))}};
  // An election takes two syncs and two messages, a read at a follower four messages, and clocks
  // may be fast by a third: who is less patient asks for ever.
  const Duration message = plan.network.delay.max + plan.network.slowest_link;
  plan.limits.election_timeout =
      std::max(plan.limits.election_timeout, 2 * plan.disk.sync.max + 6 * message);
  plan.clients = {.count = random.between(uint64_t{1}, uint64_t{6}),
                  .in_flight = random.chance(0.5) ? 1 : random.between(uint64_t{2}, uint64_t{6}),
                  .think = {microseconds(10),
                            random.between(Duration(milliseconds(1)), Duration(milliseconds(40)))},
                  .timeout = random.between(Duration(milliseconds(300)), seconds(4)),
                  .keys = random.between(uint64_t{1}, uint64_t{8}),
                  .value_bytes_max = random.chance(0.2)
                                         ? random.between(uint64_t{400}, uint64_t{6000})
                                         : random.between(uint64_t{8}, uint64_t{400}),
                  .reads = 0.3,
                  .local_reads = 0.05,
                  .past_reads = 0.05,
                  .compactions = random.chance(0.5) ? 0.02 : 0,
                  .deletes = 0.1,
                  .conditions = 0.3,
                  .once = random.chance(0.7) ? 0.3 : 0,
                  .transactions = 0.15,
                  .leases = random.chance(0.7) ? 0.2 : 0,
                  .bound = 0.4};
  plan.faults.full_disk = draw_interval(random, 0.3, milliseconds(300), seconds(3));
  plan.faults.full_length = {milliseconds(50),
                             random.between(Duration(milliseconds(300)), Duration(seconds(4)))};
  return plan;
}

namespace {

std::string text_of(Duration duration) {
  return fmt::format("{:.2f}ms", static_cast<double>(duration.count()) / 1e6);
}

std::string text_of(const Span& span) {
  return fmt::format("{}..{}", text_of(span.min), text_of(span.max));
}

std::string interval(Duration every) {
  return every == Duration{} ? "never" : "every " + text_of(every);
}

}  // namespace

std::string to_text(const Plan& plan) {
  const raft::Config& limits = plan.limits;
  std::string out;
  out += fmt::format("  seed {}, {} nodes, {} of faults\n", plan.seed, plan.nodes,
                     text_of(plan.safety));
  out += fmt::format(
      "  limits: heartbeat {} election {} append {} in_flight {} window {} apply {} proposals {}\n",
      text_of(limits.heartbeat), text_of(limits.election_timeout), limits.append_bytes_max,
      limits.in_flight_bytes_max, limits.window_bytes_max, limits.apply_bytes_max,
      limits.proposals_bytes_max);
  out += fmt::format("  network: delay {} lost {:.3f} doubled {:.3f} late {:.3f} by {} {}\n",
                     text_of(plan.network.delay), plan.network.lost, plan.network.doubled,
                     plan.network.late, text_of(plan.network.late_max),
                     plan.network.reorders ? "reorders" : "keeps order");
  out += fmt::format("  links {}; clocks at {}..{} of 1000, changed {}, {} origins\n",
                     plan.network.one_speed ? "of one speed" : "of many speeds",
                     plan.clocks.slowest, plan.clocks.fastest, interval(plan.clocks.change),
                     plan.clocks.far_origins ? "far" : "near");
  out += fmt::format(
      "  faults: cut {} crash {} in a write {:.4f} crash all {} pause {} slow disk {}\n",
      interval(plan.faults.cut), interval(plan.faults.crash), plan.faults.crash_in_write,
      interval(plan.faults.crash_all), interval(plan.faults.pause),
      interval(plan.faults.slow_disk));
  out += fmt::format("  stalled disk {} damaged log {} other settings {:.3f} cut for ever {:.3f}\n",
                     interval(plan.faults.stalled_disk), interval(plan.faults.damage),
                     plan.faults.other_settings, plan.faults.cut_for_ever);
  out += fmt::format("  full disks {} for {}\n", interval(plan.faults.full_disk),
                     text_of(plan.faults.full_length));
  out += fmt::format("  cuts last {} downs {} pauses {}\n", text_of(plan.faults.cut_length),
                     text_of(plan.faults.down), text_of(plan.faults.pause_length));
  out += fmt::format("  news of crashes {:.3f} false news {} transfers {}\n",
                     plan.faults.news_of_crash, interval(plan.faults.false_news),
                     interval(plan.faults.transfer));
  out +=
      fmt::format("  disk: sync {} segment {} flush after {} apply {}\n", text_of(plan.disk.sync),
                  plan.disk.segment_bytes, plan.disk.unflushed_bytes_max, text_of(plan.disk.apply));
  out +=
      fmt::format("  clients: {} with {} in flight think {} timeout {} keys {} values up to {}\n",
                  plan.clients.count, plan.clients.in_flight, text_of(plan.clients.think),
                  text_of(plan.clients.timeout), plan.clients.keys, plan.clients.value_bytes_max);
  return out;
}

}  // namespace holdfast::sim
