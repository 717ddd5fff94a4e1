#include "tests/scenarios/cluster.h"

#include <algorithm>

#include <fmt/format.h>

#include "replication/raft/print.h"

namespace holdfast::scenarios {
namespace {

using std::chrono::milliseconds;

constexpr int kRoundsMax = 1000;

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
    node.durable.members = members(setup.nodes);
    restart(id);
  }
}

std::vector<NodeId> Cluster::nodes() const {
  std::vector<NodeId> all;
  for (const auto& [id, node] : nodes_) all.push_back(id);
  return all;
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
  node.quarantined = node.raft->status().quarantined;
  node.lacks_state = node.raft->status().awaits_state;
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
  if (!output.apply.empty()) node.applies.emplace_back(std::move(output.apply));
  if (output.install) node.applies.emplace_back(*std::move(output.install));
  for (const std::string& source : output.discard) {
    node.arrived.erase(source);
    line("snapshots", fmt::format("{} discards a snapshot", id.value));
  }
  for (const NodeId to : output.end_snapshots) {
    std::erase_if(node.sending, [to](const Sending& item) { return item.order.destination == to; });
    line("snapshots", fmt::format("{} ends its snapshot to={}", id.value, to.value));
  }
  for (const raft::SnapshotOrder& order : output.snapshots) {
    line("snapshots", fmt::format("{} {}", id.value, raft::to_text(order)));
    node.sending.push_back({order, node.state});
  }
  note_members(id);
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
  for (int rounds = 0; !network_.empty() && !violation(); ++rounds) {
    if (rounds == kRoundsMax)
      invariants_.fail("messages end", "each answer brings another, and no time passes");
    deliver(std::nullopt);
  }
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

void Cluster::add(NodeId asked, NodeId id, raft::Member wish) {
  Node& node = nodes_[id];
  node.durable.members = nodes_.at(asked).raft->members();
  restart(id);
  wish.id = id;
  wish.name = fmt::format("n{}", id.value);
  wish.peer_address = fmt::format("host:{}", id.value);
  raft::Propose propose;
  propose.proposals.push_back({RequestId{next_request_++}, now_ + std::chrono::seconds(5),
                               raft::encode_change({raft::MemberChange::Act::kAdd, wish}),
                               EntryKind::kMembers});
  invariants_.asked(asked, propose);
  step(asked, std::move(propose));
}

void Cluster::change(NodeId asked, raft::MemberChange::Act act, NodeId id) {
  raft::Member member;
  member.id = id;
  raft::Propose propose;
  propose.proposals.push_back({RequestId{next_request_++}, now_ + std::chrono::seconds(5),
                               raft::encode_change({act, member}), EntryKind::kMembers});
  invariants_.asked(asked, propose);
  step(asked, std::move(propose));
}

void Cluster::forget_before(NodeId id, LogIndex first) {
  Node& node = nodes_.at(id);
  node.durable = node.state;
  const uint64_t count = first.value - node.log_before.index.value - 1;
  node.log_before = node.log[count - 1]->position();
  node.log.erase(node.log.begin(), node.log.begin() + static_cast<std::ptrdiff_t>(count));
}

void Cluster::damage(NodeId id, LogIndex first) {
  Node& node = nodes_.at(id);
  const uint64_t kept = first.value - node.log_before.index.value - 1;
  node.log.erase(node.log.begin() + static_cast<std::ptrdiff_t>(kept), node.log.end());
  node.quarantined = true;
  node.loses = true;
}

void Cluster::drop_state(NodeId id) {
  Node& node = nodes_.at(id);
  node.durable = State{.at = {}, .members = node.durable.members, .applied = {}, .hash = 0};
  node.lacks_state = static_cast<bool>(node.log_before.index);
  invariants_.lost_state(id);
}

void Cluster::fail_snapshot(NodeId id) {
  Node& node = nodes_.at(id);
  if (node.sending.empty()) return;
  const Sending sending = std::move(node.sending.front());
  node.sending.pop_front();
  step(id, raft::SnapshotDone{sending.order.destination, sending.order.number, false});
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

void Cluster::crash(NodeId id, size_t kept) {
  Node& node = nodes_.at(id);
  invariants_.crashed(id);
  node.raft.reset();
  for (; kept > 0 && !node.writes.empty(); --kept) {
    carry_out(node.writes.front(), node);
    node.writes.pop_front();
  }
  node.writes.clear();
  node.loads.clear();
  node.applies.clear();
  node.sending.clear();
  node.arrived.clear();
}

void Cluster::restart(NodeId id) {
  Node& node = nodes_.at(id);
  if (node.raft) return;
  raft::Config config = setup_.limits;
  config.self = id;
  node.state = node.durable;
  // A state that was installed, and a log that had not been restarted behind it yet.
  const LogIndex at = node.lacks_state ? node.log_before.index : node.state.at.index;
  const auto is_in_log = [&node, at] {
    const LogIndex before = node.log_before.index;
    if (node.lacks_state) return true;
    if (at <= before) return node.state.at == node.log_before;
    return at <= before + node.log.size() &&
           node.log[at.value - before.value - 1]->term == node.state.at.term;
  };
  if (!is_in_log()) {
    node.log_before = node.state.at;
    node.log.clear();
  }
  raft::Recovered found{.hard_state = node.hard_state,
                        .before = node.log_before,
                        .runs = runs_of(node.log),
                        .last = node.log_before.index + node.log.size(),
                        .stamp = node.log.empty() ? Stamp{} : node.log.back()->stamp,
                        .applied = at,
                        .members_index = at,
                        .members = node.state.members,
                        .newer_members = {},
                        .quarantined = node.quarantined,
                        .lacks_state = node.lacks_state};
  for (const EntryPtr& entry : node.log)
    if (entry->kind == EntryKind::kMembers && entry->index > at)
      found.newer_members.push_back(entry);
  const uint64_t seed = id.value * 1000 + static_cast<uint64_t>(++node.lives);
  node.raft = std::make_unique<raft::Raft>(config, found, Random(seed), now_);
  node.told_members = node.raft->members();
  invariants_.runs_with(id, config);
  if (std::exchange(node.loses, false)) invariants_.lost_entries(id, found);
  invariants_.started(id, found, *node.raft);
}

// Those that are members agree; what became of the others is their own affair.
bool Cluster::agree() const {
  size_t leaders = 0;
  const Node* first = nullptr;
  for (const auto& [id, node] : nodes_) {
    if (node.raft->status().removed) continue;
    const raft::Status status = node.raft->status();
    leaders += status.role == raft::Role::kLeader ? 1 : 0;
    if (first == nullptr) first = &node;
    if (status.quarantined || status.term != first->raft->status().term ||
        status.last != first->raft->status().last || status.commit != status.last.index ||
        status.applied != status.last.index || node.raft->members() != first->raft->members() ||
        node.state.applied != first->state.applied)
      return false;
  }
  return leaders == 1 && first->raft->status().last.term == first->raft->status().term;
}

void Cluster::converge() {
  const std::set<std::string> shown = std::exchange(shown_, {});
  mend();
  for (const NodeId id : nodes()) {
    restart(id);
    for (const Part part : {Part::kDisk, Part::kApply, Part::kSnapshot}) release(id, part);
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
  for (const auto& [id, node] : nodes_) {
    if (node.raft->status().removed) continue;
    lines_.push_back(fmt::format("all agree: last={} applied:{}",
                                 raft::to_text(node.raft->status().last),
                                 listed(node.state.applied)));
    return;
  }
}

void Cluster::print_status() {
  for (const auto& [id, node] : nodes_)
    lines_.push_back(node.raft ? fmt::format("{} {}", id.value, raft::to_text(node.raft->status()))
                               : fmt::format("{} down", id.value));
}

void Cluster::print_applied(NodeId id) {
  lines_.push_back(fmt::format("{} applied:{}", id.value, listed(nodes_.at(id).state.applied)));
}

}  // namespace holdfast::scenarios
