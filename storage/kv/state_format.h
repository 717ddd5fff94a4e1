#pragma once

// The form of all that a state holds, as a number in it: raised when an older program could no more
// read what a newer one writes. Form 1, which need not even be written down, is from before the
// first release, whose form was 2. Form 3 has locks: a state takes it with its first lock, so that
// nodes of the version before read what this one writes as long as nobody uses what is new.

#include <cstdint>

#include "storage/base/result.h"
#include "storage/kv/engine.h"

namespace holdfast {

// Under kFormat (own_names.h), as a u64.
inline constexpr uint64_t kFirstFormat = 2;
inline constexpr uint64_t kFormatWithLocks = 3;
inline constexpr uint64_t kStateFormat = kFormatWithLocks;  // the newest that is read

// kInvalid: the state with these named values is of a newer form, or of one that no release wrote.
// kCorrupt: it cannot be read. A state that has no entry yet may be without a form: it will be of
// the first.
Result<uint64_t> format_in(const NamedValues& values);

}  // namespace holdfast
