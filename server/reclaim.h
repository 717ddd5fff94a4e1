#pragma once

// What is done while disks are short of room, so that deletes make some: the past is forgotten, the
// state flushed so that its log can be cut, and its files rewritten without what was deleted. The
// leader proposes the first for all; the rest is each node's own, on a thread of its own, since it
// takes as long as it takes.

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "replication/raft/status.h"
#include "storage/base/clock.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {

class DiskRoom;

class Reclaim {
 public:
  // All that is given by reference outlives it.
  Reclaim(RocksEngine& engine, const KvStateMachine& machine, const DiskRoom& room);
  ~Reclaim();  // ends what is being rewritten
  Reclaim(const Reclaim&) = delete;
  Reclaim& operator=(const Reclaim&) = delete;

  // The payload of a command to propose now, for nobody: while growth is refused, the leader lets
  // go of all versions but the newest, every 10 s. On the loop.
  std::optional<Bytes> due(Instant now, const raft::Status& status);

 private:
  void run();
  void reclaim();
  bool pause();  // false: it is over

  RocksEngine& engine_;
  const KvStateMachine& machine_;
  const DiskRoom& room_;
  Instant next_ = Instant::min();  // on the loop

  Revision rewritten_below_;  // on the thread
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace holdfast
