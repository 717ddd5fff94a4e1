#pragma once

// Numbers, durations and moments as text, spelled alike by the API and by every program; and what
// bytes are text.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/clock.h"

namespace holdfast {

// RFC 3629: no overlong forms, no surrogates.
bool is_utf8(std::string_view bytes);

std::string with_commas(uint64_t number);                    // 12,345
std::string counted(uint64_t number, std::string_view one);  // "1 key", "2 keys"

// A whole number of ms, s, m or h: 250ms, 30s, 5m, 2h. Up to a hundred years.
std::optional<Duration> parse_duration(std::string_view text);
// In the largest of these that says it exactly.
std::string duration_text(Duration duration);

// RFC 3339: 2026-11-25T14:03:05.25Z, or with an offset as +01:00. Milliseconds since 1970, what is
// finer cut off; years from 1970 to 9999, no leap second.
std::optional<uint64_t> parse_time(std::string_view text);
// In UTC, with milliseconds: 2026-11-25T14:03:05.250Z.
std::string time_text(uint64_t wall_ms);
std::string time_text(WallTime time);

}  // namespace holdfast
