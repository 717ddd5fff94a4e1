#pragma once

// Operations in words, for people.

#include <string>

#include "bench/drill/history.h"

namespace holdfast::drill {

// "c3 at n2, 1.204 s to 1.207 s: put k7 = "v12": ok, created, revision 9". Times are since
// `origin`.
std::string in_words(const Operation& operation, const Names& names, int64_t origin);

}  // namespace holdfast::drill
