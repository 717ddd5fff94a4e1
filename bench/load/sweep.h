#pragma once

// The search for the knee: the highest rate of an open loop that is kept with a p99 that is
// allowed. Rates rise by a factor until one is not good; then the gap to the last good one is
// halved, in ratio, a few times. Without I/O: it is told how each rate went.

#include <cstdint>
#include <optional>

namespace holdfast::load {

class Sweep {
 public:
  Sweep(double first, double factor, uint32_t halvings)
      : next_(first), factor_(factor), halvings_left_(halvings) {}

  // The rate to be tried; none: the search is over.
  std::optional<double> next() const { return next_; }
  // How that went.
  void tell(bool was_good);
  // The highest good one; none: not even the first was.
  std::optional<double> knee() const { return good_; }

 private:
  std::optional<double> next_;
  std::optional<double> good_;
  std::optional<double> bad_;
  const double factor_;
  uint32_t halvings_left_;
};

}  // namespace holdfast::load
