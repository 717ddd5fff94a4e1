#include "bench/load/cpu_meter.h"

#include <sys/resource.h>

namespace holdfast::load {
namespace {

Duration duration_of(const timeval& time) {
  return Duration(std::chrono::seconds(time.tv_sec)) + std::chrono::microseconds(time.tv_usec);
}

Duration cpu_of_this_thread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return duration_of(usage.ru_utime) + duration_of(usage.ru_stime);
}

}  // namespace

double CpuUse::share() const {
  if (elapsed <= Duration::zero()) return 0;
  return std::chrono::duration<double>(busy) / std::chrono::duration<double>(elapsed);
}

void CpuMeter::look(Instant now) {
  if (!window_.is_measured(now)) return;
  if (from_ == Instant{}) {
    from_ = now;
    before_ = cpu_of_this_thread();
    return;
  }
  use_ = {.busy = cpu_of_this_thread() - before_, .elapsed = now - from_};
}

}  // namespace holdfast::load
