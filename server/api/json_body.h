#pragma once

// The JSON of a request's body, read strictly: what is doubled, of another kind, or not known is a
// problem, which names the field by its path (`then[2].put.key`).

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "server/http/problem.h"

namespace holdfast {

// 400. `path` empty: it is about the body itself.
http::Problem bad_field(std::string_view path, std::string_view why);

// 400: it is no JSON, names a field of one object twice, is nested too deep, or has more than
// `values_max` objects, lists, fields and elements in all. Takes time as its length grows, whatever
// it holds.
std::expected<nlohmann::json, http::Problem> parse_json(std::string_view body, size_t values_max);
// The body of a call that takes a few fields: at most 64 KiB, else 413.
std::expected<nlohmann::json, http::Problem> parse_few_fields(std::string_view body);

// The fields of one object, taken one after the other.
class JsonFields {
 public:
  // `object` must outlive it. `path`: how errors name the object; empty: the body itself.
  static std::expected<JsonFields, http::Problem> of(const nlohmann::json& object,
                                                     std::string path);

  const std::string& path() const { return path_; }
  std::string path_of(std::string_view name) const;

  const nlohmann::json* take(std::string_view name);  // null: it is not there
  std::expected<std::optional<std::string>, http::Problem> take_text(std::string_view name);
  // `name` as text, or `name`_base64.
  std::expected<std::optional<std::string>, http::Problem> take_bytes(std::string_view name);
  std::expected<std::optional<uint64_t>, http::Problem> take_number(std::string_view name);
  std::expected<bool, http::Problem> take_flag(std::string_view name);  // false: it is not there
  // Whatever was not taken is an error.
  std::expected<void, http::Problem> finish() const;

 private:
  JsonFields(const nlohmann::json& object, std::string path)
      : json_(&object), path_(std::move(path)) {}

  const nlohmann::json* json_;
  std::string path_;
  std::vector<std::string_view> taken_;
};

}  // namespace holdfast
