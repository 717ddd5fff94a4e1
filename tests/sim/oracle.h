#pragma once

// Judges a history against the log that was committed. The order of revisions is the order in
// which changes took effect, as the servers claim it; if it agrees with real time and every answer
// agrees with a replay in that order, the history is linearizable. Beside that, changes that one
// client has sent to one node, in one life of it, take effect in the order in which they were sent.

#include <optional>
#include <string_view>
#include <vector>

#include "storage/log/log_entry.h"
#include "tests/sim/history.h"
#include "tests/sim/invariants.h"

namespace holdfast::sim {

// The verdicts; each says one thing only.
namespace verdict {
inline constexpr std::string_view kLost = "lost";        // acknowledged, and not in the log
inline constexpr std::string_view kDoubled = "doubled";  // one request, two entries
inline constexpr std::string_view kPhantom = "phantom";  // seen, and nobody wrote it so
inline constexpr std::string_view kStale = "stale";      // a read of what was true once
inline constexpr std::string_view kEarly = "early";      // a change before one that had returned
inline constexpr std::string_view kRefusedThenSeen = "refused, then seen";
inline constexpr std::string_view kWrongAnswer = "wrong answer";
inline constexpr std::string_view kOvertaken = "overtaken";  // by a later change of its client
}  // namespace verdict

struct Judgement {
  std::optional<Violation> verdict;  // the first that was found; its rule is one of the above
  uint64_t unknown_then_seen = 0;    // allowed; counted
};

// `committed`: every entry, from the first.
Judgement judge(const History& history, const std::vector<EntryPtr>& committed);

}  // namespace holdfast::sim
