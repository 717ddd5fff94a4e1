#pragma once

// A clock that is wrong on purpose, for drills: its calendar is off, or its steady time runs at
// another rate. The steady time never goes back nor jumps, whatever is set. Any thread.

#include <mutex>

#include "storage/base/clock.h"

namespace holdfast {

struct ClockSkew {
  Duration wall_jump{};  // the calendar is so much ahead; negative: behind
  double rate = 1;       // of the steady time; more than 0
  friend bool operator==(const ClockSkew&, const ClockSkew&) = default;
};

class SkewedClock final : public Clock {
 public:
  // `machine` outlives it, and is what it shows as long as nothing is set.
  explicit SkewedClock(const Clock& machine);

  // From now on. A calendar that is put right jumps back; steady time goes on from where it is.
  void set(const ClockSkew& skew);

  Instant now() const override;
  WallTime wall() const override;
  Instant on_machine(Instant at) const override;

 private:
  Instant shown_at(Instant machine_now) const;  // under mutex_

  const Clock& machine_;
  mutable std::mutex mutex_;
  ClockSkew skew_;
  // Both at the same time: when the rate was set.
  Instant machine_then_;
  Instant shown_then_;
};

}  // namespace holdfast
