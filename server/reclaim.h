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
#include "storage/base/events.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {

class DiskRoom;

class Reclaim {
 public:
  // All that is given by reference outlives it.
  Reclaim(RocksEngine& engine, const KvStateMachine& machine, const DiskRoom& room,
          TellEvent tell = log_event);
  ~Reclaim();  // ends what is being rewritten
  Reclaim(const Reclaim&) = delete;
  Reclaim& operator=(const Reclaim&) = delete;

  // The payload of a command to propose now, for nobody: all versions but the newest are let go of,
  // on every node. Where this node, as one leader, has refused growth for 10 s on end, and then
  // every 30 s at most. On the loop.
  std::optional<Bytes> due(Instant now, const raft::Status& status);

  // From now on looks again and again, on its thread.
  void start();
  // Does what is due on this node: flushes what is to be cut from the log, every 30 s at most, and
  // a raised history floor at once; rewrites all files when the engine knows of such a floor.
  void look(Instant now);

 private:
  struct Refusal {
    Term term;
    Instant since;
  };

  void run();
  bool pause();  // false: it is over
  void flush(Instant now);

  RocksEngine& engine_;
  const KvStateMachine& machine_;
  const DiskRoom& room_;
  const TellEvent tell_;

  // On the loop.
  std::optional<Refusal> refusal_;
  Instant next_ = Instant::min();

  // On the thread that looks.
  Instant next_flush_ = Instant::min();
  Revision flushed_floor_;
  Revision rewritten_below_;

  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace holdfast
