#include "tests/sim/node_clock.h"

#include <algorithm>

namespace holdfast::sim {

int64_t draw_rate(const ClockPlan& plan, Random& random) {
  const uint64_t spread = static_cast<uint64_t>(plan.fastest - plan.slowest);
  return plan.slowest + static_cast<int64_t>(random.below(spread + 1));
}

// Where a count of few bits would wrap soon: 2^31 and 2^32 of ns, µs and ms, what a double holds
// exactly, and half of what 64 bits with a sign hold. 2^32 ms are 50 days.
NodeClock draw_clock(const ClockPlan& plan, Random& random, Instant now) {
  constexpr int64_t kWraps[] = {
      int64_t{1} << 31,          int64_t{1} << 32, (int64_t{1} << 31) * 1000,
      (int64_t{1} << 32) * 1000, int64_t{1} << 53, (int64_t{1} << 31) * 1'000'000,
      int64_t{1} << 62,          int64_t{0},       (int64_t{1} << 32) * 1'000'000,
  };
  Duration origin = random.between(Duration{}, Duration(std::chrono::hours(1)));
  if (plan.far_origins) {
    const int64_t wrap = kWraps[random.below(std::size(kWraps))];
    const Duration before = random.between(Duration{}, Duration(std::chrono::seconds(15)));
    origin = std::max(Duration{}, Duration(wrap) - before);
  }
  return {Instant(origin), draw_rate(plan, random), now};
}

}  // namespace holdfast::sim
