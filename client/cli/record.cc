#include "client/cli/record.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "client/text_forms.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

using Json = nlohmann::json;

Result<std::string> bytes_of(const Json& line, const std::string& name) {
  const auto text = line.find(name);
  const auto coded = line.find(name + "_base64");
  if ((text == line.end()) == (coded == line.end())) {
    return fail(ErrorCode::kInvalid,
                fmt::format("exactly one of \"{}\" and \"{}_base64\" is expected", name, name));
  }
  const Json& field = text != line.end() ? *text : *coded;
  if (!field.is_string()) {
    return fail(ErrorCode::kInvalid, fmt::format("\"{}\" is not a string", name));
  }
  if (text != line.end()) return field.get<std::string>();
  std::optional<std::string> bytes = from_base64(field.get_ref<const std::string&>());
  if (!bytes) return fail(ErrorCode::kInvalid, fmt::format("\"{}_base64\" is not base64", name));
  return *std::move(bytes);
}

}  // namespace

Result<Record> parse_record(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return fail(ErrorCode::kInvalid, "the line is not a JSON object");
  Record record;
  HOLDFAST_ASSIGN(record.key, bytes_of(json, "key"));
  HOLDFAST_ASSIGN(record.value, bytes_of(json, "value"));
  if (record.key.empty()) return fail(ErrorCode::kInvalid, "the key is empty");
  return record;
}

std::string record_line(std::string_view key, std::string_view value) {
  return fmt::format("{{{},{}}}", json_member("key", key), json_member("value", value));
}

std::string json_quoted(std::string_view utf8) {
  return Json(utf8).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string json_quoted_or_null(std::string_view utf8) {
  return utf8.empty() ? "null" : json_quoted(utf8);
}

std::string json_member(std::string_view name, std::string_view bytes) {
  return is_utf8(bytes) ? fmt::format("\"{}\":{}", name, json_quoted(bytes))
                        : fmt::format("\"{}_base64\":\"{}\"", name, to_base64(bytes));
}

std::string json_lifetime(std::string_view lease, std::optional<uint64_t> ttl_ms) {
  if (!lease.empty()) return "," + json_member("lease", lease);
  return ttl_ms ? fmt::format(",\"ttl_ms\":{}", *ttl_ms) : "";
}

}  // namespace holdfast::cli
