#pragma once

// What all replicas decide by, changed through the log.

#include <cstdint>

namespace holdfast {

struct Settings {
  static constexpr uint64_t kKeepHistoryMsMin = 10'000;
  static constexpr uint64_t kKeepHistoryMsMax = uint64_t{366} * 24 * 3600 * 1000;

  uint64_t keep_history_ms = 3'600'000;
  friend bool operator==(const Settings&, const Settings&) = default;
};

}  // namespace holdfast
