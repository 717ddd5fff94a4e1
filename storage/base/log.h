#pragma once

// Log lines for people (text) or machines (JSON, one object a line), on standard error. Callable
// from any thread once `start_log` has been called; before it, lines go out as text.

#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace holdfast {

enum class LogFormat { kText, kJson };
enum class LogLevel { kInfo, kWarning, kError };

std::string_view name_of(LogLevel level);  // info, warning, error

void start_log(LogFormat format);
void log_line(LogLevel level, std::string_view message);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace holdfast
