// What the apply thread spends on a change: puts of 100 bytes, puts with a condition, and deletes
// in turn with puts; RocksDB's flushes and compactions beside it. And what becomes of a state on
// the disk: bytes written for each byte put, how large it gets while large values are overwritten,
// and how long it takes to open.
//
//   build/bin/apply_bench [--benchmark_filter=…]

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <stdlib.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/micro/process.h"
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

// Puts one after the other, of values that do not compress.
class Puts {
 public:
  explicit Puts(size_t value_bytes)
      : value_bytes_(value_bytes), noise_(value_bytes + kNoise, '\0') {
    for (size_t at = 0; at + 8 <= noise_.size(); at += 8)
      store_fixed(noise_.data() + at, random_.next());
  }

  void apply(KvStateMachine& machine, std::span<const uint64_t> keys) {
    std::vector<EntryPtr> batch;
    for (const uint64_t key : keys) {
      ++last_;
      std::string value = noise_.substr(random_.below(kNoise), value_bytes_);
      Bytes payload = encode_command({.act = PutCommand{key_of(key), std::move(value), {}}});
      batch.push_back(std::make_shared<const LogEntry>(LogEntry{
          {last_}, {1}, EntryKind::kCommand, {{1}, {last_}}, std::move(payload), {last_, last_}}));
    }
    std::vector<Completion> completions;
    machine.apply(batch, {1}, completions);
  }

  Random& random() { return random_; }

 private:
  static constexpr size_t kNoise = 1 << 20;

  const size_t value_bytes_;
  Random random_{1};
  std::string noise_;
  uint64_t last_ = 0;
};

struct DiskUse {
  uint64_t bytes = 0;
  uint64_t tables = 0;
};

// Files come and go meanwhile.
DiskUse disk_use(const std::string& directory) {
  DiskUse use;
  std::error_code gone;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const uint64_t bytes = file.file_size(gone);
    if (gone) continue;
    use.bytes += bytes;
    use.tables += file.path().extension() == ".sst" ? 1 : 0;
  }
  return use;
}

