#include "server/api/watch_index.h"

#include <algorithm>

namespace holdfast {
namespace {

bool is_one_key(const KeyRange& range) {
  return range.end.size() == range.start.size() + 1 && range.end.back() == '\0' &&
         range.end.starts_with(range.start);
}

bool is_prefix(const KeyRange& range) {
  return range.end == end_of_prefix(range.start);
}

template <class Map, class Key>
bool take_out(Map& map, const Key& key, WatchIndex::Id watch) {
  const auto found = map.find(key);
  std::erase(found->second, watch);
  if (!found->second.empty()) return false;
  map.erase(found);
  return true;
}

void append(std::vector<WatchIndex::Id>& found, const std::vector<WatchIndex::Id>& more) {
  found.insert(found.end(), more.begin(), more.end());
}

}  // namespace

void WatchIndex::add(const KeyRange& range, Id watch) {
  if (is_one_key(range)) {
    keys_[range.start].push_back(watch);
  } else if (is_prefix(range)) {
    std::vector<Id>& watches = prefixes_[range.start];
    if (watches.empty()) ++lengths_[range.start.size()];
    watches.push_back(watch);
  } else {
    ranges_[{range.start, range.end}].push_back(watch);
  }
}

void WatchIndex::remove(const KeyRange& range, Id watch) {
  if (is_one_key(range)) {
    take_out(keys_, range.start, watch);
  } else if (is_prefix(range)) {
    if (!take_out(prefixes_, range.start, watch)) return;
    const auto length = lengths_.find(range.start.size());
    if (--length->second == 0) lengths_.erase(length);
  } else {
    take_out(ranges_, std::pair(range.start, range.end), watch);
  }
}

void WatchIndex::find(std::string_view key, std::vector<Id>& found) const {
  if (const auto one = keys_.find(key); one != keys_.end()) append(found, one->second);
  for (const auto& [length, count] : lengths_) {
    if (length > key.size()) break;
    const auto prefix = prefixes_.find(key.substr(0, length));
    if (prefix != prefixes_.end()) append(found, prefix->second);
  }
  for (const auto& [bounds, watches] : ranges_) {
    if (bounds.first > key) break;
    if (bounds.second.empty() || key < bounds.second) append(found, watches);
  }
}

}  // namespace holdfast
