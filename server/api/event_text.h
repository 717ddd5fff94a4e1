#pragma once

// Server-Sent Events as text (WHATWG HTML, section 9.2).

#include <string>
#include <string_view>

namespace holdfast {

// `id` and `data` are one line each. Whoever comes back with `id` was told all up to there.
void append_event(std::string& out, std::string_view name, std::string_view id,
                  std::string_view data);

}  // namespace holdfast
