#pragma once

// The past of a key, and how much of the past there is: GET /v1/history/{key}, POST /v1/compact,
// GET and PATCH /v1/cluster/settings.

#include "server/api/answers.h"

namespace holdfast {

inline constexpr uint64_t kVersions = 100;  // unless `limit` says otherwise
inline constexpr uint64_t kVersionsMax = 1'000;

Task<Outcome> show_history(Services& services, http::Request request);
Task<Outcome> compact_history(Services& services, http::Request request);
Task<Outcome> show_settings(Services& services, http::Request request);
Task<Outcome> change_settings(Services& services, http::Request request);

// The settings as JSON, without a line's end.
std::string settings_text(const Settings& settings);

}  // namespace holdfast
