// What a durable write costs on this disk: alone, as a batch, with three logs at once, while a
// segment is made beside it; and through the log thread. Run it in a directory on the disk to be
// measured: it makes its logs below the current one.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <thread>
#include <unistd.h>

#include <benchmark/benchmark.h>

#include "bench/micro/process.h"
#include "storage/base/check.h"
#include "storage/fs/posix.h"
#include "storage/log/log_writer.h"

namespace holdfast {
namespace {

class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::current_path() / "log-bench-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string path(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

template <class T>
T must(Result<T> result) {
  CHECK(result, "{}", result.error().message);
  return std::move(result).value();
}
void must(Result<> result) {
  CHECK(result, "{}", result.error().message);
}

LogWrite entries(uint64_t first, int64_t count, size_t payload_bytes) {
  LogWrite write{.ticket = {first},
                 .hard_state = {},
                 .restart_after = {},
                 .cut_from = {},
                 .append = {},
                 .drop_before = {},
                 .wanted_from = {}};
  const Bytes payload(std::string(payload_bytes, 'p'));
  for (uint64_t index = first; index < first + static_cast<uint64_t>(count); ++index) {
    write.append.push_back(std::make_shared<const LogEntry>(LogEntry{.index = {index},
                                                                     .term = {1},
                                                                     .kind = EntryKind::kCommand,
                                                                     .origin = {},
                                                                     .payload = payload}));
  }
  return write;
}

// The slowest percent, beside the mean that the library shows.
class Durations {
 public:
  template <class Act>
  void time(Act act) {
    const auto start = std::chrono::steady_clock::now();
    act();
    all_.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count());
  }
  void show(benchmark::State& state) {
    if (all_.empty()) return;
    std::ranges::sort(all_);
    const auto average = benchmark::Counter::kAvgThreads;
    state.counters["p50_us"] = {all_[all_.size() / 2], average};
    state.counters["p99_us"] = {all_[all_.size() * 99 / 100], average};
  }

