#include "server/api/key_range.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/api/json_text.h"
#include "storage/base/bytes.h"
#include "storage/base/codec.h"
#include "storage/kv/command.h"

namespace holdfast {
namespace {

using http::Problem;

constexpr char kCursorVersion = 1;

std::expected<std::string, Problem> take_bound(http::Query& query, std::string_view name) {
  std::string bound = query.take(name).value_or("");
  HOLDFAST_TRY(check_bound(name, bound));
  return bound;
}

}  // namespace

std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

KeyRange range_of_key(const std::string& key) {
  return {.start = key, .end = key + '\0', .bounded = true};
}

std::expected<void, Problem> check_bound(std::string_view name, std::string_view bound) {
  if (bound.size() <= kKeyBytesMax) return {};
  return std::unexpected(Problem{
      .code = http::Code::kKeyTooLarge,
      .detail = fmt::format("'{}' has {} bytes, the limit is {}", name, bound.size(), kKeyBytesMax),
      .figures = {{"limit", kKeyBytesMax}}});
}

KeyRange range_of(std::string prefix, const std::string& start, std::string end) {
  KeyRange range{.start = std::max(start, prefix), .end = std::move(end), .bounded = false};
  range.bounded = !prefix.empty() || !start.empty() || !range.end.empty();
  const std::string prefix_end = end_of_prefix(std::move(prefix));
  if (range.end.empty() || (!prefix_end.empty() && prefix_end < range.end)) range.end = prefix_end;
  return range;
}

std::expected<KeyRange, Problem> take_range(http::Query& query) {
  std::string prefix;
  std::string start;
  std::string end;
  HOLDFAST_ASSIGN(prefix, take_bound(query, "prefix"));
  HOLDFAST_ASSIGN(start, take_bound(query, "start"));
  HOLDFAST_ASSIGN(end, take_bound(query, "end"));
  return range_of(std::move(prefix), start, std::move(end));
}

uint64_t checksum_of(const KeyRange& range) {
  std::string both;
  put_fixed(both, uint64_t{range.start.size()});
  return checksum(both.append(range.start).append(range.end));
}

std::string encode_cursor(const Cursor& cursor) {
  std::string bytes(1, kCursorVersion);
  put_fixed(bytes, cursor.revision.value);
  put_fixed(bytes, static_cast<uint8_t>(cursor.reverse));
  put_fixed(bytes, cursor.range_checksum);
  put_fixed(bytes, static_cast<uint16_t>(cursor.start.size()));
  bytes.append(cursor.start).append(cursor.end);
  return to_base64url(bytes);
}

std::optional<Cursor> decode_cursor(std::string_view text) {
  const std::optional<std::string> bytes = from_base64url(text);
  if (!bytes || bytes->empty() || bytes->front() != kCursorVersion) return std::nullopt;
  FixedReader reader(std::string_view(*bytes).substr(1));
  const auto revision = reader.take<uint64_t>();
  const auto reverse = reader.take<uint8_t>();
  const auto range_checksum = reader.take<uint64_t>();
  const auto start_size = reader.take<uint16_t>();
  if (!revision || !reverse || !range_checksum || !start_size) return std::nullopt;
  if (*revision == 0 || *reverse > 1) return std::nullopt;
  const auto start = reader.take_bytes(*start_size);
  // A bound of ours may be one byte longer than a key: the first key behind it.
  if (!start || start->size() > kKeyBytesMax || reader.rest().size() > kKeyBytesMax + 1) {
    return std::nullopt;
  }
  return Cursor{
      {*revision}, *reverse == 1, std::string(*start), std::string(reader.rest()), *range_checksum};
}

}  // namespace holdfast
