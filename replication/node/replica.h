#pragma once

// One replica of one group: Raft, and the carrying out of what it asks for. Knows no thread; the
// simulator runs this class, production runs it on the replica's event loop.

#include <string>
#include <vector>

#include "replication/raft/raft.h"
#include "replication/transport/transport.h"
#include "storage/log/log_store.h"

namespace holdfast {

// What is on its way into the state machine, in order. `submit` returns at once; later Applied, and
// Installed.
class ApplyQueue {
 public:
  virtual ~ApplyQueue() = default;
  virtual void submit(std::vector<EntryPtr> committed) = 0;
  virtual void submit(raft::InstallOrder order) = 0;
};

// Makes copies of the state, carries them to other nodes, and keeps those that arrive. Everything
// returns at once; later SnapshotDone and SnapshotArrived.
class Snapshots {
 public:
  virtual ~Snapshots() = default;
  virtual void send(raft::SnapshotOrder order) = 0;
  virtual void end(NodeId destination) = 0;  // what is being sent there is not wanted any more
  virtual void discard(const std::string& source) = 0;  // that arrived
};

// Where requests that began on this node hear how they ended, beside the completions that come
// from the state machine. Returns at once.
class Answers {
 public:
  virtual ~Answers() = default;
  virtual void readable(std::vector<RequestId> reads) = 0;
  virtual void refuse(std::vector<raft::Refusal> refusals) = 0;
  // Of requests that asked for it, before they are answered.
  virtual void trace(std::vector<raft::Trace> traces) = 0;
};

class Replica {
 public:
  struct Seams {
    LogStore& log;
    Transport& transport;
    ApplyQueue& applier;
    Snapshots& snapshots;
    Answers& answers;
  };

  Replica(raft::Config config, raft::Recovered recovered, Random random, Instant now, Seams seams);

  // Feeds everything that has happened since the last turn, in order, and then carries out what
  // Raft asks for: whatever arrived while the last turn ran is one batch. Returns the changes of
  // role and leader that the turn brought.
  std::vector<raft::RoleChange> turn(Instant now, std::vector<raft::Input>& inputs);

  Instant next_deadline() const { return raft_.next_deadline(); }
  raft::Status status() const { return raft_.status(); }
  const raft::Raft& raft() const { return raft_; }

 private:
  raft::Raft raft_;
  Seams seams_;
};

}  // namespace holdfast
