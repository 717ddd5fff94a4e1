// What the state machine does to keys that clients name.

#include <algorithm>
#include <utility>

#include "storage/kv/draft.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/overlay.h"
#include "storage/kv/transaction.h"

namespace holdfast {
namespace {

bool all_hold(const std::vector<Condition>& conditions, Revision mod_revision) {
  return std::ranges::all_of(
      conditions, [&](const Condition& condition) { return holds(condition, mod_revision); });
}

Revision mod_revision_of(const std::optional<RowInfo>& row) {
  return row ? row->mod_revision : Revision{};
}

}  // namespace

Reply KvStateMachine::make(Command& command, Overlay& overlay, Answer answer) {
  const auto change_keys = [&](auto& change) -> Reply {
    Draft draft(overlay, head_.revision + 1);
    Reply reply = draw_up(change, overlay.named(), draft);
    reply.revision = head_.revision;
    if (reply.status != ReplyStatus::kOk) return reply;
    if (answer == Answer::kKept && !Idempotency::fits(reply))
      return refuse(ReplyStatus::kAnswerTooLarge);
    reply.revision = finish(std::move(draft), overlay);
    return reply;
  };
  return std::visit(
      [&](auto& todo) {
        if constexpr (requires(Draft& draft) { draw_up(todo, overlay.named(), draft); }) {
          return change_keys(todo);
        } else {
          return act(todo, overlay);
        }
      },
      command.act);
}

Revision KvStateMachine::finish(Draft draft, Overlay& overlay) {
  if (draft.empty()) return head_.revision;
  head_.revision = draft.revision();
  head_.state_hash += draft.hash_change();
  draft.each_rebound([&](std::string_view key, Bond before, Bond after) {
    leases_.rebind(overlay.named(), key, before, after);
  });
  overlay.write(draft.take(head_.stamp()));
  return head_.revision;
}

Reply KvStateMachine::draw_up(PutCommand& put, const NamedOverlay& named, Draft& draft) const {
  Draft::LookedUp old = draft.look_up(put.key, put.prev);
  const Revision current = mod_revision_of(old.info);
  if (!all_hold(put.conditions, current)) return refuse(ReplyStatus::kPreconditionFailed, current);
  const std::optional<Bond> bond = bond_of(put, named);
  if (!bond) return lease_not_found(put.lease);
  draft.put(std::move(put.key), old.info, std::move(put.value), *bond);
  return {.created = !old.info, .wants_prev = put.prev, .prev = std::move(old.shown)};
}

Reply KvStateMachine::draw_up(DeleteCommand& remove, const NamedOverlay&, Draft& draft) const {
  Draft::LookedUp old = draft.look_up(remove.key, remove.prev);
  const Revision current = mod_revision_of(old.info);
  if (!all_hold(remove.conditions, current))
    return refuse(ReplyStatus::kPreconditionFailed, current);
  if (old.info) draft.remove(std::move(remove.key), *old.info);
  return {.deleted = old.info ? 1U : 0U, .wants_prev = remove.prev, .prev = std::move(old.shown)};
}

Reply KvStateMachine::draw_up(DeleteRangeCommand& range, const NamedOverlay&, Draft& draft) const {
  std::optional<std::vector<Draft::Found>> keys = draft.keys(range.start, range.end);
  if (!keys) return refuse(ReplyStatus::kRangeTooLarge);
  for (auto& [key, info] : *keys) draft.remove(std::move(key), info);
  return {.deleted = keys->size()};
}

Reply KvStateMachine::draw_up(TransactionCommand& transaction, const NamedOverlay& named,
                              Draft& draft) const {
  return carry_out(transaction, draft, [&](const PutCommand& put) { return bond_of(put, named); });
}

}  // namespace holdfast
