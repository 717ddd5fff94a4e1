#include "storage/kv/recent_rows.h"

#include "storage/base/bytes.h"

namespace holdfast {
namespace {

// Together at most 8 MiB, and 4 MiB with keys of 40 bytes.
constexpr size_t kPlaces = 1 << 15;
constexpr size_t kKeyBytesKept = 160;

size_t place_of(std::string_view key) {
  return checksum(key) % kPlaces;
}

}  // namespace

RecentRows::RecentRows() : places_(kPlaces) {}

std::optional<std::optional<RowInfo>> RecentRows::find(std::string_view key) const {
  const Place& place = places_[place_of(key)];
  if (place.key.empty() || place.key != key) return std::nullopt;
  return place.newest;
}

void RecentRows::remember(std::string_view key, const std::optional<RowInfo>& newest) {
  if (key.size() > kKeyBytesKept) return;
  Place& place = places_[place_of(key)];
  if (place.key != key) place.key = key;
  place.newest = newest;
}

}  // namespace holdfast
