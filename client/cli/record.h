#pragma once

// Keys and values as lines of NDJSON: what import reads and export writes. Bytes that are not
// UTF-8 stand as base64 under the name with `_base64` added, as in the API.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace holdfast::cli {

struct Record {
  std::string key;
  std::string value;
};

// {"key"|"key_base64": …, "value"|"value_base64": …}; other fields are passed over, so that the
// lines of `scan --json` can be imported. kInvalid says what is wrong.
Result<Record> parse_record(std::string_view line);

// Without the newline.
std::string record_line(std::string_view key, std::string_view value);

// A JSON string.
std::string json_quoted(std::string_view utf8);
// The same, or null where there is nothing to say.
std::string json_quoted_or_null(std::string_view utf8);
// "name":"text", or "name_base64":"…" where the bytes are not UTF-8.
std::string json_member(std::string_view name, std::string_view bytes);
// What ends a key, behind its other members: ,"lease":"…" or ,"ttl_ms":N; empty: nothing does.
std::string json_lifetime(std::string_view lease, std::optional<uint64_t> ttl_ms);

}  // namespace holdfast::cli
