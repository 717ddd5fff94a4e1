#pragma once

// Many keys: GET /v1/kv (a scan, page by page at one revision) and DELETE /v1/kv (a range, at
// once).

#include "server/api/answers.h"

namespace holdfast {

inline constexpr uint64_t kPageItems = 1'000;  // unless `limit` says otherwise
inline constexpr uint64_t kPageItemsMax = 10'000;
inline constexpr size_t kPageBytesMax = size_t{4} << 20;

Task<Outcome> scan_keys(Services& services, http::Request request);
Task<Outcome> delete_range(Services& services, http::Request request);

}  // namespace holdfast
