#pragma once

// CHECK states what must hold; where it does not, our own code is wrong and the process stops.
// It is on in every build. `fatal` is for a broken outside (a failed sync) after which nothing
// that this process believes can be trusted.

#include <string>
#include <string_view>

#include <fmt/core.h>

namespace holdfast {

[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& detail);

// Says `message` on standard error and ends the process without unwinding.
[[noreturn]] void fatal(std::string_view message);

namespace check_internal {
inline std::string describe() {
  return {};
}
template <class... Args>
std::string describe(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}
}  // namespace check_internal

}  // namespace holdfast

#define CHECK(condition, ...)                                                      \
  do {                                                                             \
    if (!(condition)) [[unlikely]]                                                 \
      ::holdfast::check_failed(#condition, __FILE__, __LINE__,                     \
                               ::holdfast::check_internal::describe(__VA_ARGS__)); \
  } while (false)
