#pragma once

// A command in words, for people who look at a log.

#include <string>
#include <string_view>

namespace holdfast {

// One line. Long keys and values are cut, bytes that are no printable ASCII are escaped. A payload
// that is no command is said to be none.
std::string text_of_command(std::string_view payload);

}  // namespace holdfast
