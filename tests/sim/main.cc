// holdfast-sim: a whole cluster, its network, disks and clients, in one thread and virtual time.
//
//   holdfast-sim --seed 7            one run
//   holdfast-sim --seeds 1..300      many; at the end, what was reached and how often
//   holdfast-sim --seed 7 --steps 9  up to a step, then the last lines of each node
//   holdfast-sim --seed 7 --trace    every line
//   holdfast-sim --seeds 1..9 --twice   each run twice: the same seed must give the same run

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/sim/simulator.h"

namespace holdfast::sim {
namespace {

struct Options {
  uint64_t first = 1;
  uint64_t last = 1;
  uint64_t steps = UINT64_MAX;
  bool trace = false;
  bool twice = false;
};

// For the signal handler: the run that is going on.
std::atomic<uint64_t> current_seed = 0;
std::atomic<const Simulator*> current_run = nullptr;

std::string replay_command(uint64_t seed, uint64_t steps) {
  return fmt::format("holdfast-sim --seed={} --steps={}", seed, steps);
}

// A CHECK in the product ends the process: the run that led there is told all the same. The abort
// comes from our own code in this thread, so that the heap is sound.
void on_abort(int) {
  const Simulator* run = current_run;
  if (run != nullptr) {
    fmt::print(stderr, "FAILED: the process stopped, step {}\nreplay: {}\n{}", run->steps(),
               replay_command(current_seed, run->steps()), run->last_lines());
  }
  std::fflush(nullptr);
  ::_exit(134);
}

RunResult run_once(uint64_t seed, uint64_t steps, TraceKind kind, bool print_lines) {
  const Plan plan = draw_plan(seed);
  Simulator simulator(plan, kind);
  current_seed = seed;
  current_run = &simulator;
  RunResult result = simulator.run(steps);
  current_run = nullptr;
  if (print_lines) fmt::print("{}", simulator.last_lines());
  return result;
}

void tell(uint64_t seed, const RunResult& result) {
  fmt::print("FAILED: {}: {}\nat step {}\nreplay: {}\nplan:\n{}", result.violation->rule,
             result.violation->detail, result.steps, replay_command(seed, result.steps),
             to_text(draw_plan(seed)));
  std::fflush(stdout);
  run_once(seed, result.steps, TraceKind::kLastLines, true);
}

// What any few hundred runs reach; where they do not, the simulator has lost a fault.
bool reached_what_is_common(const Marks& marks, uint64_t runs) {
  bool all = true;
  fmt::print("reached:\n");
  for (size_t i = 0; i < kMarks; ++i) {
    const Mark mark = static_cast<Mark>(i);
    const bool missing = runs >= 300 && marks.count(mark) == 0;
    fmt::print("  {:32} {:>9}{}\n", name(mark), marks.count(mark),
               missing ? "  NEVER REACHED" : "");
    all = all && !missing;
  }
  return all;
}

int run_all(const Options& options) {
  const TraceKind kind = options.trace                 ? TraceKind::kPrintAll
                         : options.steps != UINT64_MAX ? TraceKind::kLastLines
                                                       : TraceKind::kHashOnly;
  const auto started = SystemClock().now();
  Marks marks;
  uint64_t steps = 0;
  Duration simulated{};
  for (uint64_t seed = options.first; seed <= options.last; ++seed) {
    const RunResult result = run_once(seed, options.steps, kind, kind == TraceKind::kLastLines);
    if (result.violation) {
      tell(seed, result);
      return 1;
    }
    if (options.twice &&
        run_once(seed, options.steps, kind, false).trace_hash != result.trace_hash) {
      fmt::print("FAILED: seed {} does not give the same run twice\n", seed);
      return 1;
    }
    marks.add(result.marks);
    steps += result.steps;
    simulated += result.simulated;
    if (options.first == options.last)
      fmt::print("{}  trace {:016x}\n", to_text(draw_plan(seed)), result.trace_hash);
  }
  const std::chrono::duration<double> took = SystemClock().now() - started;
  const std::chrono::duration<double> virtual_time = simulated;
  const uint64_t runs = options.last - options.first + 1;
  fmt::print(
      "{} runs: {:.0f} simulated seconds in {:.1f} s ({:.0f} in one), {} steps ({:.0f} in "
      "one second)\n",
      runs, virtual_time.count(), took.count(), virtual_time.count() / took.count(), steps,
      static_cast<double>(steps) / took.count());
  return reached_what_is_common(marks, runs) ? 0 : 1;
}

int run(int count, char** arguments) {
  CLI::App app("Runs Holdfast's replicas, logs and state machines under simulated faults.");
  Options options;
  uint64_t seed = 0;
  std::string seeds;
  CLI::Option* one = app.add_option("--seed", seed, "one run");
  app.add_option("--seeds", seeds, "FIRST..LAST: many runs")->excludes(one);
  app.add_option("--steps", options.steps, "stop after so many steps, and print the last lines");
  app.add_flag("--trace", options.trace, "print every line");
  app.add_flag("--twice", options.twice, "each run twice: both must be the same");
  CLI11_PARSE(app, count, arguments);
  if (*one) options.first = options.last = seed;
  if (!seeds.empty() &&
      std::sscanf(seeds.c_str(), "%lu..%lu", &options.first, &options.last) != 2) {
    fmt::print(stderr, "--seeds wants FIRST..LAST, as in 1..300\n");
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  std::signal(SIGSEGV, on_abort);
  return run_all(options);
}

}  // namespace
}  // namespace holdfast::sim

int main(int count, char** arguments) {
  return holdfast::sim::run(count, arguments);
}
