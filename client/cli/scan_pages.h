#pragma once

// A scan to its end: every page at the revision of the first.

#include <functional>

#include "client/kv_client.h"

namespace holdfast::cli {

struct ScanTotal {
  uint64_t revision = 0;
  uint64_t count = 0;
};

// Calls `take` for each page until the keys or the limit end (`query.limit` 0: no limit).
ReadOutcome<ScanTotal> scan_pages(KvClient& client, ScanQuery query,
                                  const std::function<void(const ScanPage&)>& take);

}  // namespace holdfast::cli
