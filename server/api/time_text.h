#pragma once

// Moments and durations as text, as the API spells them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/clock.h"

namespace holdfast {

// RFC 3339: 2026-11-25T14:03:05.25Z, or with an offset as +01:00. Milliseconds since 1970, what is
// finer cut off; years from 1970 to 9999, no leap second.
std::optional<uint64_t> parse_time(std::string_view text);
// In UTC, with milliseconds.
std::string time_text(uint64_t wall_ms);

// In the largest of h, m, s and ms that says it exactly.
std::string duration_text(Duration duration);

}  // namespace holdfast
