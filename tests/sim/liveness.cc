// The second phase. Random faults never last long enough to show a cluster that lives on only
// until one of them ends; so here they do not end.

#include <algorithm>

#include <fmt/format.h>

#include "replication/raft/quorum.h"
#include "tests/sim/simulator.h"

namespace holdfast::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLongestLife = seconds(4);  // of what clients put, on a slow clock

}  // namespace

bool Simulator::majority_lives() {
  network_.heal();
  if (random_.chance(0.1)) faults_.lose_state(members_.members().voters());
  for (const raft::Member& member : members_.members().list) faults_.bring_back(member.id);
  core_ = draw_core();
  for (const NodeId id : core_) node(id).heal();
  for (uint64_t i = 1; i <= plan_.places(); ++i)
    if (std::ranges::find(core_, NodeId{i}) == core_.end()) break_for_ever(NodeId{i});
  // First the requests: what is wrong with a leader may show only when it has something to do.
  return core_answers() && core_agrees() && core_stays_calm() && core_lets_end();
}

// The smallest that can do it, or a greater one; often without the leader of the moment.
std::vector<NodeId> Simulator::draw_core() {
  const raft::Members members = members_.members();
  std::vector<NodeId> core = members.voters();
  const size_t least = raft::majority(core.size());
  std::erase_if(core, [this](NodeId id) { return !node(id).is_whole() && !needs_state(id); });
  random_.shuffle(core);
  if (random_.chance(0.5)) std::ranges::partition(core, [this](NodeId id) { return !leads(id); });
  core.resize(random_.chance(0.7) ? least : random_.between(least, core.size()));
  if (!state_can_be_had(core)) {
    core = members.voters();
    std::erase_if(core, [this](NodeId id) { return !node(id).is_whole(); });
  } else if (std::ranges::any_of(core, [this](NodeId id) { return needs_state(id); })) {
    marks_.reach(Mark::kCoreLacksState);
  }
  for (const raft::Member& member : members.list)
    if (!member.voter && random_.chance(0.5)) core.push_back(member.id);
  std::ranges::sort(core);
  return core;
}

// Its log is whole, and its state lost.
bool Simulator::needs_state(NodeId id) const {
  return node(id).is_up() && node(id).lacks_state_alone();
}

// Whoever lost its state can be led on from what another's holds, by the entries of its own log.
// But if it does not know the members either, it does not stand, and nobody may be elected without
// it.
bool Simulator::state_can_be_had(const std::vector<NodeId>& core) const {
  return std::ranges::all_of(core, [&](NodeId id) {
    if (!needs_state(id)) return true;
    return node(id).knows_members() && std::ranges::any_of(core, [&](NodeId other) {
             return !needs_state(other) && node(other).is_up() &&
                    node(other).status().last.index >= node(id).log_before().index;
           });
  });
}

bool Simulator::leads(NodeId id) const {
  return node(id).is_up() && node(id).status().role == raft::Role::kLeader;
}

void Simulator::break_for_ever(NodeId id) {
  constexpr Mark kWays[] = {Mark::kRestDown,    Mark::kRestCut,    Mark::kRestDeaf,
                            Mark::kRestMute,    Mark::kRestOneWay, Mark::kRestPaused,
                            Mark::kRestStalled, Mark::kRestLossy,  Mark::kRestFull};
  faults_.bring_back(id);
  if (leads(id)) marks_.reach(Mark::kRestHadLeader);
  const Mark way = kWays[random_.below(std::size(kWays))];
  marks_.reach(way);
  watch_.line(id, [&] { return std::string(name(way)); });
  if (way == Mark::kRestDown) faults_.take_down(id);
  if (way == Mark::kRestPaused) node(id).pause_for_ever();
  if (way == Mark::kRestStalled) node(id).stall_disk_for_ever();
  if (way == Mark::kRestFull) node(id).fill_disk_for_ever();
  if (way == Mark::kRestLossy) heard_.push_back(id);
  for (uint64_t i = 1; i <= plan_.places(); ++i) {
    const NodeId other{i};
    if (other == id) continue;
    const bool first_way = random_.chance(0.5);
    const bool one_way = way == Mark::kRestOneWay;
    if (way == Mark::kRestCut || way == Mark::kRestMute || (one_way && first_way))
      network_.cut(id, other);
    if (way == Mark::kRestCut || way == Mark::kRestDeaf || (one_way && !first_way))
      network_.cut(other, id);
    if (way == Mark::kRestLossy) {
      network_.lose_half(id, other);
      network_.lose_half(other, id);
    }
  }
}

// One leader, and everybody in the core holds and has applied all that it has.
bool Simulator::core_agrees() {
  return run_until_it_holds("a majority agrees for ever", patience(core_), [this] {
    if (clients_.waits_at(core_) || !agree(core_)) return false;
    const NodeId leader = leader_of(core_);
    return std::ranges::find(core_, leader) != core_.end() ||
           std::ranges::find(heard_, leader) != heard_.end();
  });
}

// Until each has answered: a leader behind links that lose half of all takes many attempts, as each
// may be lost.
bool Simulator::core_answers() {
  const Duration most = (heard_.empty() ? 2 : 8) * patience(core_);
  const size_t before = clients_.history().size();
  std::vector<NodeId> asked = core_;
  const auto failed_at = [&](NodeId id) {
    for (size_t i = clients_.history().size(); i > before; --i) {
      const Operation& operation = clients_.history()[i - 1];
      if (operation.node == id && operation.kind == ActKind::kRead) {
        // The write of the same probe is the one before.
        return operation.outcome != Outcome::kOk ||
               clients_.history()[i - 2].outcome != Outcome::kOk;
      }
    }
    return true;
  };
  return run_until_it_holds("a majority answers for ever", most, [&] {
    for (const NodeId id : asked)
      if (!clients_.waits_at({id}) && failed_at(id)) clients_.probe(id);
    return std::ranges::none_of(
        asked, [&](NodeId id) { return clients_.waits_at({id}) || failed_at(id); });
  });
}

// Nobody keeps anything alive any more.
bool Simulator::core_lets_end() {
  return run_until_it_holds("what is bound to time ends", patience(core_) + kLongestLife, [this] {
    return std::ranges::none_of(
        core_, [this](NodeId id) { return !node(id).is_up() || node(id).waits_for_time(); });
  });
}

// The leader stays, and each change and read is answered at the first attempt. A leader behind
// bad links may be followed by others: then it is from the last of them on that terms are counted.
bool Simulator::core_stays_calm() {
  Term before = node(core_.front()).status().term;
  const Instant end = agenda_.now() + 12 * plan_.limits.election_timeout;
  while (agenda_.now() < end) {
    const NodeId leader = leader_of(core_);
    const bool led_badly = std::ranges::find(core_, leader) == core_.end();
    if (led_badly ? !core_answers() : !answers_at(core_)) return false;
    if (led_badly) before = node(core_.front()).status().term;
    if (!run_until(agenda_.now() + milliseconds(200))) return false;
  }
  const uint64_t changes = node(core_.front()).status().term - before;
  const uint64_t most = 2 * (plan_.places() - core_.size());
  if (changes <= most) return true;
  invariants_.fail("a majority keeps its leader",
                   fmt::format("{} terms in {} ms", changes,
                               12 * plan_.limits.election_timeout / milliseconds(1)));
  return false;
}

}  // namespace holdfast::sim
