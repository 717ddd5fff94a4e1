#pragma once

#include "storage/base/clock.h"

namespace holdfast {

// Stands still but for the pauses of the client.
class StillClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override { return {}; }
  void pass(Duration time) { now_ += time; }

 private:
  Instant now_{std::chrono::hours(1)};
};

}  // namespace holdfast
