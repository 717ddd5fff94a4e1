#include "tests/sim/carriers.h"

#include <fmt/format.h>

#include "replication/raft/print.h"

namespace holdfast::sim {

void Carriers::send(NodeId from, const raft::SnapshotOrder& order) {
  const Transfer transfer{order, node(from).life()};
  on_their_way_.insert_or_assign({from, order.destination}, transfer);
  watch_.agenda.add(watch_.draw(watch_.plan.snapshots.make),
                    [this, from, transfer] { make(from, transfer); });
}

bool Carriers::goes_on(NodeId from, const Transfer& transfer) {
  const auto found = on_their_way_.find({from, transfer.order.destination});
  return found != on_their_way_.end() && found->second.life == transfer.life &&
         found->second.order == transfer.order && node(from).is_up() &&
         node(from).life() == transfer.life;
}

void Carriers::make(NodeId from, const Transfer& transfer) {
  if (!goes_on(from, transfer)) return;
  const std::optional<StateCopy> copy = node(from).copy_state();
  if (!copy) {
    on_their_way_.erase({from, transfer.order.destination});
    node(from).submit(raft::SnapshotDone{transfer.order.destination, transfer.order.number, false});
    return;
  }
  watch_.agenda.add(watch_.draw(watch_.plan.snapshots.carry),
                    [this, from, transfer, copy = *copy] { arrive(from, transfer, copy); });
}

void Carriers::arrive(NodeId from, const Transfer& transfer, const StateCopy& copy) {
  if (!goes_on(from, transfer)) return;
  const NodeId to = transfer.order.destination;
  on_their_way_.erase({from, to});
  const bool connected = node(to).is_up() && network_.connects(from, to);
  const bool fails = !network_.is_healed() && watch_.random.chance(watch_.plan.snapshots.fails);
  // What the other end has stored may be all that is known of it there.
  const bool arrives = connected && (!fails || watch_.random.chance(0.3));
  if (arrives) {
    watch_.line(to, [&] {
      return fmt::format("a state arrives from {}: {}", from.value, raft::to_text(copy.position));
    });
    node(to).take_copy(fmt::format("arrived-{}", ++arrivals_), copy, from, transfer.order.term);
  }
  if (fails) watch_.marks.reach(Mark::kSnapshotFailed);
  node(from).submit(raft::SnapshotDone{to, transfer.order.number, connected && !fails});
}

}  // namespace holdfast::sim
