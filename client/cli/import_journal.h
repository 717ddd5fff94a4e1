#pragma once

// What an import tells about itself: how fast, how late, and how long nothing was acknowledged.

#include <array>
#include <cstdint>
#include <mutex>

#include "client/kv_client.h"
#include "storage/base/clock.h"

namespace holdfast::cli {

// Counts of durations in buckets that are at most 1/16 wide: enough for a percentile. From 1 µs
// to over an hour.
class LatencyHistogram {
 public:
  void add(Duration latency);
  // The upper edge of the bucket below which `share` (0 to 1) of all durations lie.
  Duration percentile(double share) const;
  Duration longest() const { return longest_; }

 private:
  static constexpr size_t kSteps = 16;  // per doubling
  static constexpr size_t kBuckets = kSteps * 33;

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t total_ = 0;
  Duration longest_{};
};

struct Pause {
  Duration length{};
  WallTime began{};
};

// Callable from any thread.
class ImportJournal {
 public:
  struct Summary {
    uint64_t records = 0;
    Duration elapsed{};
    Duration since_last_ack{};
    LatencyHistogram latency;
    Pause longest_pause;  // between two acknowledgements
  };

  explicit ImportJournal(const Clock& clock);

  // A record is stored for good; its first try began at `began`.
  void acknowledged(Instant began);
  // Since the last acknowledgement, or since the beginning.
  Duration quiet_for() const;
  uint64_t records() const;
  Summary summary() const;

 private:
  const Clock& clock_;
  const Instant began_;

  mutable std::mutex mutex_;
  // Under the mutex.
  uint64_t records_ = 0;
  Instant last_ack_;
  WallTime last_ack_wall_;
  LatencyHistogram latency_;
  Pause longest_pause_;
};

}  // namespace holdfast::cli
