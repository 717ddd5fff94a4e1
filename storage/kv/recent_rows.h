#pragma once

// What is known of the newest version of keys written lately, so that a put over a hot key asks the
// engine for nothing. A fixed number of places, a few for each hash; a key that finds them all
// taken takes one over. Apply thread only, and told of every write, so that what it knows is what
// the engine holds.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/kv/engine.h"

namespace holdfast {

class RecentRows {
 public:
  RecentRows();

  // No answer: not known. An answer with nothing in it: the key does not exist.
  std::optional<std::optional<RowInfo>> find(std::string_view key) const;
  void remember(std::string_view key, const std::optional<RowInfo>& newest);

 private:
  static constexpr size_t kPlacesOfASet = 4;
  struct Place {
    std::string key;  // whole: another key of the same hash must never pass for it
    std::optional<RowInfo> newest;
  };
  using Tags = std::array<uint32_t, kPlacesOfASet>;  // of the keys in a set, by place; kFree

  // Nobody: the key is not known.
  const Place* look_up(std::string_view key, uint64_t hash) const;

  std::vector<Tags> tags_;  // apart, so that a place is looked at only where the key may be
  std::vector<Place> places_;
  size_t next_taken_ = 0;
};

}  // namespace holdfast
