#include "bench/load/run_result.h"

#include <algorithm>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "storage/base/text.h"

namespace holdfast::load {
namespace {

// Of what was due, so much may be under way when the measured time ends: what there are places for,
// as far as that is little, and in any case a hundredth, or ten.
constexpr double kUnderWayMost = 0.05;
constexpr double kUnderWayShare = 0.01;
constexpr double kUnderWayLeast = 10;
constexpr double kNoTimeToSpare = 0.95;  // of a core
constexpr Duration kTooLate = std::chrono::milliseconds(10);

std::string codes_of(const std::map<std::string, uint64_t>& counts, std::string_view what) {
  if (counts.empty()) return {};
  uint64_t sum = 0;
  std::string codes;
  for (const auto& [code, count] : counts) {
    sum += count;
    codes += fmt::format("{}{} ×{}", codes.empty() ? "" : ", ", code, with_commas(count));
  }
  return fmt::format("{} {} ({})", with_commas(sum), what, codes);
}

}  // namespace

double RunResult::rate() const {
  return static_cast<double>(tally.done_in_all()) / std::chrono::duration<double>(measured).count();
}

double RunResult::rate_of(OpKind kind) const {
  return static_cast<double>(tally.done[static_cast<size_t>(kind)]) /
         std::chrono::duration<double>(measured).count();
}

double RunResult::busiest() const {
  double most = watcher_cpu ? watcher_cpu->share() : 0;
  for (const CpuUse& use : cpu) most = std::max(most, use.share());
  return most;
}

double RunResult::cores() const {
  return std::accumulate(cpu.begin(), cpu.end(), watcher_cpu ? watcher_cpu->share() : 0.0,
                         [](double sum, const CpuUse& use) { return sum + use.share(); });
}

Verdict RunResult::verdict() const {
  const bool is_busy = busiest() >= kNoTimeToSpare;
  if (!asked) return is_busy ? Verdict::kGeneratorBehind : Verdict::kMeasured;
  const double due = *asked * std::chrono::duration<double>(measured).count();
  const double missing = due - static_cast<double>(tally.done_in_all());
  const double under_way = std::max({kUnderWayLeast, kUnderWayShare * due,
                                     std::min(static_cast<double>(places), kUnderWayMost * due)});
  const bool is_kept = missing <= under_way;
  if (is_kept && tally.unsent.count() == 0) return Verdict::kMeasured;
  const bool is_late = tally.late.percentile(0.99) > kTooLate;
  return is_busy || is_late ? Verdict::kGeneratorBehind : Verdict::kServerBehind;
}

std::string error_line(const RunResult& run) {
  const Outcomes& outcomes = run.tally.outcomes;
  std::vector<std::string> parts{codes_of(outcomes.refused, "refused"),
                                 codes_of(outcomes.unknown, "unknown")};
  if (outcomes.not_connected > 0) {
    parts.push_back(with_commas(outcomes.not_connected) + " connections refused");
  }
  if (run.undelivered > 0) parts.push_back(with_commas(run.undelivered) + " not delivered");
  std::erase(parts, "");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::vector<std::string> warnings(const RunResult& run) {
  std::vector<std::string> said;
  if (run.has_errors()) said.push_back("ERRORS: " + error_line(run));
  const std::string threads =
      fmt::format("its busiest thread took {:.0f} % of a core", 100 * run.busiest());
  switch (run.verdict()) {
    case Verdict::kMeasured:
      break;
    case Verdict::kServerBehind:
      said.push_back(fmt::format(
          "NOT KEPT: {:.0f}/s were asked for, {:.0f}/s were answered in time and {} never sent. No "
          "rate is reported. The server was behind, not the generator: {}",
          *run.asked, run.rate(), with_commas(run.tally.unsent.count()), threads));
      break;
    case Verdict::kGeneratorBehind:
      said.push_back(
          run.asked
              ? fmt::format(
                    "NOT KEPT: {:.0f}/s were asked for, {:.0f}/s were answered. No rate is "
                    "reported. The generator was behind: {}, and sent what was due up to "
                    "{:.1f} ms late (p99); give it more --threads, or a machine of its own",
                    *run.asked, run.rate(), threads,
                    std::chrono::duration<double, std::milli>(run.tally.late.percentile(0.99))
                        .count())
              : fmt::format("THE GENERATOR WAS THE LIMIT: {}. The server may be able to do more; "
                            "give the generator more --threads, or a machine of its own",
                            threads));
      break;
  }
  return said;
}

}  // namespace holdfast::load
