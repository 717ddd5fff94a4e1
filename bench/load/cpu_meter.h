#pragma once

// How much of a core the calling thread takes in the measured time of a run.

#include "bench/load/tally.h"
#include "storage/base/clock.h"

namespace holdfast::load {

// The processor's time that a thread took, and the time in which it did.
struct CpuUse {
  Duration busy{};
  Duration elapsed{};

  double share() const;  // of one core
};

class CpuMeter {
 public:
  explicit CpuMeter(const Window& window) : window_(window) {}

  // To be called now and then by the thread: the first and the last look in the measured time bound
  // what is measured.
  void look(Instant now);
  CpuUse use() const { return use_; }

 private:
  const Window& window_;
  Instant from_{};
  Duration before_{};
  CpuUse use_;
};

}  // namespace holdfast::load
