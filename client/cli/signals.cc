#include "client/cli/signals.h"

#include <algorithm>
#include <ctime>

namespace holdfast::cli {

sigset_t signal_set(std::initializer_list<int> numbers) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : numbers) sigaddset(&signals, number);
  return signals;
}

int wait_for_signal(const sigset_t& signals, Duration patience) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(patience);
  const timespec timeout{.tv_sec = whole.count(), .tv_nsec = (patience - whole).count()};
  return std::max(0, ::sigtimedwait(&signals, nullptr, &timeout));
}

}  // namespace holdfast::cli
