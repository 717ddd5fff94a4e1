#pragma once

// The forms in which arbitrary bytes travel as text: base64 in JSON, percent-encoding in a URL.

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

// RFC 4648 section 4, with padding.
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

// A key as part of a URL's path: unreserved characters (RFC 3986) and '/' stay.
std::string path_encoded(std::string_view bytes);
// Any bytes as the value of a query parameter: only unreserved characters stay.
std::string query_encoded(std::string_view bytes);

}  // namespace holdfast
