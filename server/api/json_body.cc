#include "server/api/json_body.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/json_text.h"
#include "storage/base/check.h"
#include "storage/base/result.h"

namespace holdfast {
namespace {

using http::Problem;
using nlohmann::json;

constexpr size_t kDepthMax = 32;
constexpr size_t kFewFieldsBytesMax = size_t{64} << 10;

// Looks at a body before anything is built of it: one value costs much more memory than its text.
// A look of its own, since the parser with a callback goes through an object's whole parent each
// time that the object ends: for a list of objects that is quadratic.
class Look final : public nlohmann::json_sax<json> {
 public:
  explicit Look(size_t values_max) : values_max_(values_max) {}
  const std::string& objection() const { return objection_; }

  bool null() override { return count(); }
  bool boolean(bool /*value*/) override { return count(); }
  bool number_integer(int64_t /*value*/) override { return count(); }
  bool number_unsigned(uint64_t /*value*/) override { return count(); }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return count(); }
  bool string(std::string& /*value*/) override { return count(); }
  bool binary(json::binary_t& /*value*/) override { return count(); }
  bool start_object(size_t /*size*/) override {
    names_.emplace_back();
    return open();
  }
  bool key(std::string& name) override {
    return names_.back().insert(name).second ||
           object(fmt::format("it has the field '{}' twice", name));
  }
  bool end_object() override {
    names_.pop_back();
    return close();
  }
  bool start_array(size_t /*size*/) override { return open(); }
  bool end_array() override { return close(); }
  bool parse_error(size_t at, const std::string& /*token*/,
                   const json::exception& /*error*/) override {
    return object(fmt::format("it is no JSON, from byte {} on", at));
  }

 private:
  bool object(std::string why) {
    objection_ = std::move(why);
    return false;
  }
  bool count() {
    return ++values_ <= values_max_ ||
           object(fmt::format("it has more than {} values", values_max_));
  }
  bool open() {
    if (++depth_ > kDepthMax)
      return object(fmt::format("it is nested deeper than {} levels", kDepthMax));
    return count();
  }
  bool close() {
    --depth_;
    return true;
  }

  const size_t values_max_;
  size_t values_ = 0;
  size_t depth_ = 0;
  std::vector<std::set<std::string>> names_;  // of the objects that are open
  std::string objection_;
};

}  // namespace

Problem bad_field(std::string_view path, std::string_view why) {
  return http::bad_request(fmt::format("{}: {}", path.empty() ? "the body" : path, why));
}

std::expected<json, Problem> parse_json(std::string_view body, size_t values_max) {
  Look look(values_max);
  if (!json::sax_parse(body, &look)) return std::unexpected(bad_field("", look.objection()));
  json parsed = json::parse(body, nullptr, /*allow_exceptions=*/false);
  CHECK(!parsed.is_discarded());
  return parsed;
}

std::expected<json, Problem> parse_few_fields(std::string_view body) {
  if (body.size() <= kFewFieldsBytesMax) return parse_json(body, kFewFieldsBytesMax);
  return std::unexpected(
      Problem{.code = http::Code::kValueTooLarge,
              .detail = fmt::format("the body has {} bytes, the limit of this call is {}",
                                    body.size(), kFewFieldsBytesMax),
              .figures = {{"limit", kFewFieldsBytesMax}}});
}

std::expected<JsonFields, Problem> JsonFields::of(const json& object, std::string path) {
  if (!object.is_object()) return std::unexpected(bad_field(path, "it must be a JSON object"));
  return JsonFields(object, std::move(path));
}

std::string JsonFields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

const json* JsonFields::take(std::string_view name) {
  const auto found = json_->find(name);
  if (found == json_->end()) return nullptr;
  taken_.push_back(name);
  return &*found;
}

std::expected<std::optional<std::string>, Problem> JsonFields::take_text(std::string_view name) {
  const json* const field = take(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_string()) return std::unexpected(bad_field(path_of(name), "it must be text"));
  return field->get<std::string>();
}

std::expected<std::optional<std::string>, Problem> JsonFields::take_bytes(std::string_view name) {
  std::optional<std::string> text;
  HOLDFAST_ASSIGN(text, take_text(name));
  const std::string encoded_name = fmt::format("{}_base64", name);
  const auto encoded = json_->find(encoded_name);
  if (encoded == json_->end()) return text;
  // Views into names that stay: those of the object itself.
  taken_.push_back(encoded.key());
  if (text) {
    return std::unexpected(
        bad_field(path_of(name), fmt::format("give it or '{}', not both", encoded_name)));
  }
  if (encoded->is_string()) text = from_base64(encoded->get_ref<const std::string&>());
  if (text) return text;
  return std::unexpected(
      bad_field(path_of(encoded_name), "it must be base64 with padding (RFC 4648, section 4)"));
}

std::expected<std::optional<uint64_t>, Problem> JsonFields::take_number(std::string_view name) {
  const json* const field = take(name);
  if (field == nullptr) return std::nullopt;
  if (field->is_number_unsigned()) return field->get<uint64_t>();
  return std::unexpected(bad_field(path_of(name), "it must be a whole number, 0 or more"));
}

std::expected<bool, Problem> JsonFields::take_flag(std::string_view name) {
  const json* const field = take(name);
  if (field == nullptr) return false;
  if (field->is_boolean()) return field->get<bool>();
  return std::unexpected(bad_field(path_of(name), "it must be true or false"));
}

std::expected<void, Problem> JsonFields::finish() const {
  for (auto field = json_->begin(); field != json_->end(); ++field) {
    if (std::ranges::find(taken_, field.key()) != taken_.end()) continue;
    return std::unexpected(bad_field(path_of(field.key()), "this field is not known here"));
  }
  return {};
}

}  // namespace holdfast
