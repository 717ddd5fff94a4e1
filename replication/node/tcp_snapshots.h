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
  // Called from any thread.
  struct Calls {
    std::function<void(raft::Input)> post;  // to the core
    MakeRoom make_room;                     // for what this node is sent
    // Nothing is sent there or taken from there, by a fault that was set. On the loop.
    std::function<bool(NodeId peer)> is_cut_off = nullptr;
  };

  // In `sending.directory`, where what an earlier life left is removed. All that is given by
  // reference outlives it. On the transport's loop.
  static Result<std::unique_ptr<TcpSnapshots>> open(FileSystem& fs, const Clock& clock,
                                                    const SnapshotSending& sending,
                                                    StateMachine& machine, TcpTransport& transport,
                                                    const Calls& calls);
  ~TcpSnapshots() override;

  // On the transport's loop.
  void send(raft::SnapshotOrder order) override;
  void end(NodeId destination) override;
  void discard(const std::string& source) override;
  // Whatever goes on between this node and that one ends. On the transport's loop.
  void cut_off(NodeId peer);

 private:
  TcpSnapshots(FileSystem& fs, const Clock& clock, const SnapshotSending& sending,
               StateMachine& machine, TcpTransport& transport, const Calls& calls);

  TcpTransport& transport_;
  const std::function<void(raft::Input)> post_;
  const std::function<bool(NodeId peer)> is_cut_off_;
  SnapshotReceiver receiver_;
  SnapshotSender sender_;
};

}  // namespace holdfast
