#include "storage/base/clock.h"

namespace holdfast {

Instant SystemClock::now() const {
  return std::chrono::steady_clock::now();
}

WallTime SystemClock::wall() const {
  return std::chrono::system_clock::now();
}

uint64_t wall_ms(const Clock& clock) {
  const auto since_epoch = clock.wall().time_since_epoch() / std::chrono::milliseconds(1);
  return since_epoch > 0 ? static_cast<uint64_t>(since_epoch) : 0;
}

}  // namespace holdfast
