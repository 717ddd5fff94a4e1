#pragma once

// Sends snapshots of the state to followers, one after another, each over a connection of its own
// and from a thread of its own: neither heartbeats nor appends wait behind one. What was
// interrupted goes on where the receiver is, after a few tries to dial again. A copy of the state
// that was made in vain is not made again at once: each makes the next for its destination wait
// twice as long.
//
// Bounds: one transfer at a time and one order for each destination, so as many as there are
// members; kSnapshotPieceBytes in memory; no more bytes in a second than `how` says.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "replication/raft/input.h"
#include "replication/raft/output.h"
#include "replication/transport/snapshot_transfer.h"

namespace holdfast {

class SnapshotSender {
 public:
  // Called on the sender's thread, once for each order; must not block.
  using Done = std::function<void(raft::SnapshotDone)>;

  // `checkpoint` is called on the sender's thread. `fs` and `clock` outlive this.
  SnapshotSender(FileSystem& fs, const Clock& clock, SnapshotSending how, MakeCheckpoint checkpoint,
                 Done done);
  // Calls off what goes on. Orders that were not answered stay so.
  ~SnapshotSender();
  SnapshotSender(const SnapshotSender&) = delete;
  SnapshotSender& operator=(const SnapshotSender&) = delete;

  // From any thread; return at once. An earlier order for the same destination is called off.
  void send(const raft::SnapshotOrder& order, const std::string& peer_address);
  // Calls off the order for `destination`, if there is one: it is answered as not delivered, unless
  // it just was.
  void end(NodeId destination);

 private:
  struct Job {
    raft::SnapshotOrder order;
    std::string address;
    Instant due;  // not before
  };
  struct Rest {
    Duration length;
    Instant until;
  };

  void run();
  std::optional<Job> next_job();
  Duration until_next() const;  // under mutex_
  void carry_out(const Job& job);
  void note_outcome(NodeId destination, bool delivered, bool copied);  // under mutex_
  void call_off(NodeId destination);                                   // under mutex_
  void answer(const raft::SnapshotOrder& order, bool delivered);
  void answer_called_off();

  FileSystem& fs_;
  const Clock& clock_;
  const SnapshotSending how_;
  const MakeCheckpoint checkpoint_;
  const Done done_;
  Interrupt interrupt_;  // raised: the job that goes on is called off

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<Job> waiting_;
  std::deque<Job> called_off_;    // before they began, and not answered yet
  NodeId destination_;            // of the job that goes on
  std::map<NodeId, Rest> rests_;  // of those whose last copy was made in vain
  bool closing_ = false;

  std::thread thread_;
};

}  // namespace holdfast
