#include "storage/kv/recent_rows.h"

#include <algorithm>

#include "storage/base/bytes.h"

namespace holdfast {
namespace {

// Together at most 8 MiB, and 4 MiB with keys of 40 bytes.
constexpr size_t kSets = 1 << 13;
constexpr size_t kKeyBytesKept = 160;
constexpr uint32_t kFree = 0;

size_t set_of(uint64_t hash) {
  return hash % kSets;
}

uint32_t tag_of(uint64_t hash) {
  return std::max(static_cast<uint32_t>(hash >> 32), kFree + 1);
}

}  // namespace

RecentRows::RecentRows() : tags_(kSets), places_(kSets * kPlacesOfASet) {}

const RecentRows::Place* RecentRows::look_up(std::string_view key, uint64_t hash) const {
  const Tags& tags = tags_[set_of(hash)];
  for (size_t i = 0; i < kPlacesOfASet; ++i) {
    if (tags.at(i) != tag_of(hash)) continue;
    const Place& place = places_[set_of(hash) * kPlacesOfASet + i];
    if (place.key == key) return &place;
  }
  return nullptr;
}

std::optional<std::optional<RowInfo>> RecentRows::find(std::string_view key) const {
  const Place* place = look_up(key, checksum(key));
  if (place == nullptr) return std::nullopt;
  return place->newest;
}

void RecentRows::remember(std::string_view key, const std::optional<RowInfo>& newest) {
  if (key.size() > kKeyBytesKept) return;
  const uint64_t hash = checksum(key);
  if (const Place* known = look_up(key, hash)) {
    places_[static_cast<size_t>(known - places_.data())].newest = newest;
    return;
  }
  Tags& tags = tags_[set_of(hash)];
  const auto free = std::ranges::find(tags, kFree);
  const size_t taken =
      free != tags.end() ? static_cast<size_t>(free - tags.begin()) : next_taken_++ % kPlacesOfASet;
  tags.at(taken) = tag_of(hash);
  places_[set_of(hash) * kPlacesOfASet + taken] = {std::string(key), newest};
}

}  // namespace holdfast
