// What the check of a history costs: 16 clients of 1,000 keys, no fault in it.

#include <sys/resource.h>

#include <benchmark/benchmark.h>

#include "bench/drill/checker.h"
#include "bench/micro/imagined_history.h"
#include "storage/base/check.h"

namespace holdfast::drill {
namespace {

double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void check_of_history(benchmark::State& state) {
  const History history =
      imagine({.operations = static_cast<size_t>(state.range(0)), .keys = 1000}, Random(1));
  for (auto _ : state) {
    const Verdict verdict = check(history);
    CHECK(verdict.is_clean(), "{}", spoken(verdict));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["peak_MiB"] = peak_mib();
}
BENCHMARK(check_of_history)->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast::drill

BENCHMARK_MAIN();
