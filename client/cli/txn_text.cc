#include "client/cli/txn_text.h"

#include <charconv>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "client/text_forms.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

// At most `most` words; the last one is the rest.
std::vector<std::string_view> words_of(std::string_view text, size_t most) {
  std::vector<std::string_view> words;
  while (words.size() + 1 < most) {
    const size_t end = text.find(' ');
    if (end == std::string_view::npos) break;
    words.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  words.push_back(text);
  return words;
}

void set_bytes(OrderedJson& object, const std::string& name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    object[name] = bytes;
  } else {
    object[name + "_base64"] = to_base64(bytes);
  }
}

Result<OrderedJson> operation_of(const std::string& text) {
  const std::unexpected<Error> unreadable =
      fail(ErrorCode::kInvalid,
           fmt::format("'{}' is none of: put KEY VALUE, get KEY, delete KEY, delete-prefix PREFIX, "
                       "scan PREFIX",
                       text));
  const std::vector<std::string_view> words = words_of(text, 2);
  if (words.size() != 2) return unreadable;
  const std::string_view name = words[0];
  OrderedJson inner;
  if (name == "put") {
    const std::vector<std::string_view> pair = words_of(words[1], 2);
    if (pair.size() != 2) return unreadable;
    set_bytes(inner, "key", pair[0]);
    set_bytes(inner, "value", pair[1]);
    return OrderedJson{{"put", inner}};
  }
  if (name == "get" || name == "delete") {
    set_bytes(inner, "key", words[1]);
    return OrderedJson{{std::string(name), inner}};
  }
  if (name != "delete-prefix" && name != "scan") return unreadable;
  set_bytes(inner, "prefix", words[1]);
  return OrderedJson{{name == "scan" ? "scan" : "delete", inner}};
}

Result<OrderedJson> compare_of(const std::string& text) {
  const std::vector<std::string_view> words = words_of(text, 4);
  if (words.size() != 4) {
    return fail(ErrorCode::kInvalid,
                fmt::format("'{}' is not KEY TARGET OP VALUE, as: a mod_revision == 7", text));
  }
  OrderedJson compare;
  set_bytes(compare, "key", words[0]);
  compare["target"] = words[1];
  compare["op"] = words[2];
  const std::string_view value = words[3];
  if (words[1] == "value") {
    set_bytes(compare, "value", value);
  } else if (words[1] == "lease") {
    compare["value"] = value == "none" ? OrderedJson() : OrderedJson(value);
  } else if (words[1] == "exists" && (value == "true" || value == "false")) {
    compare["value"] = value == "true";
  } else {
    uint64_t number = 0;
    const auto end = std::from_chars(value.data(), value.data() + value.size(), number);
    if (end.ec != std::errc() || end.ptr != value.data() + value.size()) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("'{}': {} is compared with a number (exists: true or false)", text,
                              words[1]));
    }
    compare["value"] = number;
  }
  return compare;
}

Result<OrderedJson> list_of(const std::vector<std::string>& texts,
                            Result<OrderedJson> (*read)(const std::string&)) {
  OrderedJson list = OrderedJson::array();
  for (const std::string& text : texts) {
    OrderedJson one;
    HOLDFAST_ASSIGN(one, read(text));
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

Result<std::string> json_of(const TypedTransaction& typed) {
  OrderedJson body;
  HOLDFAST_ASSIGN(body["if"], list_of(typed.compares, compare_of));
  HOLDFAST_ASSIGN(body["then"], list_of(typed.then, operation_of));
  HOLDFAST_ASSIGN(body["else"], list_of(typed.otherwise, operation_of));
  return body.dump();
}

}  // namespace holdfast::cli
