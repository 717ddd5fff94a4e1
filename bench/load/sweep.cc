#include "bench/load/sweep.h"

#include <cmath>

#include "storage/base/check.h"

namespace holdfast::load {
namespace {

constexpr double kRateMax = 1e8;

}  // namespace

void Sweep::tell(bool was_good) {
  CHECK(next_);
  (was_good ? good_ : bad_) = next_;
  if (!bad_) {
    next_ = *next_ * factor_;
    if (*next_ > kRateMax) next_.reset();
  } else if (good_ && halvings_left_ > 0) {
    --halvings_left_;
    next_ = std::sqrt(*good_ * *bad_);
  } else {
    next_.reset();
  }
}

}  // namespace holdfast::load
