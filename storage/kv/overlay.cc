#include "storage/kv/overlay.h"

#include <algorithm>

#include "storage/base/check.h"
#include "storage/kv/command.h"

namespace holdfast {
namespace {

[[noreturn]] void stop(const Error& error) {
  fatal(fmt::format("applying the log stopped, the state cannot be read: {}", error.message));
}

}  // namespace

std::optional<RowInfo> Overlay::newest(std::string_view key) const {
  if (const auto found = newest_.find(key); found != newest_.end()) return found->second;
  if (const auto known = recent_.find(key)) return *known;
  Result<std::optional<RowInfo>> stored = engine_.get_info(key, base_);
  if (!stored) stop(stored.error());
  return *stored;
}

std::optional<std::vector<Overlay::Found>> Overlay::range(const std::string& start,
                                                          const std::string& end) const {
  std::vector<Found> found;
  if (!end.empty() && end <= start) return found;
  uint64_t bytes = 0;
  const auto add = [&](std::string_view key, const RowInfo& info) {
    bytes += key.size();
    found.push_back({std::string(key), info});
    return found.size() <= kRangeKeysMax && bytes <= kRangeBytesMax;
  };
  bool fits = true;

  const auto last = end.empty() ? newest_.end() : newest_.lower_bound(end);
  for (auto at = newest_.lower_bound(start); fits && at != last; ++at) {
    if (at->second) fits = add(at->first, *at->second);
  }
  const auto visit = [&](std::string_view key, const RowInfo& info, std::string_view) {
    // Where the batch touched a key, what the engine knows of it is old.
    if (!newest_.contains(key)) fits = add(key, info);
    return fits;
  };
  if (fits) {
    const Result<> scanned = engine_.scan({.start = start, .end = end, .at = base_}, visit);
    if (!scanned) stop(scanned.error());
  }
  if (!fits) return std::nullopt;
  std::ranges::sort(found, {}, &Found::key);
  return found;
}

void Overlay::write(RevisionWrite write) {
  const RevisionWrite& kept = written_.emplace_back(std::move(write));
  for (const RowWrite& row : kept.rows) {
    const auto info = row.row ? std::optional(row.row->info) : std::nullopt;
    newest_[row.key] = info;
    recent_.remember(row.key, info);
  }
}

}  // namespace holdfast
