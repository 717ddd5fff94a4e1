#pragma once

// A seeded generator with our own distributions: the same seed gives the same run with every
// compiler and library, which the standard's distributions do not promise.
// xoshiro256++ (Blackman, Vigna 2019), seeded through splitmix64.

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "storage/base/clock.h"

namespace holdfast {

class Random {
 public:
  explicit Random(uint64_t seed);

  uint64_t next();
  uint64_t below(uint64_t bound);                   // uniform in [0, bound); bound > 0
  uint64_t between(uint64_t first, uint64_t last);  // uniform in [first, last]
  Duration between(Duration first, Duration last);
  bool chance(double probability);
  Random fork() { return Random(next()); }  // an independent stream

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::array<uint64_t, 4> state_;
};

// 64 bits from the operating system, for ids and seeds; called by shells only.
uint64_t random_from_system();

}  // namespace holdfast
