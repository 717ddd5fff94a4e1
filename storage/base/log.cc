#include "storage/base/log.h"

#include <memory>

#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace holdfast {
namespace {

bool json_lines = false;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "";
}

void start_log(LogFormat format) {
  auto logger = std::make_shared<spdlog::logger>(
      "holdfast", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->flush_on(spdlog::level::info);
  json_lines = format == LogFormat::kJson;
  logger->set_pattern(json_lines ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%v})"
                                 : "%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %v");
  spdlog::set_default_logger(std::move(logger));
}

void log_line(LogLevel level, std::string_view message) {
  if (!json_lines) {
    spdlog::log(spdlog_level(level), "{}", message);
    return;
  }
  const nlohmann::json quoted = std::string(message);
  spdlog::log(spdlog_level(level), "{}",
              quoted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace holdfast
