#pragma once

// Receives snapshots of the state from the leader, on a thread of its own, over connections that
// the transport has accepted. What it announces is whole, verified and synced; nothing else is
// announced.
//
// Bounds: one transfer at a time. A connection of a later term takes the place of the one that goes
// on; so does another of the same sender in the same term, which has lost the first. Others are
// refused. What was interrupted is kept for its sender for six times the patience, unless another
// transfer begins. The disk must have room for all of it before it begins.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "replication/raft/input.h"
#include "replication/transport/snapshot_files.h"
#include "replication/transport/timed_socket.h"
#include "replication/transport/wire.h"
#include "storage/base/events.h"

namespace holdfast {

class SnapshotReceiver {
 public:
  // Called on the receiver's thread; must not block. The directory `source` is the core's from now
  // on: it is installed, or given to `discard`.
  using Arrived = std::function<void(raft::SnapshotArrived)>;

  struct Config {
    NodeId self;
    GroupId group;
    std::string directory;                         // prepared (snapshot_files.h)
    Duration patience = std::chrono::seconds(10);  // without progress
    MakeRoom make_room = []() -> Result<> { return {}; };
    TellEvent tell = log_event;
  };

  // `fs` and `clock` outlive it.
  SnapshotReceiver(FileSystem& fs, const Clock& clock, Config config, Arrived arrived);
  // Ends the transfer that goes on.
  ~SnapshotReceiver();
  SnapshotReceiver(const SnapshotReceiver&) = delete;
  SnapshotReceiver& operator=(const SnapshotReceiver&) = delete;

  // From any thread; return at once. A connection on which `peer` has greeted and was greeted.
  void take(Descriptor connection, const Hello& peer);
  // A directory that was announced and is not wanted is removed.
  void discard(std::string source);
  // The connection with `peer` ends, if it is the newest one; what it has brought is kept for it.
  void end(NodeId peer);

 private:
  struct Caller {
    Descriptor connection;
    Hello peer;
  };

  void run();
  std::optional<Caller> next_caller();
  void remove_discarded();
  void serve(Caller caller);

  // Errors: kInvalid ends the transfer for good, any other ends this connection.
  Result<> receive(TimedSocket& socket, const Hello& peer);
  void tell(std::string_view stage, const Hello& peer, std::string text) const;
  Result<> prepare_for(const SnapshotOffer& offer);
  Result<> receive_pieces(TimedSocket& socket);
  Result<> finish(TimedSocket& socket, const Hello& peer);
  Result<> say(TimedSocket& socket, const SnapshotAnswer& answer);
  Result<std::string> hear(TimedSocket& socket);
  void drop_part();
  // What the disk has failed is not gone on with, by no connection.
  Result<> on_disk(Result<> outcome);

  FileSystem& fs_;
  const Clock& clock_;
  const Config config_;
  const Arrived arrived_;
  Interrupt interrupt_;  // raised: the connection that is served has to end

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::optional<Caller> next_;
  Term newest_term_;    // of all that have called
  NodeId newest_peer_;  // who called in it
  std::vector<std::string> discarded_;
  bool closing_ = false;

  // The receiver's thread alone.
  std::optional<IncomingSnapshot> part_;
  std::optional<uint64_t> stored_;  // the one announced last: its sender may not have heard of it

  std::thread thread_;
};

}  // namespace holdfast
