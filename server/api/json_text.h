#pragma once

// Bytes as JSON: text where they are valid UTF-8, else under the same name with `_base64` added.
// Written by hand, since a page of a scan is thousands of items.

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

// `"name":"text"` or `"name_base64":"…"` (RFC 4648, section 4, padded), without a comma.
void append_json_bytes(std::string& out, std::string_view name, std::string_view bytes);

// RFC 4648, section 4, padded.
std::optional<std::string> from_base64(std::string_view text);
// RFC 4648, section 5, without padding: for what stands in a URL.
std::string to_base64url(std::string_view bytes);
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace holdfast
