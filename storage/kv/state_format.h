#pragma once

// The form of all that a state holds, as a number in it: raised when an older program could no more
// read what a newer one writes. Form 1, which need not even be written down, is from before the
// first release, whose form was 2.

#include <cstdint>

#include "storage/base/result.h"
#include "storage/kv/engine.h"

namespace holdfast {

// Under kFormat (own_names.h), as a u64.
inline constexpr uint64_t kStateFormat = 2;

// kInvalid: the state with these named values is of a newer form, or of one that no release wrote.
// kCorrupt: it cannot be read. A state that has no entry yet may be without a form.
Result<> check_format(const NamedValues& values);

}  // namespace holdfast
