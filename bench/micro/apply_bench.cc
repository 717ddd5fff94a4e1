// What the apply thread spends on a change: puts of 100 bytes, puts with a condition, and deletes
// in turn with puts; RocksDB's flushes and compactions beside it.
//
//   build/bin/apply_bench [--benchmark_filter=…]

#include <filesystem>
#include <memory>
#include <stdlib.h>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/base/random.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/memory_engine.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {
namespace {

constexpr uint64_t kPuts = 1'000'000;

std::string key_of(uint64_t number) {
  return fmt::format("user/{:010}", number);
}

enum class Mix { kPlain, kGuarded, kDeletes };

Command command_of(Mix mix, uint64_t index, std::string key, std::string value) {
  if (mix == Mix::kDeletes && index % 2 == 0) return {.act = DeleteCommand{std::move(key), {}}};
  PutCommand put{std::move(key), std::move(value), {}};
  // It always holds, once the row has been looked at.
  if (mix == Mix::kGuarded)
    put.conditions = {{.kind = Condition::Kind::kNoneMatch, .any = false, .revisions = {{1}}}};
  return {.act = std::move(put)};
}

// Of keys drawn uniformly from `keys`.
std::vector<EntryPtr> make_log(uint64_t keys, Mix mix = Mix::kPlain) {
  Random random(1);
  std::vector<EntryPtr> log;
  log.reserve(kPuts);
  for (uint64_t i = 1; i <= kPuts; ++i) {
    std::string value(100, ' ');
    for (size_t at = 0; at < 50; at += 8) store_fixed(value.data() + at, random.next());
    Bytes payload =
        encode_command(command_of(mix, i, key_of(random.below(keys)), std::move(value)));
    log.push_back(std::make_shared<const LogEntry>(
        LogEntry{{i}, {1}, EntryKind::kCommand, {{1}, {i}}, std::move(payload), {i, i}}));
  }
  return log;
}

void apply_all(KvStateMachine& machine, std::span<const EntryPtr> log, size_t batch) {
  std::vector<Completion> completions;
  for (size_t first = 0; first < log.size(); first += batch) {
    completions.clear();
    machine.apply(log.subspan(first, std::min(batch, log.size() - first)), {1}, completions);
  }
}

void counted(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<int64_t>(kPuts) * state.iterations());
}

// A directory on the file system of the program, not on tmpfs.
struct Scratch {
  std::string path =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bench_XXXXXX").string();
  Scratch() { CHECK(mkdtemp(path.data()) != nullptr); }
  ~Scratch() { std::filesystem::remove_all(path); }
};

// Arguments: entries in one batch, keys. CPU is the apply thread's alone.
void apply_to_rocks(benchmark::State& state, Mix mix) {
  const std::vector<EntryPtr> log = make_log(static_cast<uint64_t>(state.range(1)), mix);
  for (auto _ : state) {
    state.PauseTiming();
    const Scratch scratch;
    auto engine = RocksEngine::open({.directory = scratch.path + "/state"}).value();
    auto machine = KvStateMachine::open(*engine).value();
    state.ResumeTiming();
    apply_all(*machine, log, static_cast<size_t>(state.range(0)));
    state.PauseTiming();
    machine.reset();
    engine.reset();
    state.ResumeTiming();
  }
  counted(state);
}
BENCHMARK_CAPTURE(apply_to_rocks, puts, Mix::kPlain)
    ->ArgsProduct({{1, 32, 256}, {10'000, 1'000'000}})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

BENCHMARK_CAPTURE(apply_to_rocks, guarded_puts, Mix::kGuarded)
    ->Args({32, 1'000'000})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);
BENCHMARK_CAPTURE(apply_to_rocks, deletes, Mix::kDeletes)
    ->Args({32, 1'000'000})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

void apply_to_memory(benchmark::State& state) {
  const std::vector<EntryPtr> log = make_log(static_cast<uint64_t>(state.range(1)));
  for (auto _ : state) {
    MemoryEngine engine;
    auto machine = KvStateMachine::open(engine).value();
    apply_all(*machine, log, static_cast<size_t>(state.range(0)));
  }
  counted(state);
}
BENCHMARK(apply_to_memory)
    ->ArgsProduct({{1, 32}, {10'000}})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

void decode(benchmark::State& state) {
  const std::vector<EntryPtr> log = make_log(1000);
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(decode_command(log[at]->payload.view()));
    if (++at == log.size()) at = 0;
  }
}
BENCHMARK(decode);

void encode(benchmark::State& state) {
  const Command put{.act = PutCommand{key_of(7), std::string(100, 'v'), {}}};
  for (auto _ : state) benchmark::DoNotOptimize(encode_command(put));
}
BENCHMARK(encode);

}  // namespace
}  // namespace holdfast
BENCHMARK_MAIN();