 private:
  std::vector<double> all_;
};

// One batch of range(0) entries of range(1) bytes, written and synced.
void write_and_sync(benchmark::State& state) {
  const Directory directory;
  PosixFileSystem fs;
  auto log = std::move(must(SegmentedLog::open(fs, directory.path("log"), {})).log);
  uint64_t next = 1;
  Durations durations;
  for (auto _ : state) {
    const LogWrite write = entries(next, state.range(0), static_cast<size_t>(state.range(1)));
    next += write.append.size();
    durations.time([&] {
      must(log->write(std::span(&write, 1)));
      must(log->sync());
    });
    if (log->wants_spare()) {
      state.PauseTiming();
      must(log->prepare_spare());
      state.ResumeTiming();
    }
  }
  durations.show(state);
  state.SetItemsProcessed(static_cast<int64_t>(next - 1));
}
BENCHMARK(write_and_sync)->Args({1, 100})->Args({30, 100})->Args({500, 100})->UseRealTime();
BENCHMARK(write_and_sync)->Args({1, 100})->Args({30, 100})->Threads(3)->UseRealTime();

// The same, while another thread makes spares without a pause.
void write_and_sync_beside_making(benchmark::State& state) {
  const Directory directory;
  PosixFileSystem fs;
  auto log = std::move(must(SegmentedLog::open(fs, directory.path("log"), {})).log);
  std::atomic<bool> stop = false;
  std::thread maker([&] {
    PosixFileSystem maker_fs;
    while (!stop) {
      must(log->prepare_spare());
      must(maker_fs.remove(spare_path(directory.path("log"))));
    }
  });
  uint64_t next = 1;
  Durations durations;
  for (auto _ : state) {
    const LogWrite write = entries(next++, 1, 100);
    durations.time([&] {
      must(log->write(std::span(&write, 1)));
      must(log->sync());
    });
  }
  stop = true;
  maker.join();
  durations.show(state);
}
BENCHMARK(write_and_sync_beside_making)->UseRealTime()->Iterations(3000);

void make_spare(benchmark::State& state) {
  const Directory directory;
  PosixFileSystem fs;
  auto log = std::move(must(SegmentedLog::open(fs, directory.path("log"), {})).log);
  for (auto _ : state) {
    must(log->prepare_spare());
    state.PauseTiming();
    must(fs.remove(spare_path(directory.path("log"))));
    state.ResumeTiming();
  }
}
BENCHMARK(make_spare)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(10);

// The ways to make 4 KiB durable in a file that was written before, without the log around them.
enum class Way { kSync, kDirectAndSync, kDirectDsync };
void raw_write(benchmark::State& state, Way way) {
  const Directory directory;
  constexpr off_t kFileBytes = 64 << 20;
  const std::string path = directory.path("file");
  const size_t bytes = static_cast<size_t>(state.range(0));
  void* memory = nullptr;
  CHECK(::posix_memalign(&memory, 4096, 1 << 20) == 0);
  std::memset(memory, 1, 1 << 20);
  int descriptor = ::open(path.c_str(), O_CREAT | O_RDWR, 0600);
  for (off_t at = 0; at < kFileBytes; at += 1 << 20)
    CHECK(::pwrite(descriptor, memory, 1 << 20, at) == 1 << 20);
  CHECK(::fsync(descriptor) == 0);
  ::close(descriptor);
  const int direct = way == Way::kSync ? 0 : O_DIRECT;
  descriptor = ::open(path.c_str(), O_RDWR | direct | (way == Way::kDirectDsync ? O_DSYNC : 0));
  off_t at = 0;
  Durations durations;
  for (auto _ : state) {
    durations.time([&] {
      CHECK(::pwrite(descriptor, memory, bytes, at) == static_cast<ssize_t>(bytes));
      if (way != Way::kDirectDsync) CHECK(::fdatasync(descriptor) == 0);
    });
    at = (at + static_cast<off_t>(bytes)) % kFileBytes;
  }
  durations.show(state);
  ::close(descriptor);
  std::free(memory);
}
BENCHMARK_CAPTURE(raw_write, buffered_fdatasync, Way::kSync)
    ->Arg(4096)
    ->Arg(65536)
    ->Threads(1)
    ->Threads(3)
    ->UseRealTime();
BENCHMARK_CAPTURE(raw_write, direct_fdatasync, Way::kDirectAndSync)
    ->Arg(4096)
    ->Arg(65536)
    ->Threads(1)
    ->Threads(3)
    ->UseRealTime();
BENCHMARK_CAPTURE(raw_write, direct_dsync, Way::kDirectDsync)
    ->Arg(4096)
    ->Arg(65536)
    ->Threads(1)
    ->Threads(3)
    ->UseRealTime();

// Through the log thread, with range(0) writes submitted and not yet answered.
void log_writer(benchmark::State& state) {
  const Directory directory;
  PosixFileSystem fs;
  std::atomic<uint64_t> persisted = 0;
  LogWriter writer(std::move(must(SegmentedLog::open(fs, directory.path("log"), {})).log),
                   {.persisted =
                        [&](WriteTicket last) {
                          persisted = last.value;
                          persisted.notify_one();
                        },
                    .loaded = [](NodeId, const std::vector<EntryPtr>&) {}});
  const uint64_t window = static_cast<uint64_t>(state.range(0));
  const auto wait_for = [&](uint64_t ticket) {
    for (uint64_t seen = persisted; seen < ticket; seen = persisted) persisted.wait(seen);
  };
  uint64_t next = 1;
  const uint64_t written = written_bytes();
  for (auto _ : state) {
    writer.submit(entries(next, 1, 100));
    if (next > window) wait_for(next - window);
    ++next;
  }
  wait_for(next - 1);
  state.SetItemsProcessed(static_cast<int64_t>(next - 1));
  state.counters["written"] =
      static_cast<double>(written_bytes() - written) / static_cast<double>(100 * (next - 1));
}
BENCHMARK(log_writer)->Arg(0)->Arg(64)->Arg(1024)->UseRealTime();

// What reading back costs, and what an opening costs for each MiB.
void open_log(benchmark::State& state) {
  const Directory directory;
  PosixFileSystem fs;
  {
    auto log = std::move(must(SegmentedLog::open(fs, directory.path("log"), {})).log);
    for (uint64_t index = 1; index <= 200000; index += 500) {
      const LogWrite write = entries(index, 500, 500);
      must(log->write(std::span(&write, 1)));
      must(log->sync());
    }
  }
  for (auto _ : state)
    benchmark::DoNotOptimize(must(SegmentedLog::open(fs, directory.path("log"), {})));
  state.SetItemsProcessed(state.iterations() * 200000);
}
BENCHMARK(open_log)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
