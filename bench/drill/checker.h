#pragma once

// Whether a history is linearizable, and its local reads are what they promise. A verdict without a
// finding says that no violation was found in so many operations; it proves nothing beyond them.

#include <cstdint>
#include <string>
#include <vector>

#include "bench/drill/history.h"
#include "bench/drill/search.h"

namespace holdfast::drill {

// What cannot be, in words: a title, and the operations that show it, a line each.
struct Violation {
  std::string title;
  std::vector<std::string> lines;
};

struct Verdict {
  uint64_t operations = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;
  uint64_t local_reads = 0;
  uint64_t keys = 0;
  uint64_t components = 0;  // keys that no transaction joins are searched apart
  uint64_t steps = 0;
  std::vector<Violation> violations;
  // What was not decided within the budget. Never a pass.
  std::vector<std::string> undecided;

  bool is_clean() const { return violations.empty() && undecided.empty(); }
};

Verdict check(const History& history, const Budget& budget = {});

// "no violation found in 1,204 operations", or what was found instead: one line.
std::string spoken(const Verdict& verdict);

}  // namespace holdfast::drill