// Arguments: puts, bytes of a value. Of half as many keys; every version is kept.
void written_for_each_byte(benchmark::State& state) {
  const auto puts = static_cast<uint64_t>(state.range(0));
  const auto value_bytes = static_cast<size_t>(state.range(1));
  constexpr size_t kTogether = 32;
  for (auto _ : state) {
    const Scratch scratch;
    auto engine = RocksEngine::open({.directory = scratch.path + "/state"}).value();
    auto machine = KvStateMachine::open(*engine).value();
    Puts source(value_bytes);
    const uint64_t written = written_bytes();
    const double cpu = cpu_seconds();
    std::vector<uint64_t> keys(kTogether);
    for (uint64_t done = 0; done < puts; done += kTogether) {
      for (uint64_t& key : keys) key = source.random().below(puts / 2);
      source.apply(*machine, keys);
    }
    CHECK(engine->flush());
    const auto bytes_put = static_cast<double>(puts * (key_of(0).size() + value_bytes));
    state.counters["written"] = static_cast<double>(written_bytes() - written) / bytes_put;
    state.counters["on_disk"] =
        static_cast<double>(disk_use(scratch.path + "/state").bytes) / bytes_put;
    state.counters["cpu_s"] = cpu_seconds() - cpu;
  }
}
BENCHMARK(written_for_each_byte)
    ->Args({1'000'000, 100})
    ->Args({100'000, 10 << 10})
    ->Unit(benchmark::kSecond)
    ->Iterations(1);

// Arguments: KiB of a value, MiB that live, MiB put. Overwrites as fast as they go, on a disk whose
// room is guarded; nothing of the past is kept, as where room is short.
void overwrite_large_values(benchmark::State& state) {
  const auto value_bytes = static_cast<size_t>(state.range(0)) << 10;
  const uint64_t live = static_cast<uint64_t>(state.range(1)) << 20;
  const uint64_t puts = (static_cast<uint64_t>(state.range(2)) << 20) / value_bytes;
  const uint64_t keys = live / value_bytes;
  const uint64_t together = std::max<uint64_t>(1, (1 << 20) / value_bytes);
  for (auto _ : state) {
    const Scratch scratch;
    const std::string directory = scratch.path + "/state";
    RocksEngine::Options options{.directory = directory};
    options.make_room = [](RoomFor) { return false; };
    auto engine = RocksEngine::open(options).value();
    engine->set_free_bytes(uint64_t{1} << 40);
    auto machine = KvStateMachine::open(*engine).value();
    Puts source(value_bytes);
    const uint64_t written = written_bytes();
    const double cpu = cpu_seconds();
    DiskUse most;
    std::vector<uint64_t> batch(together);
    for (uint64_t done = 0; done < puts; done += together) {
      for (uint64_t& key : batch) key = source.random().below(keys);
      source.apply(*machine, batch);
      if (done % (64 * together) != 0) continue;
      CHECK(engine->set_history_floor(machine->revision()));
      const DiskUse use = disk_use(directory);
      most = {std::max(most.bytes, use.bytes), std::max(most.tables, use.tables)};
    }
    const auto bytes_put = static_cast<double>(puts * value_bytes);
    state.counters["written"] = static_cast<double>(written_bytes() - written) / bytes_put;
    state.counters["cpu_s"] = cpu_seconds() - cpu;
    state.counters["most_on_disk"] = static_cast<double>(most.bytes) / static_cast<double>(live);
    state.counters["most_tables"] = static_cast<double>(most.tables);
    state.counters["MiB_s"] =
        benchmark::Counter(bytes_put / (1 << 20), benchmark::Counter::kIsRate);
  }
}
BENCHMARK(overwrite_large_values)
    ->Args({64, 256, 4096})
    ->Args({64, 256, 16384})
    ->Args({1024, 256, 4096})
    ->UseRealTime()
    ->Unit(benchmark::kSecond)
    ->Iterations(1);

// So that they are read from the disk again.
void forget_cached_files(const std::string& directory) {
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const int descriptor = ::open(file.path().c_str(), O_RDONLY);
    if (descriptor < 0) continue;
    CHECK(::fdatasync(descriptor) == 0);
    CHECK(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0);
    ::close(descriptor);
  }
}

// Arguments: keys with values of 100 bytes; whether the system has the files in memory.
void open_state(benchmark::State& state) {
  static std::unique_ptr<Scratch> made;
  static int64_t made_keys = 0;
  if (made_keys != state.range(0)) {
    made = std::make_unique<Scratch>();
    made_keys = state.range(0);
    auto engine = RocksEngine::open({.directory = made->path + "/state"}).value();
    auto machine = KvStateMachine::open(*engine).value();
    Puts source(100);
    std::vector<uint64_t> order(static_cast<size_t>(made_keys));
    for (uint64_t i = 0; i < order.size(); ++i) order[i] = i;
    source.random().shuffle(order);
    constexpr size_t kTogether = 256;
    for (size_t at = 0; at < order.size(); at += kTogether)
      source.apply(*machine, std::span(order).subspan(at, std::min(kTogether, order.size() - at)));
    CHECK(engine->flush());
  }
  const std::string state_directory = made->path + "/state";
  double cpu = 0;
  for (auto _ : state) {
    state.PauseTiming();
    if (state.range(1) == 0) forget_cached_files(state_directory);
    const double before = cpu_seconds();
    state.ResumeTiming();
    auto engine = RocksEngine::open({.directory = state_directory}).value();
    auto machine = KvStateMachine::open(*engine).value();
    state.PauseTiming();
    cpu += cpu_seconds() - before;
    machine.reset();
    engine.reset();
    state.ResumeTiming();
  }
  const DiskUse use = disk_use(state_directory);
  state.counters["cpu_ms"] = 1e3 * cpu / static_cast<double>(state.iterations());
  state.counters["MiB"] = static_cast<double>(use.bytes >> 20);
  state.counters["tables"] = static_cast<double>(use.tables);
}
BENCHMARK(open_state)
    ->Args({10'000'000, 1})
    ->Args({10'000'000, 0})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);

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
