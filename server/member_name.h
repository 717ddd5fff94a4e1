#pragma once

// What a node may be called: the name stands in paths, headers and lists without any quoting.

#include <algorithm>
#include <string_view>

namespace holdfast {

inline constexpr std::string_view kMemberNameRule =
    "a name is 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or a digit";

constexpr bool is_member_name(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 64 && is_plain(text.front()) &&
         std::ranges::all_of(
             text, [&](char c) { return is_plain(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace holdfast
