#include "tests/sim/trace.h"

#include <fmt/format.h>

namespace holdfast::sim {

namespace {

constexpr std::array<std::string_view, kMarks> kNames = {
    "elections",
    "elections without a winner",
    "step-downs by check-quorum",
    "pre-votes refused",
    "votes refused",
    "appends rejected",
    "truncations",
    "torn tails",
    "unsynced writes lost",
    "unsynced writes kept",
    "loads from disk for a follower",
    "loads from disk to apply",
    "changes given to a second leader",
    "doubled forwards at the leader",
    "forwards refused",
    "reads asked again",
    "refused: no leader",
    "refused: overloaded",
    "refused: timeout",
    "refused: unknown",
    "refused: rejected",
    "refused: fenced",
    "refused: overtaken",
    "unknown, then seen",
    "conditions that failed",
    "crashes",
    "crashes of all nodes",
    "cuts",
    "pauses",
    "slow disks",
    "messages lost",
    "messages doubled",
    "news of crashes",
    "false news of crashes",
    "transfers asked for",
    "take-overs",
    "state taken back to a flush",
    "stalled disks",
    "damaged logs",
    "damage found at a start",
    "damaged logs healed",
    "damaged logs whose promises may be lost",
    "damaged states",
    "damaged states made anew",
    "majorities with a state to make anew",
    "starts with other settings",
    "changes of a clock's rate",
    "cuts that stay",
    "changes asked for behind others",
    "for ever: the leader too",
    "for ever: down",
    "for ever: cut off",
    "for ever: does not hear",
    "for ever: is not heard",
    "for ever: each link one way",
    "for ever: paused",
    "for ever: disk stalled",
    "for ever: links lose half",
    "for ever: disk full",
    "log files let go",
    "loads of what was let go",
    "states sent",
    "transfers that failed",
    "transfers ended",
    "states not wanted",
    "states put in use",
    "states ahead of their log",
    "members to be added",
    "members to be removed",
    "members that left",
    "expiries that deleted keys",
    "leases not found",
    "locks that somebody had",
    "answers given again",
    "transactions whose compares failed",
    "history floors that rose",
    "reads of the past",
    "reads of what was forgotten",
    "hashes compared",
    "disks that others fill",
    "reserves given back",
    "writes that wait for room",
    "disks with room again",
    "refused: no room",
};

}  // namespace

std::string_view name(Mark mark) {
  return kNames[static_cast<size_t>(mark)];
}

void Marks::add(const Marks& other) {
  for (size_t i = 0; i < kMarks; ++i) counts_[i] += other.counts_[i];
}

void Trace::line(Instant now, NodeId node, const std::string& text) {
  const double ms = static_cast<double>(now.time_since_epoch().count()) / 1e6;
  std::string line = fmt::format("{:10.3f} {} {}", ms, node.value, text);
  if (kind_ == TraceKind::kPrintAll) fmt::print("{}\n", line);
  std::deque<std::string>& lines = lines_[node];
  lines.push_back(std::move(line));
  if (lines.size() > kLinesKept) lines.pop_front();
}

std::string Trace::last_lines() const {
  std::string out;
  for (const auto& [node, lines] : lines_) {
    out += node ? fmt::format("--- node {}\n", node.value) : std::string("--- the world\n");
    for (const std::string& line : lines) out += line + "\n";
  }
  return out;
}

}  // namespace holdfast::sim
