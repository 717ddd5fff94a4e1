#include "tests/sim/simulator.h"

#include <algorithm>

#include <fmt/format.h>

#include "replication/raft/print.h"
#include "tests/sim/oracle.h"

namespace holdfast::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What a run apart from its plan draws: never the same numbers as the plan.
constexpr uint64_t kRunSalt = 0x686f6c6466617374;

constexpr Duration kLook = milliseconds(20);  // how often a condition is looked at

std::vector<NodeId> ids(size_t count) {
  std::vector<NodeId> ids;
  for (uint64_t id = 1; id <= count; ++id) ids.push_back(NodeId{id});
  return ids;
}

}  // namespace

Simulator::Simulator(const Plan& plan, TraceKind trace_kind)
    : plan_(plan),
      random_(plan.seed ^ kRunSalt),
      invariants_(ids(plan.places()), plan.limits),
      trace_(trace_kind),
      watch_{plan_, agenda_, random_, invariants_, marks_, trace_},
      clients_(watch_, nodes_),
      network_(watch_,
               [this](raft::Envelope envelope) {
                 const NodeId to = envelope.to;
                 nodes_[to.value - 1]->submit(raft::Received{std::move(envelope)});
               }),
      faults_(watch_, nodes_, network_),
      carriers_(watch_, nodes_, network_),
      members_(watch_, nodes_) {
  Outside outside = MemberChanges::without_own(clients_.outside());
  outside.wants_crash = [this](NodeId id) { faults_.crash(id); };
  outside.sends_state = [this](NodeId from, const raft::SnapshotOrder& order) {
    carriers_.send(from, order);
  };
  outside.ends_transfer = [this](NodeId from, NodeId to) { carriers_.end(from, to); };
  for (const NodeId id : ids(plan.places()))
    nodes_.push_back(std::make_unique<SimNode>(id, watch_, network_, outside));
}

RunResult Simulator::run(uint64_t steps_max) {
  steps_max_ = steps_max;
  for (const auto& node : nodes_) node->start();
  clients_.start();
  faults_.start();
  members_.start();
  bool done = run_until(agenda_.now() + plan_.safety);
  faults_.stop();
  clients_.stop();
  members_.stop();
  // A change that is half done when the rest breaks for ever may need those that are broken.
  if (plan_.members.spares > 0) done = done && heal_and_agree();
  done = done && majority_lives() && heal_and_agree() && answers_at(whole_nodes()) &&
         heal_and_agree() && contents_are_equal();
  if (done) judge_history();
  marks_.reach(Mark::kUnsyncedWriteKept, invariants_.unsynced_kept());
  marks_.reach(Mark::kUnsyncedWriteLost, invariants_.unsynced_lost());
  trace_.mix(invariants_.committed().value);
  return {.violation = invariants_.violation(),
          .steps = agenda_.steps(),
          .simulated = agenda_.now() - Instant{},
          .trace_hash = trace_.hash(),
          .marks = marks_};
}

bool Simulator::step() {
  if (agenda_.steps() >= steps_max_ || agenda_.empty()) return false;
  agenda_.step();
  return !invariants_.violation();
}

bool Simulator::run_until(Instant end) {
  bool reached = false;
  agenda_.add(end - agenda_.now(), [&reached] { reached = true; });
  while (!reached)
    if (!step()) return false;
  return true;
}

bool Simulator::run_until_it_holds(const char* rule, Duration most,
                                   const std::function<bool()>& holds) {
  const Instant give_up = agenda_.now() + most;
  while (!holds()) {
    if (!run_until(agenda_.now() + kLook)) return false;
    if (agenda_.now() < give_up) continue;
    std::string detail = fmt::format("not within {} ms:", most / milliseconds(1));
    for (const NodeId id : ids(plan_.places())) {
      const SimNode& node = *nodes_[id.value - 1];
      if (!node.is_up()) {
        detail += fmt::format("\n  {} {}", id.value, node.is_gone() ? "gone" : "down");
        continue;
      }
      detail += fmt::format("\n  {} {} voters", id.value, raft::to_text(node.status()));
      for (const NodeId voter : node.members().voters()) detail += fmt::format(" {}", voter.value);
    }
    invariants_.fail(rule, detail);
    return false;
  }
  return true;
}

