#pragma once

// The sending of one snapshot, over as many connections as it takes. No thread of its own; blocks
// for a bounded time at each step, until it is interrupted.

#include <functional>
#include <optional>
#include <string>

#include "replication/raft/output.h"
#include "replication/transport/snapshot_files.h"
#include "replication/transport/timed_socket.h"
#include "replication/transport/wire.h"
#include "storage/base/events.h"

namespace holdfast {

// How snapshots are sent.
struct SnapshotSending {
  Hello self;  // of a node that belongs to a cluster
  GroupId group;
  std::string directory;                                   // prepared (snapshot_files.h)
  uint64_t bytes_per_second = 100 << 20;                   // at least kSnapshotPieceBytes
  Duration patience = std::chrono::seconds(10);            // without progress
  Duration redial_first = std::chrono::milliseconds(200);  // doubled with each further try
  VerifyFile verify = [](const std::string&) -> Result<> { return {}; };
  Duration rest_first = std::chrono::seconds(1);  // after a copy in vain; doubled, too
  TellEvent tell = log_event;
};

// Makes a copy of the state as files in `directory`, which is not there yet, and says what the last
// entry in it is. May take long.
using MakeCheckpoint = std::function<Result<LogPosition>(const std::string& directory)>;

class SnapshotTransfer {
 public:
  // All that is given by reference outlives it.
  SnapshotTransfer(FileSystem& fs, const Clock& clock, const Interrupt& interrupt,
                   const SnapshotSending& how, raft::SnapshotOrder order, std::string address);

  // Returns when the other end has all of it on disk, or with the reason why it will not have it.
  // The checkpoint is gone then. `between` is called after each piece.
  Result<> run(const MakeCheckpoint& checkpoint, const std::function<void()>& between);

 private:
  Result<> attempt(const MakeCheckpoint& checkpoint, const std::function<void()>& between);
  Result<TimedSocket> dial() const;
  // Over one connection. kUnavailable: another may do better.
  Result<> send_over(TimedSocket& socket, const SnapshotOffer& offer, OutgoingSnapshot& snapshot,
                     const std::function<void()>& between);
  Result<SnapshotPlace> place_to_go_on_from(const SnapshotAnswer& answer,
                                            const SnapshotOffer& offer);
  Result<> await_stored(TimedSocket& socket, const SnapshotOffer& offer) const;
  Result<> say(TimedSocket& socket, std::string_view bytes) const;
  // What the other end says, but for a refusal, which is an error.
  Result<SnapshotAnswer> hear(TimedSocket& socket, Duration patience) const;
  void keep_pace(uint64_t bytes);
  // False: it has been tried often enough.
  bool wait_to_redial();

  FileSystem& fs_;
  const Clock& clock_;
  const Interrupt& interrupt_;
  const SnapshotSending& how_;
  const raft::SnapshotOrder order_;
  const std::string address_;
  const std::string directory_;  // of the checkpoint

  Instant next_piece_ = {};  // not sent before
  Instant next_line_ = {};   // of progress
  uint64_t sent_ = 0;        // bytes over all connections: some of them may have been sent again
  SnapshotPlace sent_to_;    // the furthest place that the other end can be at
  SnapshotPlace there_;      // the furthest that it has asked to go on from
  int tries_;                // left, until there is progress again
};

}  // namespace holdfast
