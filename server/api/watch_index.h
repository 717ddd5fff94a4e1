#pragma once

// Which watches a key concerns. A write must not cost what all watches cost together: those of one
// key are found by the key, those of a prefix by as many lookups as there are lengths of prefixes;
// only ranges that are neither are gone through, each once however many watches have it.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/api/key_range.h"

namespace holdfast {

class WatchIndex {
 public:
  using Id = uint64_t;

  void add(const KeyRange& range, Id watch);
  void remove(const KeyRange& range, Id watch);
  bool empty() const { return keys_.empty() && prefixes_.empty() && ranges_.empty(); }

  // Adds to `found` every watch whose range has `key`.
  void find(std::string_view key, std::vector<Id>& found) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using ByText = std::unordered_map<std::string, std::vector<Id>, Hash, std::equal_to<>>;

  ByText keys_;
  ByText prefixes_;
  std::map<size_t, size_t> lengths_;  // of prefixes → how many there are
  std::map<std::pair<std::string, std::string>, std::vector<Id>> ranges_;  // start and end
};

}  // namespace holdfast
