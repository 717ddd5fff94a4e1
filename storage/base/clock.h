#pragma once

// Time is given in, never taken: only shells hold a Clock, logic is told `now`.

#include <chrono>
#include <cstdint>

namespace holdfast {

using Duration = std::chrono::nanoseconds;
// A point on one node's steady clock; comparable on that node only.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;
// A point on the calendar; for people and for `at=`, never for timeouts.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

inline constexpr Instant kNever = Instant::max();

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;
  // When, by the machine's own steady clock, `now` will be `at`: for timers that the machine rings.
  virtual Instant on_machine(Instant at) const { return at; }
};

// Milliseconds since 1970.
uint64_t wall_ms(const Clock& clock);

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  WallTime wall() const override;
};

}  // namespace holdfast
