#pragma once

// Durations, counted in buckets whose width grows with what they hold: whatever is told of a
// recorded value is within kErrorMax of it, from a nanosecond to over an hour. 37 KiB, whatever is
// recorded; adding is an increment. Used by one thread at a time.

#include <cstdint>
#include <vector>

#include "storage/base/clock.h"

namespace holdfast::load {

class Histogram {
 public:
  static constexpr double kErrorMax = 1.0 / 256;  // as a share of the value

  Histogram();

  // Less than nothing is counted as nothing, more than 73 minutes as that.
  void record(Duration value);
  void add(const Histogram& other);

  uint64_t count() const { return count_; }
  // The smallest value that at least this share (0 to 1) of all do not exceed. Zero where nothing
  // was recorded, as the next three.
  Duration percentile(double share) const;
  Duration mean() const;
  Duration shortest() const;  // exact
  Duration longest() const;   // exact

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  double sum_ns_ = 0;
  Duration shortest_ = Duration::max();
  Duration longest_ = Duration::zero();
};

}  // namespace holdfast::load