std::vector<NodeId> Simulator::whole_nodes() const {
  std::vector<NodeId> whole;
  for (const raft::Member& member : members_.members().list) whole.push_back(member.id);
  std::erase_if(whole, [this](NodeId id) { return node(id).is_lost(); });
  return whole;
}

// Clocks may be slow by three tenths, and a request that nobody can answer takes its whole timeout.
// Where limits are tightest, those who are behind are sent one entry after the other, each read
// from a disk, synced and applied.
Duration Simulator::patience(const std::vector<NodeId>& nodes) const {
  uint64_t last = 0;
  uint64_t applied = UINT64_MAX;
  for (const NodeId id : nodes) {
    if (!node(id).is_up()) continue;
    const raft::Status status = node(id).status();
    last = std::max(last, status.last.index.value);
    applied = std::min(applied, status.applied.value);
  }
  const Duration one_entry = 2 * (plan_.network.delay.max + plan_.network.slowest_link) +
                             plan_.disk.sync.max + plan_.disk.apply.max + milliseconds(5);
  return (seconds(10) + plan_.clients.timeout) * 3 / 2 +
         static_cast<int64_t>(last - applied) * one_entry;
}

bool Simulator::heal_and_agree() {
  network_.heal();
  for (const auto& node : nodes_) node->heal();
  for (const NodeId id : ids(plan_.places())) faults_.bring_back(id);
  return run_until_it_holds("all nodes agree", patience(whole_nodes()), [this] {
    return clients_.all_ended() && members_.are_settled() && agree(whole_nodes());
  });
}

bool Simulator::agree(const std::vector<NodeId>& nodes) const {
  // A write that was doomed before the faults ended takes its node down once more.
  if (!std::ranges::all_of(nodes, [this](NodeId id) { return node(id).is_up(); })) return false;
  const raft::Status first = node(nodes.front()).status();
  return leader_of(nodes) && std::ranges::all_of(nodes, [&](NodeId id) {
           const raft::Status status = node(id).status();
           return !status.fenced && !status.quarantined && !status.awaits_state &&
                  !status.short_of_room && !status.refuses_growth && status.last == first.last &&
                  status.commit == first.last.index && status.applied == first.last.index &&
                  status.persisted == first.last.index;
         });
}

NodeId Simulator::leader_of(const std::vector<NodeId>& nodes) const {
  const raft::Status first = node(nodes.front()).status();
  if (!first.leader || !node(first.leader).is_up()) return {};
  const raft::Status leader = node(first.leader).status();
  if (leader.role != raft::Role::kLeader || leader.term != first.term) return {};
  for (const NodeId id : nodes) {
    const raft::Status status = node(id).status();
    if (status.term != first.term || status.leader != first.leader) return {};
  }
  return first.leader;
}

bool Simulator::contents_are_equal() {
  const std::vector<NodeId> whole = whole_nodes();
  const SimNode& first = node(whole.front());
  for (const NodeId id : whole) {
    if (node(id).state_hash() == first.state_hash() && node(id).content() == first.content())
      continue;
    invariants_.fail("all nodes hold the same", "the content of two nodes differs at the end");
    return false;
  }
  return true;
}

bool Simulator::answers_at(const std::vector<NodeId>& nodes) {
  const size_t before = clients_.history().size();
  for (const NodeId id : nodes) clients_.probe(id);
  const bool ended = run_until_it_holds("a healthy cluster answers", seconds(2),
                                        [&] { return !clients_.waits_at(nodes); });
  if (!ended) return false;
  for (size_t i = before; i < clients_.history().size(); ++i) {
    const Operation& operation = clients_.history()[i];
    if (operation.outcome == Outcome::kOk) continue;
    invariants_.fail("a healthy cluster answers",
                     fmt::format("request {} at node {} was not carried out",
                                 operation.request.value, operation.node.value));
    return false;
  }
  return true;
}

void Simulator::judge_history() {
  const Judgement judgement = judge(clients_.history(), invariants_.committed_entries());
  marks_.reach(Mark::kUnknownThenSeen, judgement.unknown_then_seen);
  if (judgement.verdict) invariants_.fail(judgement.verdict->rule, judgement.verdict->detail);
}

}  // namespace holdfast::sim
