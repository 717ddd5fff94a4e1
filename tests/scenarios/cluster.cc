#include "tests/scenarios/cluster.h"

#include <algorithm>

#include <fmt/format.h>

#include "replication/raft/print.h"

namespace holdfast::scenarios {
namespace {

using std::chrono::milliseconds;

std::vector<NodeId> ids(size_t count) {
  std::vector<NodeId> ids;
  for (uint64_t i = 1; i <= count; ++i) ids.push_back(NodeId{i});
  return ids;
}

raft::Members members(size_t count) {
  raft::Members members;
  for (const NodeId id : ids(count))
    members.list.push_back({id, fmt::format("n{}", id.value), "", true});
  return members;
}

std::vector<raft::TermRun> runs_of(const std::vector<EntryPtr>& log) {
  std::vector<raft::TermRun> runs;
  for (const EntryPtr& entry : log)
    if (runs.empty() || runs.back().term != entry->term)
      runs.push_back({entry->index, entry->term});
  return runs;
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += " " + word;
  return out;
}

std::string kind_of(const raft::Envelope& envelope) {
  const std::string text = raft::to_text(envelope.body);
  return text.substr(0, text.find(' '));
}

}  // namespace

Cluster::Cluster(const Setup& setup) : setup_(setup), invariants_(ids(setup.nodes), setup.limits) {
  for (const NodeId id : ids(setup.nodes)) {
    Node& node = nodes_[id];
    const auto given = setup.disks.find(id);
    if (given != setup.disks.end()) {
      LogWrite write{.ticket = {},
                     .hard_state = {},
                     .restart_after = {},
                     .cut_from = {},
                     .append = {},
                     .drop_before = {}};
      for (const Term term : given->second.log) {
        const LogIndex index{write.append.size() + 1};
        write.append.push_back(std::make_shared<const LogEntry>(
            LogEntry{index,
                     term,
                     EntryKind::kCommand,
                     {},
                     Bytes(fmt::format("{}/{}", term.value, index.value))}));
      }
      write.hard_state = HardState{given->second.term, {}};
      node.log = write.append;
      node.hard_state = *write.hard_state;
      invariants_.submitted(id, write);
      invariants_.persisted(id, {});
    }
    restart(id);
  }
}

std::vector<NodeId> Cluster::nodes() const {
  return ids(setup_.nodes);
}

void Cluster::line(const std::string& kind, std::string text) {
  if (shown_.contains(kind)) lines_.push_back(std::move(text));
}

std::vector<std::string> Cluster::take_lines() {
  return std::exchange(lines_, {});
}

void Cluster::step(NodeId id, raft::Input input) {
  Node& node = nodes_.at(id);
  if (!node.raft) return;
  node.raft->step(now_, std::move(input));
  carry_out(id);
  while (answer_what_is_not_held(id)) {
  }
}

void Cluster::carry_out(NodeId id) {
  Node& node = nodes_.at(id);
  raft::Output output = node.raft->take_output();
  if (output.write) invariants_.submitted(id, *output.write);
  for (const raft::Refusal& refusal : output.refused) invariants_.settle(id, refusal.request);
  invariants_.given(id, output.apply);
  invariants_.stepped(id, now_, node.raft->status().current_as_of);
  for (const raft::RoleChange& change : output.roles)
    line("roles", fmt::format("{} becomes {}", id.value, raft::to_text(change)));
  if (output.write) {
    line("disk", fmt::format("{} {}", id.value, raft::to_text(*output.write)));
    node.writes.push_back(*std::move(output.write));
  }
  for (const LoadOrder& order : output.load) {
    line("disk", fmt::format("{} {}", id.value, raft::to_text(order)));
    node.loads.push_back(order);
  }
  if (!output.apply.empty()) node.applies.push_back(std::move(output.apply));
  for (const RequestId read : output.readable)
    line("answers", fmt::format("{} serves read {}", id.value, read.value));
  for (const raft::Refusal& refusal : output.refused)
    line("answers", fmt::format("{} {}", id.value, raft::to_text(refusal)));
  for (raft::Envelope& envelope : output.send) send(std::move(envelope));
}

void Cluster::send(raft::Envelope envelope) {
  invariants_.sent(envelope);
  const bool is_cut = cuts_.contains({envelope.from, envelope.to});
  const bool is_vote = std::holds_alternative<raft::VoteRequest>(envelope.body) ||
                       std::holds_alternative<raft::VoteReply>(envelope.body);
  line(is_vote && shown_.contains("votes") ? "votes" : "messages",
       raft::to_text(envelope) + (is_cut ? " (lost)" : ""));
  if (!is_cut) network_.push_back(std::move(envelope));
}

bool Cluster::answer_what_is_not_held(NodeId id) {
  Node& node = nodes_.at(id);
  const auto due = [&](Part part, bool waits) { return waits && !node.held.contains(part); };
  if (due(Part::kDisk, !node.writes.empty())) {
    persist_one(id);
  } else if (due(Part::kDisk, !node.loads.empty())) {
    load_one(id);
  } else if (due(Part::kApply, !node.applies.empty())) {
    apply_one(id);
  } else {
    return false;
  }
  return true;
}

void Cluster::persist_one(NodeId id) {
  Node& node = nodes_.at(id);
  const LogWrite write = std::move(node.writes.front());
  node.writes.pop_front();
  if (write.hard_state) node.hard_state = *write.hard_state;
  if (write.cut_from && write.cut_from->value <= node.log.size())
    node.log.resize(write.cut_from->value - 1);
  node.log.insert(node.log.end(), write.append.begin(), write.append.end());
  invariants_.persisted(id, write.ticket);
  line("disk", fmt::format("{} persisted ticket={}", id.value, write.ticket.value));
  node.raft->step(now_, raft::Persisted{write.ticket});
  carry_out(id);
}

void Cluster::load_one(NodeId id) {
  Node& node = nodes_.at(id);
  const LoadOrder order = node.loads.front();
  node.loads.pop_front();
  std::vector<EntryPtr> entries;
  size_t bytes = 0;
  for (uint64_t at = order.first.value; at <= std::min(order.last.value, node.log.size()); ++at) {
    const EntryPtr& entry = node.log[at - 1];
    bytes += entry->bytes();
    if (!entries.empty() && bytes > order.bytes_max) break;
    entries.push_back(entry);
  }
  invariants_.loaded(entries);
  node.raft->step(now_, raft::Loaded{order.destination, std::move(entries)});
  carry_out(id);
}

void Cluster::apply_one(NodeId id) {
  Node& node = nodes_.at(id);
  const std::vector<EntryPtr> entries = std::move(node.applies.front());
  node.applies.pop_front();
  for (const EntryPtr& entry : entries) {
    node.state_hash = node.state_hash * 31 + entry->payload.checksum() + entry->index.value;
    if (entry->kind != EntryKind::kCommand) continue;
    node.applied.emplace_back(entry->payload.view());
    if (entry->origin.node == id)
      line("answers", fmt::format("{} completes change {}", id.value, entry->origin.request.value));
  }
  invariants_.applied(id, entries, node.state_hash);
  node.raft->step(now_, raft::Applied{entries.back()->index});
  carry_out(id);
}

void Cluster::wake_due(Instant end, bool deliver_all) {
  for (;;) {
    NodeId next;
    Instant due = kNever;
    for (const auto& [id, node] : nodes_) {
      if (!node.raft || node.raft->next_deadline() >= due) continue;
      due = node.raft->next_deadline();
      next = id;
    }
    if (due > end) break;
    now_ = std::max(now_, due);
    step(next, raft::Wake{});
    if (deliver_all) settle();
  }
  now_ = end;
}

void Cluster::tick(Duration duration) {
  wake_due(now_ + duration, false);
}

void Cluster::run(Duration duration) {
  settle();
  wake_due(now_ + duration, true);
}

void Cluster::wake_until_candidate(NodeId id) {
  const Node& node = nodes_.at(id);
  if (!node.raft) return;
  do {
    now_ = std::max(now_, node.raft->next_deadline());
    step(id, raft::Wake{});
  } while (node.raft->status().role == raft::Role::kFollower);
}

std::vector<raft::Envelope> Cluster::take(const std::optional<Route>& route) {
  std::vector<raft::Envelope> taken;
  std::erase_if(network_, [&](raft::Envelope& envelope) {
    if (route &&
        (envelope.from != route->from || envelope.to != route->to ||
         (!route->kind.empty() && route->kind != kind_of(envelope)) || taken.size() >= route->most))
      return false;
    taken.push_back(std::move(envelope));
    return true;
  });
  return taken;
}

void Cluster::deliver(const std::optional<Route>& route) {
  for (raft::Envelope& envelope : take(route)) {
    const NodeId to = envelope.to;
    if (!cuts_.contains({envelope.from, to})) step(to, raft::Received{std::move(envelope)});
  }
}

void Cluster::settle() {
  while (!network_.empty()) deliver(std::nullopt);
}

void Cluster::drop(const std::optional<Route>& route) {
  for (const raft::Envelope& envelope : take(route))
    line("messages", "dropped: " + raft::to_text(envelope));
}

void Cluster::duplicate(const Route& route) {
  const std::vector<raft::Envelope> taken = take(route);
  for (int copies = 0; copies < 2; ++copies)
    network_.insert(network_.end(), taken.begin(), taken.end());
}

void Cluster::cut(NodeId from, NodeId to) {
  cuts_.insert({from, to});
}

void Cluster::mend() {
  cuts_.clear();
}

void Cluster::propose(NodeId node, const std::vector<std::string>& payloads) {
  raft::Propose propose;
  for (const std::string& payload : payloads)
    propose.proposals.push_back(
        {RequestId{next_request_++}, now_ + std::chrono::seconds(5), Bytes(payload)});
  if (nodes_.at(node).raft) invariants_.asked(node, propose);
  step(node, std::move(propose));
}

void Cluster::read(NodeId node) {
  step(node, raft::ReadBarrier{{{RequestId{next_request_++}, now_ + std::chrono::seconds(5)}}});
}

void Cluster::peer_gone(NodeId node, NodeId peer) {
  step(node, raft::PeerGone{peer});
}

void Cluster::transfer(NodeId node, NodeId target) {
  step(node, raft::TransferLeader{target});
}

void Cluster::hold(NodeId node, Part part) {
  nodes_.at(node).held.insert(part);
}

void Cluster::release(NodeId id, Part part) {
  nodes_.at(id).held.erase(part);
  while (nodes_.at(id).raft && answer_what_is_not_held(id)) {
  }
}

void Cluster::answer_one(NodeId id, Part part) {
  const Node& node = nodes_.at(id);
  if (part == Part::kApply) {
    if (!node.applies.empty()) apply_one(id);
  } else if (!node.writes.empty()) {
    persist_one(id);
  } else if (!node.loads.empty()) {
    load_one(id);
  }
}

void Cluster::crash(NodeId id, size_t kept) {
  Node& node = nodes_.at(id);
  invariants_.crashed(id);
  node.raft.reset();
  for (; kept > 0 && !node.writes.empty(); --kept) {
    const LogWrite write = std::move(node.writes.front());
    node.writes.pop_front();
    if (write.hard_state) node.hard_state = *write.hard_state;
    if (write.cut_from) node.log.resize(write.cut_from->value - 1);
    node.log.insert(node.log.end(), write.append.begin(), write.append.end());
  }
  node.writes.clear();
  node.loads.clear();
  node.applies.clear();
  node.applied.clear();
  node.state_hash = 0;
}

void Cluster::restart(NodeId id) {
  Node& node = nodes_.at(id);
  if (node.raft) return;
  raft::Config config = setup_.limits;
  config.self = id;
  const raft::Recovered found{.hard_state = node.hard_state,
                              .runs = runs_of(node.log),
                              .last = LogIndex{node.log.size()},
                              .applied = {},
                              .members_index = {},
                              .members = members(setup_.nodes),
                              .newer_members = {}};
  const uint64_t seed = id.value * 1000 + static_cast<uint64_t>(++node.lives);
  node.raft = std::make_unique<raft::Raft>(config, found, Random(seed), now_);
  invariants_.started(id, found, *node.raft);
}

bool Cluster::agree() const {
  size_t leaders = 0;
  const raft::Status first = nodes_.begin()->second.raft->status();
  for (const auto& [id, node] : nodes_) {
    const raft::Status status = node.raft->status();
    leaders += status.role == raft::Role::kLeader ? 1 : 0;
    if (status.term != first.term || status.last != first.last ||
        status.commit != status.last.index || status.applied != status.last.index ||
        node.applied != nodes_.begin()->second.applied)
      return false;
  }
  return leaders == 1 && first.last.term == first.term;
}

void Cluster::converge() {
  const std::set<std::string> shown = std::exchange(shown_, {});
  mend();
  for (const NodeId id : nodes()) {
    restart(id);
    release(id, Part::kDisk);
    release(id, Part::kApply);
  }
  const Instant give_up = now_ + std::chrono::seconds(20);
  do {
    run(milliseconds(50));
  } while (!agree() && now_ < give_up);
  shown_ = shown;
  if (!agree()) {
    lines_.emplace_back("the nodes do not agree:");
    print_status();
    return;
  }
  const Node& node = nodes_.begin()->second;
  lines_.push_back(fmt::format("all agree: last={} applied:{}",
                               raft::to_text(node.raft->status().last), listed(node.applied)));
}

void Cluster::print_status() {
  for (const auto& [id, node] : nodes_)
    lines_.push_back(node.raft ? fmt::format("{} {}", id.value, raft::to_text(node.raft->status()))
                               : fmt::format("{} down", id.value));
}

void Cluster::print_applied(NodeId id) {
  lines_.push_back(fmt::format("{} applied:{}", id.value, listed(nodes_.at(id).applied)));
}

}  // namespace holdfast::scenarios
