#include "replication/node/tcp_snapshots.h"

#include <utility>

#include "replication/transport/snapshot_files.h"

namespace holdfast {
namespace {

MakeCheckpoint checkpoints_of(StateMachine& machine) {
  return [&machine](const std::string& directory) -> Result<LogPosition> {
    HOLDFAST_TRY(machine.checkpoint(directory));
    HOLDFAST_ASSIGN(const SnapshotHead head, machine.read_snapshot_head(directory));
    return head.applied;
  };
}

}  // namespace

Result<std::unique_ptr<TcpSnapshots>> TcpSnapshots::open(FileSystem& fs, const Clock& clock,
                                                         const SnapshotSending& sending,
                                                         StateMachine& machine,
                                                         TcpTransport& transport,
                                                         const Calls& calls) {
  HOLDFAST_TRY(prepare_snapshot_directory(fs, sending.directory));
  return std::unique_ptr<TcpSnapshots>(
      new TcpSnapshots(fs, clock, sending, machine, transport, calls));
}

TcpSnapshots::TcpSnapshots(FileSystem& fs, const Clock& clock, const SnapshotSending& sending,
                           StateMachine& machine, TcpTransport& transport, const Calls& calls)
    : transport_(transport),
      post_(calls.post),
      is_cut_off_(calls.is_cut_off),
      receiver_(fs, clock,
                {.self = sending.self.node,
                 .group = sending.group,
                 .directory = sending.directory,
                 .make_room = calls.make_room,
                 .tell = sending.tell},
                [post = calls.post](raft::SnapshotArrived arrived) { post(std::move(arrived)); }),
      sender_(fs, clock, sending, checkpoints_of(machine),
              [post = calls.post](raft::SnapshotDone done) { post(done); }) {
  transport_.receive_snapshots([this](Descriptor connection, const Hello& peer) {
    if (is_cut_off_ && is_cut_off_(peer.node)) return;
    receiver_.take(std::move(connection), peer);
  });
}

TcpSnapshots::~TcpSnapshots() {
  transport_.receive_snapshots(nullptr);
}

void TcpSnapshots::send(raft::SnapshotOrder order) {
  const std::string address = transport_.address_of(order.destination);
  // Nobody knows where it is: it is tried again later, like a transfer that fails.
  const bool is_cut_off = is_cut_off_ && is_cut_off_(order.destination);
  if (address.empty() || is_cut_off)
    return post_(raft::SnapshotDone{order.destination, order.number, false});
  sender_.send(order, address);
}

void TcpSnapshots::end(NodeId destination) {
  sender_.end(destination);
}

void TcpSnapshots::cut_off(NodeId peer) {
  sender_.end(peer);
  receiver_.end(peer);
}

void TcpSnapshots::discard(const std::string& source) {
  receiver_.discard(source);
}

}  // namespace holdfast
