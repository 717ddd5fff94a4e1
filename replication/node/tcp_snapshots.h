#pragma once

// Snapshots over TCP: the copies that this node makes and sends, and those that it is sent. Ties
// the two ends of a transfer to the state machine, the transport and the core.

#include <functional>
#include <memory>
#include <string>

#include "replication/node/replica.h"
#include "replication/transport/snapshot_receiver.h"
#include "replication/transport/snapshot_sender.h"
#include "replication/transport/tcp_transport.h"
#include "storage/state_machine.h"

namespace holdfast {

class TcpSnapshots final : public Snapshots {
 public:
  using Post = std::function<void(raft::Input)>;  // to the core, from any thread

  // In `sending.directory`, where what an earlier life left is removed; `make_room` is for what
  // this node is sent. All that is given by reference outlives it. On the transport's loop.
  static Result<std::unique_ptr<TcpSnapshots>> open(FileSystem& fs, const Clock& clock,
                                                    const SnapshotSending& sending,
                                                    const MakeRoom& make_room,
                                                    StateMachine& machine, TcpTransport& transport,
                                                    const Post& post);
  ~TcpSnapshots() override;

  // On the transport's loop.
  void send(raft::SnapshotOrder order) override;
  void end(NodeId destination) override;
  void discard(const std::string& source) override;

 private:
  TcpSnapshots(FileSystem& fs, const Clock& clock, const SnapshotSending& sending,
               const MakeRoom& make_room, StateMachine& machine, TcpTransport& transport,
               const Post& post);

  TcpTransport& transport_;
  const Post post_;
  SnapshotReceiver receiver_;
  SnapshotSender sender_;
};

}  // namespace holdfast
