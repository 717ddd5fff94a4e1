#pragma once

// Judges a history against the log that was committed. The order of revisions is the order in
// which changes took effect, as the servers claim it; if it agrees with real time and every answer
// agrees with a replay in that order, the history is linearizable.

#include <optional>
#include <vector>

#include "storage/log/log_entry.h"
#include "tests/sim/history.h"
#include "tests/sim/invariants.h"

namespace holdfast::sim {

struct Judgement {
  // "lost", "doubled", "phantom", "refused, then seen", "stale", "wrong answer", "early".
  std::optional<Violation> verdict;
  uint64_t unknown_then_seen = 0;  // allowed; counted
};

// `committed`: every entry, from the first.
Judgement judge(const History& history, const std::vector<EntryPtr>& committed);

}  // namespace holdfast::sim
