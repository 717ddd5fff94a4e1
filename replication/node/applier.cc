#include "replication/node/applier.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/thread_name.h"

namespace holdfast {

Applier::Applier(StateMachine& machine, NodeId self, Answers answers)
    : machine_(machine), self_(self), answers_(std::move(answers)), thread_([this] { run(); }) {}

Applier::~Applier() {
  orders_.close();
  thread_.join();
}

void Applier::submit(std::vector<EntryPtr> committed) {
  orders_.put(std::move(committed));
}

void Applier::submit(raft::InstallOrder order) {
  orders_.put(std::move(order));
}

void Applier::run() {
  name_this_thread("apply");
  std::vector<Order> orders;
  std::vector<EntryPtr> entries;
  while (orders_.drain(orders)) {
    for (Order& order : orders) {
      if (const auto* const state = std::get_if<raft::InstallOrder>(&order)) {
        apply(entries);
        install(*state);
      } else {
        std::ranges::move(std::get<std::vector<EntryPtr>>(order), std::back_inserter(entries));
      }
    }
    apply(entries);
    orders.clear();
  }
}

void Applier::apply(std::vector<EntryPtr>& entries) {
  if (entries.empty()) return;
  std::vector<Completion> completions;
  machine_.apply(entries, self_, completions);
  tell_members(entries);
  answers_.applied({entries.back()->index, machine_.durable()}, std::move(completions));
  entries.clear();
}

void Applier::tell_members(const std::vector<EntryPtr>& entries) {
  const auto newest =
      std::ranges::find(std::views::reverse(entries), EntryKind::kMembers, &LogEntry::kind);
  if (newest == entries.rend()) return;
  const Result<raft::Members> members = raft::decode_members((*newest)->payload.view());
  CHECK(members.has_value(), "entry {}", (*newest)->index.value);
  answers_.members(*members);
}

// Without it nothing could be applied any more, and who sent it believes it to be there.
void Applier::install(const raft::InstallOrder& order) {
  const auto must = [&order](const auto& outcome) {
    if (outcome) return;
    // A state that this program has no use for, of a newer format say, stays so whatever is sent.
    const bool is_refused = outcome.error().code == ErrorCode::kInvalid;
    fatal(fmt::format(
        "the state that a peer sent ({}) could not be put in use: {}{}", order.source,
        outcome.error().message,
        is_refused ? "" : ". Check the disk, then start this process again: it will be sent anew"));
  };
  const Result<SnapshotHead> head = machine_.read_snapshot_head(order.source);
  must(head);
  Result<raft::Members> members = raft::decode_members(head->members);
  must(members);
  must(machine_.install(order.source));
  answers_.members(*members);
  answers_.installed({order.position, *std::move(members), head->stamp});
}

}  // namespace holdfast
