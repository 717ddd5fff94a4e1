#include "storage/base/skewed_clock.h"

#include <cmath>

#include "storage/base/check.h"

namespace holdfast {
namespace {

Duration scaled(Duration time, double factor) {
  // Without a detour where nothing is to be changed: a double counts nanoseconds for 104 days only.
  if (factor == 1) return time;
  return Duration(std::llround(static_cast<double>(time.count()) * factor));
}

}  // namespace

SkewedClock::SkewedClock(const Clock& machine)
    : machine_(machine), machine_then_(machine.now()), shown_then_(machine_then_) {}

void SkewedClock::set(const ClockSkew& skew) {
  CHECK(skew.rate > 0);
  const std::lock_guard lock(mutex_);
  const Instant machine_now = machine_.now();
  shown_then_ = shown_at(machine_now);
  machine_then_ = machine_now;
  skew_ = skew;
}

Instant SkewedClock::now() const {
  // The machine is asked under the lock: asked before, a thread could show a time from before a
  // change by the rate behind it.
  const std::lock_guard lock(mutex_);
  return shown_at(machine_.now());
}

Instant SkewedClock::shown_at(Instant machine_now) const {
  return shown_then_ + scaled(machine_now - machine_then_, skew_.rate);
}

WallTime SkewedClock::wall() const {
  const std::lock_guard lock(mutex_);
  return machine_.wall() + skew_.wall_jump;
}

Instant SkewedClock::on_machine(Instant at) const {
  if (at == kNever) return at;
  const std::lock_guard lock(mutex_);
  return machine_then_ + scaled(at - shown_then_, 1 / skew_.rate);
}

}  // namespace holdfast
