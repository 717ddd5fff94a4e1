#include "bench/load/histogram.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace holdfast::load {
namespace {

double error_of(Duration told, Duration real) {
  if (real == Duration::zero()) return std::abs(static_cast<double>(told.count()));
  return std::abs(static_cast<double>((told - real).count())) / static_cast<double>(real.count());
}

TEST(HistogramTest, ItTellsNothingOfNothing) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.percentile(0.5), Duration::zero());
  EXPECT_EQ(empty.mean(), Duration::zero());
  EXPECT_EQ(empty.shortest(), Duration::zero());
  EXPECT_EQ(empty.longest(), Duration::zero());
}

// Every bucket's edges, from a nanosecond to an hour, with what lies beside them.
TEST(HistogramTest, NoValueIsFurtherOffThanPromised) {
  for (int bits = 0; bits < 42; ++bits) {
    for (const int64_t beside : {-1, 0, 1}) {
      for (const int64_t part : {0, 1, 77, 128, 255}) {
        const int64_t power = int64_t{1} << bits;
        const Duration value(std::max<int64_t>(0, power + beside + power / 256 * part));
        Histogram one;
        one.record(value);
        // Of one value the median would be exact: it lies between the shortest and the longest.
        one.record(Duration::zero());
        one.record(std::chrono::hours(48));
        EXPECT_LE(error_of(one.percentile(0.5), value), Histogram::kErrorMax) << value.count();
      }
    }
  }
}

TEST(HistogramTest, PercentilesAreThoseOfTheSortedValues) {
  Random random(1);
  std::vector<Duration> values;
  Histogram histogram;
  for (int i = 0; i < 20'000; ++i) {
    // From a microsecond to a second, as many in each decade.
    const double exponent = 3 + 6 * static_cast<double>(random.below(1'000'000)) / 1e6;
    values.emplace_back(static_cast<int64_t>(std::pow(10, exponent)));
    histogram.record(values.back());
  }
  std::ranges::sort(values);
  for (const double share : {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * 20'000));
    const Duration real = values[rank == 0 ? 0 : rank - 1];
    EXPECT_LE(error_of(histogram.percentile(share), real), Histogram::kErrorMax) << share;
  }
  EXPECT_EQ(histogram.shortest(), values.front());
  EXPECT_EQ(histogram.longest(), values.back());
}

TEST(HistogramTest, AddedUpTheyAreAsOne) {
  Random random(2);
  Histogram one;
  Histogram other;
  Histogram both;
  for (int i = 0; i < 5'000; ++i) {
    const Duration value(static_cast<int64_t>(random.below(1'000'000'000)));
    (i % 3 == 0 ? one : other).record(value);
    both.record(value);
  }
  one.add(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.mean(), both.mean());
  for (const double share : {0.1, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(one.percentile(share), both.percentile(share));
  }
}

TEST(HistogramTest, WhatItCannotHoldIsCountedAtItsEnds) {
  Histogram histogram;
  histogram.record(Duration(-5));
  histogram.record(std::chrono::hours(48));
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.shortest(), Duration::zero());
  EXPECT_GT(histogram.longest(), Duration(std::chrono::minutes(70)));
}

}  // namespace
}  // namespace holdfast::load
