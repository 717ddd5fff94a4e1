#pragma once

// The form of all that a state holds, as a number in it: raised when an older program could no more
// read what a newer one writes. A state from before it was written down has form 1.

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/result.h"
#include "storage/kv/engine.h"

namespace holdfast {

// Under kFormat (own_names.h), as a u64.
inline constexpr uint64_t kStateFormat = 1;

std::string encode_format(uint64_t format);
// kInvalid: the state with these named values is of a newer form. kCorrupt: it cannot be read.
Result<> check_format(const NamedValues& values);

}  // namespace holdfast
