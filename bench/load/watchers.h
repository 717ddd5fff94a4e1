#pragma once

// Many watchers of the keys of a load, on one thread of their own. From each change that comes to
// one it takes when that change was due to be sent, and counts how long it took to get here.

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "bench/load/cpu_meter.h"
#include "bench/load/tally.h"
#include "bench/load/workload.h"
#include "storage/base/clock.h"
#include "storage/base/descriptor.h"

namespace holdfast::load {

class Watchers {
 public:
  // Both outlive it.
  Watchers(const Settings& settings, const Clock& clock);
  ~Watchers();

  // Opens all watches, and returns when each has said that nothing will be missed from now on.
  Result<> open();
  // One run: counts into `tally`, whose thread is this one's until finish().
  void start(Tally& tally, const Window& window);
  // Returns when `expected` changes of the measured time came to all together, or `patience` is
  // over.
  void finish(uint64_t expected, Duration patience);
  // Watches that ended, of which the server said so or not.
  uint64_t ended() const { return ended_.load(); }
  CpuUse cpu() const { return cpu_; }

 private:
  struct Watch;

  void loop();
  // False: it is over.
  bool receive(Watch& watch, Instant now);
  void take_changes(Watch& watch, std::string_view part, Instant now);

  // Set once.
  const Settings& settings_;
  const Clock& clock_;
  const Descriptor epoll_;
  std::vector<std::unique_ptr<Watch>> watches_;
  std::vector<char> buffer_;

  // Of one run.
  Tally* tally_ = nullptr;
  const Window* window_ = nullptr;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> delivered_ = 0;  // of the measured time
  std::atomic<uint64_t> ended_ = 0;
  CpuUse cpu_;
};

}  // namespace holdfast::load
