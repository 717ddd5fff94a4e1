#pragma once

// What tasks need, supplied by a thread that blocks until it is there.

#include <functional>

#include "client/task.h"

namespace holdfast {

// For a Readiness or a Lookup, which is what a connection needs.
Supply supply_connection(const Need& need, const Clock& clock);
// For these and a Pause, which is what a call needs that tells nothing on its way.
Supply supply_call(const Need& need, const Clock& clock, const std::function<void(Duration)>& wait);

}  // namespace holdfast
