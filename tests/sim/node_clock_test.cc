#include "tests/sim/node_clock.h"

#include <gtest/gtest.h>

namespace holdfast::sim {
namespace {

constexpr Instant kOrigin{std::chrono::hours(24 * 50)};

Instant ms(int64_t count) {
  return Instant(std::chrono::milliseconds(count));
}

TEST(NodeClock, RunsAtItsRateFromItsOrigin) {
  NodeClock clock(kOrigin, 700, ms(10));
  EXPECT_EQ(clock.at(ms(10)), kOrigin);
  EXPECT_EQ(clock.at(ms(110)), kOrigin + std::chrono::milliseconds(70));
  clock.set_rate(1300, ms(110));
  EXPECT_EQ(clock.at(ms(110)), kOrigin + std::chrono::milliseconds(70)) << "a change is no jump";
  EXPECT_EQ(clock.at(ms(210)), kOrigin + std::chrono::milliseconds(200));
}

TEST(NodeClock, ATimerIsNeverEarly) {
  for (const int64_t permille : {700, 999, 1000, 1001, 1300}) {
    NodeClock clock(kOrigin, permille, ms(0));
    for (int64_t ns = 10; ns < 3000; ++ns) {
      const Instant shown = kOrigin + Duration(ns);
      const Duration wait = clock.until(shown, ms(0));
      EXPECT_GE(clock.at(ms(0) + wait), shown);
      EXPECT_LT(clock.at(ms(0) + wait - Duration(2)), shown);
    }
  }
}

TEST(NodeClock, TellsWhenItShowedAMomentAndIsNeverLate) {
  NodeClock clock(kOrigin, 700, ms(0));
  clock.set_rate(1300, ms(100));
  clock.set_rate(1000, ms(200));
  for (int64_t at = 0; at <= 300; at += 7) {
    const Instant now = ms(at);
    const Instant shown = at < 100 ? kOrigin + (now - ms(0)) * 7 / 10
                          : at < 200
                              ? kOrigin + std::chrono::milliseconds(70) + (now - ms(100)) * 13 / 10
                              : kOrigin + std::chrono::milliseconds(200) + (now - ms(200));
    EXPECT_LE(clock.when(shown), now);
    EXPECT_GE(clock.when(shown), now - Duration(2));
  }
}

}  // namespace
}  // namespace holdfast::sim
