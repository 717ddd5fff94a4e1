#pragma once

// A scan of rows that lie in two layers: what the upper one says of a key, it says alone.

#include <iterator>
#include <map>
#include <string_view>

#include "storage/kv/engine.h"

namespace holdfast {

// `upper` maps keys to what `row_of` makes a std::optional<Row> of (no row: deleted); `scan_lower`
// scans the same range of the lower layer for the visitor that it is given.
template <class Map, class RowOf, class ScanLower>
void scan_layers(const Map& upper, const RangeScan& scan, const RowOf& row_of,
                 const ScanLower& scan_lower, const Engine::Visitor& visit) {
  if (!scan.end.empty() && scan.end <= scan.start) return;
  const auto first = upper.lower_bound(scan.start);
  const auto last = scan.end.empty() ? upper.end() : upper.lower_bound(scan.end);

  const auto merge = [&](auto at, const auto end, const auto comes_before) {
    bool wanted = true;
    const auto give_upper = [&] {
      const std::optional<Row>& row = row_of(at->second);
      if (row) wanted = visit(at->first, row->info, row->value);
      ++at;
    };
    const auto give_lower = [&](std::string_view key, const RowInfo& info, std::string_view value) {
      while (wanted && at != end && comes_before(std::string_view(at->first), key)) give_upper();
      if (!wanted) return false;
      if (at != end && at->first == key) {
        give_upper();
      } else {
        wanted = visit(key, info, value);
      }
      return wanted;
    };
    scan_lower(Engine::Visitor(give_lower));
    while (wanted && at != end) give_upper();
  };
  if (scan.reverse) {
    merge(std::make_reverse_iterator(last), std::make_reverse_iterator(first), std::greater<>());
  } else {
    merge(first, last, std::less<>());
  }
}

}  // namespace holdfast
