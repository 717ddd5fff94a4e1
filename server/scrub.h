#pragma once

// Reads back what nobody asks for: bit rot in a file that is never read would be noticed when it is
// the last copy. A thread of its own that goes over every file of the state, and every segment of
// the log but the newest, and compares their checksums, at a bounded speed.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "server/suspicion.h"
#include "storage/base/clock.h"
#include "storage/fs/file_system.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {

class Metrics;

class Scrub {
 public:
  struct Options {
    // From the end of a pass to the next one, and from the start; less while the state is in doubt.
    Duration every;
    std::string log;          // the log's folder
    uint64_t bytes_a_second;  // on the average of a file and the pause behind it
    // Whether the state holds all that the log had at the start; asked on the scrub's thread.
    std::function<bool()> has_replayed;
  };

  // All that is given by reference outlives it. Damage is told to `suspicion`, that of the state
  // through the engine.
  Scrub(Options options, FileSystem& fs, RocksEngine& engine, Suspicion& suspicion,
        Metrics& metrics);
  ~Scrub();  // ends a pass in the middle
  Scrub(const Scrub&) = delete;
  Scrub& operator=(const Scrub&) = delete;

 private:
  void run();
  bool is_due(Duration waited) const;
  bool can_prove_state() const;
  bool pass();  // true: all is whole
  void prove_state();
  bool pause(Duration length);  // false: it is over
  bool spend(uint64_t bytes);

  const Options options_;
  FileSystem& fs_;
  RocksEngine& engine_;
  Suspicion& suspicion_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace holdfast
