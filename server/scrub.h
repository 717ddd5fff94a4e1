#pragma once

// Reads back what nobody asks for: bit rot in a file that is never read would be noticed when it is
// the last copy. A thread of its own that goes over every file of the state, and every segment of
// the log but the newest, and compares their checksums, at a bounded speed; then it makes the
// state's hash anew from the rows of a checkpoint, for what was written wrongly has a checksum,
// too. Where only that hash is another, nothing is done but to say so.

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
#include "storage/kv/state_check.h"
#include "storage/state_machine.h"

namespace holdfast {

class Metrics;

class Scrub {
 public:
  struct Options {
    // From the end of a pass to the next one, and from the start; less while the state is in doubt.
    Duration every;
    std::string log;          // the log's folder
    std::string checkpoint;   // a folder for one, which need not be there
    uint64_t bytes_a_second;  // on the average of a file and the pause behind it
    // Whether the state holds all that the log had at the start; asked on the scrub's thread.
    std::function<bool()> has_replayed;
    // A checkpoint keeps files that would go: it goes before its end where there is none any more.
    // Asked there, too.
    std::function<bool()> has_room;
  };

  // All that is given by reference outlives it. Damage is told to `suspicion`, that of the state
  // through the engine.
  Scrub(Options options, FileSystem& fs, RocksEngine& engine, StateMachine& machine,
        Suspicion& suspicion, Metrics& metrics);
  ~Scrub();  // ends a pass in the middle
  Scrub(const Scrub&) = delete;
  Scrub& operator=(const Scrub&) = delete;

 private:
  void run();
  bool is_due(Duration waited) const;
  bool can_prove_state() const;
  bool pass();  // true: all is whole
  // True: nothing is wrong, as far as there was room to look.
  bool add_up(const std::function<bool(uint64_t bytes)>& pace);
  bool judge(const Result<SumsCheck>& sums);
  bool remove_checkpoint();
  void prove_state();
  bool pause(Duration length);  // false: it is over
  bool spend(uint64_t bytes);

  const Options options_;
  FileSystem& fs_;
  RocksEngine& engine_;
  StateMachine& machine_;
  Suspicion& suspicion_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace holdfast
