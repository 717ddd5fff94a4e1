#pragma once

// `holdfast drill lecture`: the four reasons for distribution, each shown and measured, and what
// distribution costs.

#include <string>

#include "bench/drill/exits.h"
#include "storage/base/clock.h"

namespace holdfast::drill {

struct LecturePlan {
  std::string holdfastd;
  Duration part = std::chrono::seconds(4);  // of each measurement
  uint64_t seed = 1;
};

Exit give_lecture(const LecturePlan& plan);

}  // namespace holdfast::drill
