#include "tests/sim/member_changes.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace holdfast::sim {
namespace {

// No client's requests are numbered so high.
constexpr uint64_t kFirstRequest = uint64_t{1} << 62;

bool is_own(RequestId request) {
  return request.value >= kFirstRequest;
}

}  // namespace

Outside MemberChanges::without_own(Outside outside) {
  outside.completed = [next = outside.completed](NodeId id, const Completion& done) {
    if (!is_own(done.request)) next(id, done);
  };
  outside.refused = [next = outside.refused](NodeId id, const raft::Refusal& refusal) {
    if (!is_own(refusal.request)) next(id, refusal);
  };
  return outside;
}

void MemberChanges::start() {
  if (watch_.plan.members.change != Duration{}) repeat();
}

void MemberChanges::repeat() {
  const Duration pause = watch_.random.between(Duration{}, 2 * watch_.plan.members.change);
  watch_.agenda.add(pause, [this] {
    if (!are_on_) return;
    const uint64_t draw = watch_.random.below(100);
    if (draw < 45) {
      add();
    } else if (draw < 90) {
      remove();
    } else {
      promote();
    }
    repeat();
  });
}

// Perhaps one that began to live and whose first request was lost.
void MemberChanges::add() {
  std::vector<NodeId> strangers;
  const raft::Members known = members();
  for (uint64_t i = 1; i <= nodes_.size(); ++i)
    if (known.find(NodeId{i}) == nullptr && !node(NodeId{i}).is_gone())
      strangers.push_back(NodeId{i});
  if (strangers.empty()) return;
  const NodeId id = strangers[watch_.random.below(strangers.size())];
  watch_.marks.reach(Mark::kMemberAdded);
  node(id).join(known);
  ask(raft::MemberChange::Act::kAdd, id);
}

void MemberChanges::remove() {
  const raft::Members known = members();
  if (known.list.empty()) return;
  watch_.marks.reach(Mark::kMemberRemoved);
  ask(raft::MemberChange::Act::kRemove, known.list[watch_.random.below(known.list.size())].id);
}

void MemberChanges::promote() {
  for (const raft::Member& member : members().list)
    if (!member.voter) return ask(raft::MemberChange::Act::kPromote, member.id);
}

void MemberChanges::ask(raft::MemberChange::Act act, NodeId id) {
  const NodeId asked = any_up();
  if (!asked) return;
  raft::Member member;
  member.id = id;
  member.name = fmt::format("n{}", id.value);
  member.peer_address = fmt::format("host:{}", id.value);
  member.stays_learner = watch_.random.chance(0.2);
  raft::Propose propose;
  propose.proposals.push_back({RequestId{kFirstRequest + ++asked_},
                               node(asked).clock() + watch_.plan.clients.timeout,
                               raft::encode_change({act, member}), EntryKind::kMembers});
  watch_.line(asked, [&] {
    return fmt::format("is asked to change the members: act {} of {}", static_cast<int>(act),
                       id.value);
  });
  answered_by_ = watch_.agenda.now() + 2 * watch_.plan.clients.timeout;
  node(asked).submit(std::move(propose));
}

NodeId MemberChanges::any_up() const {
  std::vector<NodeId> up;
  for (uint64_t i = 1; i <= nodes_.size(); ++i)
    if (node(NodeId{i}).is_up()) up.push_back(NodeId{i});
  return up.empty() ? NodeId{} : up[watch_.random.below(up.size())];
}

raft::Members MemberChanges::members() const {
  const SimNode* furthest = nullptr;
  for (const auto& each : nodes_) {
    // Who lost its state, and its note of them, only guesses.
    if (!each->is_up() || (each->lacks_state_alone() && !each->knows_members())) continue;
    if (furthest == nullptr || each->status().last > furthest->status().last) furthest = each.get();
  }
  return furthest == nullptr ? nodes_.front()->first_members() : furthest->members();
}

bool MemberChanges::are_settled() const {
  if (watch_.agenda.now() < answered_by_) return false;
  return std::ranges::none_of(members().list, [](const raft::Member& member) {
    return !member.voter && !member.stays_learner;
  });
}

}  // namespace holdfast::sim
