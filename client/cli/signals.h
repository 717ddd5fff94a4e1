#pragma once

// Signals that are waited for. They must be blocked in every thread.

#include <csignal>
#include <initializer_list>

#include "storage/base/clock.h"

namespace holdfast::cli {

sigset_t signal_set(std::initializer_list<int> numbers);
// The one of `signals` that came within `patience`, or 0.
int wait_for_signal(const sigset_t& signals, Duration patience);

}  // namespace holdfast::cli
