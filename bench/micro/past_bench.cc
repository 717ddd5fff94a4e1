// Reads by age: a hot key among cold ones, each version of it a revision apart from the next.

#include <filesystem>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/random.h"
#include "storage/kv/history.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {
namespace {

constexpr uint64_t kVersions = 1'000'000;  // of the hot key, one in two revisions
constexpr uint64_t kColdKeys = 100'000;
constexpr Revision kNewest{2 * kVersions + 1};

RowWrite write_of(std::string key, Revision revision, Random& random) {
  std::string value(100, '\0');
  for (char& byte : value) byte = static_cast<char>(random.next());
  return {std::move(key), Row{{{revision}, {revision}, 1, 0}, std::move(value)}};
}

std::string cold_key(uint64_t i) {
  return fmt::format("cold/{:08}", i);
}

// Made once, by the first that asks.
std::unique_ptr<RocksEngine> made;

// Most of it in files, the newest hundredth in memory.
RocksEngine& engine() {
  static const std::string directory =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "past_bench_data").string();
  if (made) return *made;
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  auto opened = RocksEngine::open({.directory = directory + "/state"});
  CHECK(opened, "{}", opened.error().message);
  made = *std::move(opened);
  Random random(1);
  for (uint64_t i = 0; i < kVersions; ++i) {
    EngineBatch batch;
    const Revision revision{2 * i + 2};
    batch.revisions.push_back({revision, {revision.value, revision.value}, {}});
    batch.revisions.back().rows.push_back(write_of("hot", revision, random));
    batch.revisions.push_back({revision + 1, {revision.value + 1, revision.value + 1}, {}});
    batch.revisions.back().rows.push_back(
        write_of(cold_key(random.below(kColdKeys)), revision + 1, random));
    made->write(batch);
    if (i == kVersions - kVersions / 100) CHECK(made->flush().has_value());
  }
  return *made;
}

void get_hot(benchmark::State& state) {
  const RocksEngine& from = engine();
  const Revision at{kNewest.value - static_cast<uint64_t>(state.range(0))};
  for (auto _ : state) benchmark::DoNotOptimize(from.get("hot", at, ReadTier::kDisk).value());
}

void get_cold(benchmark::State& state) {
  const RocksEngine& from = engine();
  const Revision at{kNewest.value - static_cast<uint64_t>(state.range(0))};
  Random random(2);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        from.get(cold_key(random.below(kColdKeys)), at, ReadTier::kDisk).value());
}

void list_versions(benchmark::State& state) {
  const RocksEngine& from = engine();
  const Revision at{kNewest.value - static_cast<uint64_t>(state.range(0))};
  for (auto _ : state) {
    int left = 100;
    CHECK(from.versions("hot", {1}, at, [&](auto, auto, auto) { return --left > 0; }).has_value());
  }
}

void find_by_time(benchmark::State& state) {
  const RocksEngine& from = engine();
  Random random(3);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        revision_at(from, random.between(2, kNewest.value), {1}, kNewest).value());
}

void raise_floor(benchmark::State& state) {
  Revision floor{2};
  for (auto _ : state) {
    CHECK(engine().set_history_floor(floor).has_value());
    floor = floor + 1'000;
  }
}

BENCHMARK(get_hot)->Arg(0)->Arg(10)->Arg(1'000)->Arg(100'000)->Arg(1'900'000);
BENCHMARK(get_cold)->Arg(0)->Arg(10)->Arg(1'000)->Arg(100'000)->Arg(1'900'000);
BENCHMARK(list_versions)->Arg(0)->Arg(1'900'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(find_by_time)->Unit(benchmark::kMicrosecond);
BENCHMARK(raise_floor)->Iterations(100)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  // RocksDB does not outlive main's statics.
  holdfast::made.reset();
}
