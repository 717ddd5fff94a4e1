#include "client/cli/scan_pages.h"

#include <algorithm>

namespace holdfast::cli {
namespace {

constexpr uint64_t kPageItems = 1000;

}  // namespace

ReadOutcome<ScanTotal> scan_pages(KvClient& client, ScanQuery query,
                                  const std::function<void(const ScanPage&)>& take) {
  const uint64_t limit = query.limit;
  ScanTotal total;
  while (true) {
    // Counting is not a matter of pages unless the server makes it one.
    if (limit > 0) query.limit = std::min(limit - total.count, kPageItems);
    const ReadOutcome<ScanPage> page = client.scan(query);
    if (!page) return std::unexpected(page.error());
    total.revision = page->revision;
    total.count += page->count;
    take(*page);
    if (page->next.empty() || (limit > 0 && total.count >= limit)) return total;
    query.cursor = page->next;
  }
}

}  // namespace holdfast::cli
