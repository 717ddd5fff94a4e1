// What the disks, the state machines and the carriers of snapshots do when it is their turn.

#include <algorithm>

#include <fmt/format.h>

#include "replication/raft/print.h"
#include "tests/scenarios/cluster.h"

namespace holdfast::scenarios {

bool Cluster::answer_what_is_not_held(NodeId id) {
  Node& node = nodes_.at(id);
  const auto due = [&](Part part, bool waits) { return waits && !node.held.contains(part); };
  if (due(Part::kDisk, !node.writes.empty())) {
    persist_one(id);
  } else if (due(Part::kDisk, !node.loads.empty())) {
    load_one(id);
  } else if (due(Part::kApply, !node.applies.empty())) {
    apply_one(id);
  } else if (due(Part::kSnapshot, !node.sending.empty())) {
    send_snapshot_one(id);
  } else {
    return false;
  }
  return true;
}

void Cluster::carry_out(const LogWrite& write, Node& node) {
  if (write.hard_state) node.hard_state = *write.hard_state;
  if (write.restart_after) {
    node.log_before = *write.restart_after;
    node.log.clear();
  }
  if (write.cut_from && *write.cut_from <= node.log_before.index + node.log.size())
    node.log.resize(write.cut_from->value - node.log_before.index.value - 1);
  node.log.insert(node.log.end(), write.append.begin(), write.append.end());
}

void Cluster::persist_one(NodeId id) {
  Node& node = nodes_.at(id);
  const LogWrite write = std::move(node.writes.front());
  node.writes.pop_front();
  carry_out(write, node);
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
  const uint64_t before = node.log_before.index.value;
  const uint64_t last = std::min(order.last.value, before + node.log.size());
  for (uint64_t at = order.first.value; order.first.value > before && at <= last; ++at) {
    const EntryPtr& entry = node.log[at - before - 1];
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
  const ApplyOrder order = std::move(node.applies.front());
  node.applies.pop_front();
  if (const auto* entries = std::get_if<std::vector<EntryPtr>>(&order)) {
    apply(id, *entries);
  } else {
    install(id, std::get<raft::InstallOrder>(order));
  }
  carry_out(id);
}

void Cluster::apply(NodeId id, const std::vector<EntryPtr>& entries) {
  Node& node = nodes_.at(id);
  State& state = node.state;
  for (const EntryPtr& entry : entries) {
    state.at = entry->position();
    state.hash = state.hash * 31 + entry->payload.checksum() + entry->index.value;
    const bool is_own = entry->origin.node == id;
    if (entry->kind == EntryKind::kMembers)
      state.members = raft::decode_members(entry->payload.view()).value();
    if (entry->kind == EntryKind::kCommand) state.applied.emplace_back(entry->payload.view());
    if (is_own)
      line("answers", fmt::format("{} completes change {}", id.value, entry->origin.request.value));
  }
  invariants_.applied(id, entries, state.hash);
  invariants_.durable(id, node.durable.at.index);
  node.raft->step(now_, raft::Applied{state.at.index, node.durable.at.index});
}

void Cluster::install(NodeId id, const raft::InstallOrder& order) {
  Node& node = nodes_.at(id);
  node.state = node.arrived.at(order.source);
  node.durable = node.state;
  node.arrived.clear();
  line("snapshots", fmt::format("{} installs {}", id.value, raft::to_text(order.position)));
  invariants_.installed(id, order.position, node.state.hash);
  node.raft->step(now_, raft::Installed{order.position, node.state.members});
}

void Cluster::send_snapshot_one(NodeId id) {
  Node& node = nodes_.at(id);
  const Sending sending = std::move(node.sending.front());
  node.sending.pop_front();
  const NodeId to = sending.order.destination;
  Node& receiver = nodes_.at(to);
  const bool arrives = receiver.raft && !cuts_.contains({id, to}) && !cuts_.contains({to, id});
  if (arrives) {
    const std::string source = fmt::format("{}", ++snapshots_);
    receiver.arrived[source] = sending.state;
    line("snapshots",
         fmt::format("{} -> {} snapshot {}", id.value, to.value, raft::to_text(sending.state.at)));
    step(to, raft::SnapshotArrived{id, sending.order.term, sending.state.at, source});
  }
  step(id, raft::SnapshotDone{to, sending.order.number, arrives});
}

void Cluster::note_members(NodeId id) {
  Node& node = nodes_.at(id);
  const raft::Members& members = node.raft->members();
  if (members == node.told_members) return;
  node.told_members = members;
  std::string text;
  for (const raft::Member& member : members.list)
    text += fmt::format(" {}{}", member.id.value, member.voter ? "" : "(learner)");
  line("members", fmt::format("{} has the members{}", id.value, text));
}

void Cluster::answer_one(NodeId id, Part part) {
  const Node& node = nodes_.at(id);
  if (part == Part::kApply) {
    if (!node.applies.empty()) apply_one(id);
  } else if (part == Part::kSnapshot) {
    if (!node.sending.empty()) send_snapshot_one(id);
  } else if (!node.writes.empty()) {
    persist_one(id);
  } else if (!node.loads.empty()) {
    load_one(id);
  }
}

}  // namespace holdfast::scenarios
