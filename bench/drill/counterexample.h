#pragma once

// The few operations that show why a component has no order.

#include "bench/drill/search.h"

namespace holdfast::drill {

struct Counterexample {
  std::vector<uint32_t> operations;  // in order of their starts
  uint32_t culprit = 0;              // whose answer could not be
  bool begins_whole =
      true;  // false: what was before is left out, and whatever it was would not help
};

// `whole` has no order. What is left out was tried: without it there is none either.
Counterexample smallest(Search& search, const History& history, const Versions& versions,
                        const Question& whole);

}  // namespace holdfast::drill
