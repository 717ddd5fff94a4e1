#pragma once

// Ranges of keys as clients name them (`prefix`, `start`, `end`), and the cursor that continues a
// scan of one at the same revision.

#include <expected>
#include <optional>
#include <string>

#include "server/http/problem.h"
#include "server/http/query.h"
#include "storage/base/ids.h"

namespace holdfast {

// Keys in [start, end), byte order; an empty end means to the last key.
struct KeyRange {
  std::string start;
  std::string end;
  bool bounded = false;  // the client has named at least one bound

  bool has(std::string_view key) const { return key >= start && (end.empty() || key < end); }
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

KeyRange range_of_key(const std::string& key);
// The first key behind all keys with that prefix; empty: there is none.
std::string end_of_prefix(std::string prefix);
// `prefix` together with `start` and `end` means the keys that are in both.
KeyRange range_of(std::string prefix, const std::string& start, std::string end);
std::expected<KeyRange, http::Problem> take_range(http::Query& query);
// 414, by the limit of a key.
std::expected<void, http::Problem> check_bound(std::string_view name, std::string_view bound);

// Where a scan goes on. Opaque to clients; it needs no bounds beside it, and where a client gives
// them again they must be those that the scan began with.
struct Cursor {
  Revision revision;
  bool reverse = false;
  std::string start;  // what is left of the range
  std::string end;
  uint64_t range_checksum = 0;  // of the range that the scan began with
  friend bool operator==(const Cursor&, const Cursor&) = default;
};
uint64_t checksum_of(const KeyRange& range);
std::string encode_cursor(const Cursor& cursor);
std::optional<Cursor> decode_cursor(std::string_view text);

}  // namespace holdfast
