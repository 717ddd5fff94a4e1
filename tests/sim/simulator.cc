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
      invariants_(ids(plan.nodes), plan.limits),
      trace_(trace_kind),
      watch_{plan_, agenda_, random_, invariants_, marks_, trace_},
      clients_(watch_, nodes_),
      network_(watch_, [this](raft::Envelope envelope) {
        const NodeId to = envelope.to;
        nodes_[to.value - 1]->submit(raft::Received{std::move(envelope)});
      }) {
  Outside outside = clients_.outside();
  outside.wants_crash = [this](NodeId id) { crash_one(id); };
  for (const NodeId id : ids(plan.nodes))
    nodes_.push_back(std::make_unique<SimNode>(id, watch_, network_, outside));
}

RunResult Simulator::run(uint64_t steps_max) {
  steps_max_ = steps_max;
  for (const auto& node : nodes_) node->start();
  clients_.start();
  plan_faults();
  const bool done = run_until(agenda_.now() + plan_.safety) && heal_and_agree() &&
                    answers_everywhere() && heal_and_agree() && contents_are_equal();
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

template <class Condition>
bool Simulator::run_until_it_holds(const char* rule, Duration patience, Condition holds) {
  const Instant give_up = agenda_.now() + patience;
  while (!holds()) {
    if (!run_until(agenda_.now() + kLook)) return false;
    if (agenda_.now() < give_up) continue;
    std::string detail = fmt::format("not within {} ms:", patience / milliseconds(1));
    for (const NodeId id : ids(plan_.nodes)) {
      const SimNode& node = *nodes_[id.value - 1];
      detail += fmt::format("\n  {} {}", id.value,
                            node.is_up() ? raft::to_text(node.status()) : std::string("down"));
    }
    invariants_.fail(rule, detail);
    return false;
  }
  return true;
}

template <class Act>
void Simulator::repeat(Duration mean, Act act) {
  if (mean == Duration{}) return;
  agenda_.add(random_.between(Duration{}, 2 * mean), [this, mean, act] {
    if (!faults_are_on_) return;
    act();
    repeat(mean, act);
  });
}

void Simulator::plan_faults() {
  repeat(plan_.faults.cut, [this] { cut_something(); });
  repeat(plan_.faults.crash, [this] { crash_one(any_node()); });
  repeat(plan_.faults.crash_all, [this] {
    marks_.reach(Mark::kCrashOfAll);
    for (const NodeId id : ids(plan_.nodes)) crash_one(id);
  });
  repeat(plan_.faults.pause,
         [this] { nodes_[any_node().value - 1]->pause(watch_.draw(plan_.faults.pause_length)); });
  repeat(plan_.faults.slow_disk, [this] {
    nodes_[any_node().value - 1]->slow_disk(watch_.draw(plan_.faults.pause_length));
  });
  repeat(plan_.faults.false_news, [this] {
    marks_.reach(Mark::kFalseNews);
    nodes_[any_node().value - 1]->submit(raft::PeerGone{any_node()});
  });
  repeat(plan_.faults.transfer, [this] {
    marks_.reach(Mark::kTransfer);
    const NodeId target = random_.chance(0.3) ? NodeId{} : any_node();
    nodes_[any_node().value - 1]->submit(raft::TransferLeader{target});
  });
}

void Simulator::cut_something() {
  marks_.reach(Mark::kCut);
  std::vector<std::pair<NodeId, NodeId>> links;
  const NodeId one = any_node();
  const uint64_t kind = random_.below(5);
  const uint64_t side = random_.next();
  for (const NodeId from : ids(plan_.nodes)) {
    for (const NodeId to : ids(plan_.nodes)) {
      const bool from_side = (side >> from.value & 1) != 0;
      const bool to_side = (side >> to.value & 1) != 0;
      const bool is_cut = kind == 0   ? from == one || to == one  // a node alone
                          : kind == 1 ? from == one               // it is not heard
                          : kind == 2 ? to == one                 // it does not hear
                          : kind == 3 ? from_side != to_side      // two groups
                                      : random_.chance(0.2);      // some links, one way
      if (from != to && is_cut) links.emplace_back(from, to);
    }
  }
  watch_.line({}, [&] {
    std::string text = "cut";
    for (const auto& [from, to] : links) text += fmt::format(" {}->{}", from.value, to.value);
    return text;
  });
  for (const auto& [from, to] : links) network_.cut(from, to);
  agenda_.add(watch_.draw(plan_.faults.cut_length), [this, links] {
    if (!faults_are_on_) return;
    watch_.line({}, [] { return std::string("a cut ends"); });
    for (const auto& [from, to] : links) network_.mend(from, to);
  });
}

void Simulator::crash_one(NodeId id) {
  SimNode& node = *nodes_[id.value - 1];
  if (!node.is_up()) return;
  node.crash();
  spread_news_of_crash(id);
  agenda_.add(watch_.draw(plan_.faults.down), [&node] {
    if (!node.is_up()) node.start();
  });
}

// Some peers see the dead node's host refuse them; in their own time.
void Simulator::spread_news_of_crash(NodeId gone) {
  for (const NodeId id : ids(plan_.nodes)) {
    if (id == gone || !random_.chance(plan_.faults.news_of_crash)) continue;
    marks_.reach(Mark::kNewsOfCrash);
    agenda_.add(watch_.draw(plan_.network.delay),
                [this, id, gone] { nodes_[id.value - 1]->submit(raft::PeerGone{gone}); });
  }
}

bool Simulator::heal_and_agree() {
  faults_are_on_ = false;
  clients_.stop();
  network_.heal();
  for (const auto& node : nodes_) {
    node->heal();
    if (!node->is_up()) node->start();
  }
  Instant awake = agenda_.now();
  for (const auto& node : nodes_) awake = std::max(awake, node->paused_until());
  if (!run_until(awake)) return false;
  const Duration patience = seconds(10) + plan_.clients.timeout;
  return run_until_it_holds("all nodes agree", patience, [this] { return agree(); });
}

bool Simulator::agree() const {
  // A write that was doomed before the faults ended takes its node down once more.
  const bool all_up = std::ranges::all_of(nodes_, [](const auto& node) { return node->is_up(); });
  if (!all_up || !clients_.all_ended()) return false;
  const raft::Status first = nodes_[0]->status();
  size_t leaders = 0;
  for (const auto& node : nodes_) {
    const raft::Status status = node->status();
    leaders += status.role == raft::Role::kLeader ? 1 : 0;
    if (status.term != first.term || status.last != first.last ||
        status.commit != status.last.index || status.applied != status.last.index ||
        status.persisted != status.last.index)
      return false;
  }
  return leaders == 1;
}

bool Simulator::contents_are_equal() {
  for (const auto& node : nodes_) {
    if (node->state_hash() == nodes_[0]->state_hash() && node->content() == nodes_[0]->content())
      continue;
    invariants_.fail("all nodes hold the same", "the content of two nodes differs at the end");
    return false;
  }
  return true;
}

bool Simulator::answers_everywhere() {
  const size_t before = clients_.history().size();
  for (const NodeId id : ids(plan_.nodes)) clients_.probe(id);
  const bool ended = run_until_it_holds("a healthy cluster answers", seconds(2),
                                        [this] { return clients_.all_ended(); });
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
