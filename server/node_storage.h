#pragma once

// Opens what a node has on its disk, the state and then the log, and makes good what is damaged
// where other nodes have it. Blocking; before the node serves.

#include <memory>
#include <string>
#include <utility>

#include "replication/node/recovery.h"
#include "server/data_directory.h"
#include "server/suspicion.h"
#include "storage/kv/rocks_engine.h"
#include "storage/log/log_writer.h"

namespace holdfast {

struct NodeStorage {
  std::unique_ptr<RocksEngine> engine;
  std::unique_ptr<KvStateMachine> machine;
  std::unique_ptr<SegmentedLog> log;
  raft::Recovered recovered;
};

struct StoragePlaces {
  std::string data;   // the data directory
  std::string group;  // the folder of the group
  std::string log;
};

// An error says what is damaged, or gone, and what to do. Where there are peers, a damaged log is
// mended, and the node is in quarantine then, and a damaged state is dropped and made anew (see
// raft::Recovered); where its vote may be lost, that the node is to rejoin is noted (rejoin.h) and
// the process starts anew, if the state, or else URLS, says where clients reach the others; if
// neither does, that is an error. What of it turns out to be damaged later is told to `suspicion`.
// Of `state` all stands but where it lies, and who is told of damage.
Result<NodeStorage> open_node_storage(FileSystem& fs, const Identity& identity,
                                      const StoragePlaces& places,
                                      const SegmentedLog::Options& options, Suspicion& suspicion,
                                      RocksEngine::Options state = {});

// What of it is not whole yet. On the loop.
class Repairs {
 public:
  Repairs(FileSystem& fs, StoragePlaces places, Suspicion& suspicion, const raft::Recovered& found)
      : fs_(fs),
        places_(std::move(places)),
        suspicion_(suspicion),
        quarantined_(found.quarantined),
        lacks_state_(found.lacks_state) {}

  bool any() const { return quarantined_ || lacks_state_; }
  // The log turned out to lack what it had acknowledged: that is on disk when this returns.
  void begin_quarantine(const raft::Status& status);
  // To be called where a repair goes on. The note of a quarantine that is over is removed; until it
  // is gone, a start begins where it says. The other one stays until the new state is proven.
  void settle(const raft::Status& status, LogWriter& log);

 private:
  FileSystem& fs_;
  const StoragePlaces places_;
  Suspicion& suspicion_;
  bool quarantined_;
  bool lacks_state_;
};

}  // namespace holdfast
