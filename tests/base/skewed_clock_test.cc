#include "storage/base/skewed_clock.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class HandClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override { return WallTime(now_.time_since_epoch() + hours(1000)); }
  void advance(Duration time) { now_ += time; }

 private:
  Instant now_{hours(1)};
};

class SkewedClockTest : public testing::Test {
 protected:
  HandClock machine_;
  SkewedClock clock_{machine_};
};

TEST_F(SkewedClockTest, IsTheMachinesWhereNothingIsSet) {
  machine_.advance(hours(24 * 3650) + Duration(1));
  EXPECT_EQ(clock_.now(), machine_.now());
  EXPECT_EQ(clock_.wall(), machine_.wall());
  EXPECT_EQ(clock_.on_machine(clock_.now() + seconds(7)), machine_.now() + seconds(7));
}

TEST_F(SkewedClockTest, TheCalendarJumpsAndSteadyTimeDoesNot) {
  const Instant before = clock_.now();
  clock_.set({.wall_jump = -hours(1)});
  EXPECT_EQ(clock_.wall(), machine_.wall() - hours(1));
  EXPECT_EQ(clock_.now(), before);
  clock_.set({});
  EXPECT_EQ(clock_.wall(), machine_.wall());
}

TEST_F(SkewedClockTest, SteadyTimeRunsAtItsRateAndNeverGoesBack) {
  const Instant begin = clock_.now();
  clock_.set({.rate = 2});
  machine_.advance(seconds(10));
  EXPECT_EQ(clock_.now() - begin, seconds(20));
  clock_.set({.rate = 0.5});
  EXPECT_EQ(clock_.now() - begin, seconds(20));
  machine_.advance(seconds(10));
  EXPECT_EQ(clock_.now() - begin, seconds(25));
  clock_.set({});
  machine_.advance(seconds(1));
  EXPECT_EQ(clock_.now() - begin, seconds(26)) << "it goes on from where it was";
}

TEST_F(SkewedClockTest, SaysWhenTheMachineIsToRing) {
  clock_.set({.rate = 4});
  machine_.advance(seconds(10));
  const Instant deadline = clock_.now() + seconds(8);
  EXPECT_EQ(clock_.on_machine(deadline), machine_.now() + seconds(2));
  machine_.advance(seconds(2));
  EXPECT_EQ(clock_.now(), deadline);
  EXPECT_EQ(clock_.on_machine(kNever), kNever);
}

}  // namespace
}  // namespace holdfast
