#include "server/http/query.h"

#include <algorithm>

#include <fmt/format.h>

namespace holdfast::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::string> percent_decode(std::string_view encoded) {
  std::string bytes;
  bytes.reserve(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      bytes.push_back(encoded[i]);
      continue;
    }
    const int high = i + 1 < encoded.size() ? hex_value(encoded[i + 1]) : -1;
    const int low = i + 2 < encoded.size() ? hex_value(encoded[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("'{}' is not percent-encoding: two hexadecimal digits must follow "
                              "'%', and a '%' itself is written %25",
                              encoded.substr(i, 3)));
    }
    bytes.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return bytes;
}

Result<Query> Query::parse(std::string_view raw) {
  Query query;
  while (!raw.empty()) {
    const std::string_view pair = raw.substr(0, raw.find('&'));
    raw.remove_prefix(std::min(pair.size() + 1, raw.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    std::string name;
    std::string value;
    HOLDFAST_ASSIGN(name, percent_decode(pair.substr(0, equals)));
    HOLDFAST_ASSIGN(value, percent_decode(pair.substr(std::min(equals + 1, pair.size()))));
    for (const auto& known : query.parameters_) {
      if (known.first == name) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("the query parameter '{}' comes twice: give it once", name));
      }
    }
    query.parameters_.emplace_back(std::move(name), std::move(value));
  }
  return query;
}

std::optional<std::string> Query::take(std::string_view name) {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const auto& parameter) { return parameter.first == name; });
  if (found == parameters_.end()) return std::nullopt;
  std::string value = std::move(found->second);
  parameters_.erase(found);
  return value;
}

Result<> Query::finish() const {
  if (parameters_.empty()) return {};
  return fail(ErrorCode::kInvalid,
              fmt::format("unknown query parameter '{}': this call does not take it",
                          parameters_.front().first));
}

}  // namespace holdfast::http
