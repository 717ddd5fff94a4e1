#pragma once

// What is known of the newest version of keys written lately, so that a put over a hot key asks the
// engine for nothing. A fixed number of places; a key that falls on a taken place takes it over.
// Apply thread only, and told of every write, so that what it knows is what the engine holds.

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
  struct Place {
    std::string key;  // whole: another key of the same hash must never pass for it; empty: free
    std::optional<RowInfo> newest;
  };

  std::vector<Place> places_;
};

}  // namespace holdfast
