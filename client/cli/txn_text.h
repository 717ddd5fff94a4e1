#pragma once

// A transaction as it is typed, made into the API's JSON.

#include <string>
#include <vector>

#include "storage/base/result.h"

namespace holdfast::cli {

struct TypedTransaction {
  std::vector<std::string> compares;   // KEY TARGET OP VALUE
  std::vector<std::string> then;       // put KEY VALUE, get KEY, delete KEY, scan PREFIX …
  std::vector<std::string> otherwise;  // the same
};

// kInvalid: the message names what cannot be read. Words are parted by single spaces; the last one
// goes to the end, so that a value may hold spaces.
Result<std::string> json_of(const TypedTransaction& typed);

}  // namespace holdfast::cli
