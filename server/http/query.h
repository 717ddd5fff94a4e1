#pragma once

// Percent-encoding, and the parameters behind a path's '?'.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/result.h"

namespace holdfast::http {

// Decodes once, and changes nothing else: `..`, `//`, `+` and NUL come out as they are.
// kInvalid: a '%' that two hexadecimal digits do not follow.
Result<std::string> percent_decode(std::string_view encoded);

// The parameters of one request. A handler takes each that it knows and then calls `finish`: what
// is left, and what came twice, is an error, never ignored.
class Query {
 public:
  // kInvalid: bad percent-encoding, or a name that comes twice.
  static Result<Query> parse(std::string_view raw);

  // One that came otherwise than in a URL; its name is new.
  void add(std::string name, std::string value) {
    parameters_.emplace_back(std::move(name), std::move(value));
  }

  std::optional<std::string> take(std::string_view name);
  // kInvalid: parameters that nobody took; the message names the first.
  Result<> finish() const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

}  // namespace holdfast::http
