// What versions cost: 1,000,000 keys with values of 100 bytes, written twice in random order in
// batches of 32, then read. Three layouts, in one run:
//
//   plain   one family, no versions, an overwrite replaces
//   dated   one family, the revision as RocksDB's timestamp: the layout of rows alone
//   engine  RocksEngine as it is: dated rows, the feed of changes, named values
//
//   build/bin/kv_layout_bench

#include <filesystem>
#include <memory>
#include <stdlib.h>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/base/random.h"
#include "storage/kv/revision_order.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {
namespace {

constexpr uint64_t kKeys = 1'000'000;
constexpr uint64_t kRounds = 2;
constexpr size_t kBatch = 32;
constexpr uint64_t kScanKeys = 1000;

std::string key_of(uint64_t number) {
  return fmt::format("user/{:010}", number);
}

// Half random, so that compression finds something but not everything.
std::string value_of(Random& random) {
  std::string value(100, ' ');
  for (size_t at = 0; at < 50; at += 8) store_fixed(value.data() + at, random.next());
  return value;
}

// A directory on the file system of the program, not on tmpfs.
class Scratch {
 public:
  Scratch() { CHECK(mkdtemp(path_.data()) != nullptr); }
  ~Scratch() { std::filesystem::remove_all(path_); }
  std::string state() const { return path_ + "/state"; }

 private:
  std::string path_ =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bench_XXXXXX").string();
};

class Layout {
 public:
  virtual ~Layout() = default;
  virtual void put(const std::vector<std::pair<std::string, std::string>>& rows,
                   Revision first) = 0;
  virtual size_t get(const std::string& key, Revision at) = 0;
  // Bytes of up to kScanKeys rows from `key` on, in either direction.
  virtual size_t scan(const std::string& key, Revision at, bool reverse) = 0;
  virtual void flush() = 0;
  uint64_t disk_bytes() const {
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(scratch_.state())) {
      if (file.is_regular_file()) bytes += file.file_size();
    }
    return bytes;
  }

 protected:
  Scratch scratch_;
};

// RocksDB itself with the options of RocksEngine; the value has no header.
class RawLayout final : public Layout {
 public:
  explicit RawLayout(const rocksdb::Comparator* order) : dated_(order->timestamp_size() > 0) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(32 << 20, 2);
    table.cache_index_and_filter_blocks = true;
    table.cache_index_and_filter_blocks_with_high_priority = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.enable_index_compression = false;
    rocksdb::Options options;
    options.comparator = order;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.create_if_missing = true;
    options.write_buffer_size = 16 << 20;
    options.max_write_buffer_number = 3;
    options.compression = rocksdb::kLZ4Compression;
    options.level_compaction_dynamic_level_bytes = true;
    options.allow_concurrent_memtable_write = false;
    options.enable_write_thread_adaptive_yield = false;
    options.memtable_prefix_bloom_size_ratio = 0.05;
    options.memtable_whole_key_filtering = true;
    rocksdb::DB* db = nullptr;
    CHECK(rocksdb::DB::Open(options, scratch_.state(), &db).ok());
    db_.reset(db);
  }

  void put(const std::vector<std::pair<std::string, std::string>>& rows, Revision first) override {
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : rows) {
      store_fixed(revision_, first.value++);
      const auto family = db_->DefaultColumnFamily();
      if (dated_) {
        CHECK(batch.Put(family, key, {revision_, sizeof revision_}, value).ok());
      } else {
        CHECK(batch.Put(family, key, value).ok());
      }
    }
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    CHECK(db_->Write(options, &batch).ok());
  }

  size_t get(const std::string& key, Revision at) override {
    rocksdb::PinnableSlice value;
    CHECK(db_->Get(reads_at(at), db_->DefaultColumnFamily(), key, &value).ok());
    return value.size();
  }

  size_t scan(const std::string& key, Revision at, bool reverse) override {
    const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(reads_at(at)));
    size_t bytes = 0;
    if (reverse) {
      rows->SeekForPrev(key);
    } else {
      rows->Seek(key);
    }
    for (uint64_t i = 0; i < kScanKeys && rows->Valid(); ++i) {
      bytes += rows->key().size() + rows->value().size();
      if (reverse) {
        rows->Prev();
      } else {
        rows->Next();
      }
    }
    return bytes;
  }

  void flush() override { CHECK(db_->Flush(rocksdb::FlushOptions()).ok()); }

 private:
  rocksdb::ReadOptions reads_at(Revision at) {
    rocksdb::ReadOptions options;
    store_fixed(revision_, at.value);
    if (dated_) options.timestamp = &timestamp_;
    return options;
  }

  const bool dated_;
  std::unique_ptr<rocksdb::DB> db_;
  char revision_[kRevisionBytes] = {};
  const rocksdb::Slice timestamp_{revision_, sizeof revision_};
};

class EngineLayout final : public Layout {
 public:
  EngineLayout() : engine_(RocksEngine::open({.directory = scratch_.state()}).value()) {}

  void put(const std::vector<std::pair<std::string, std::string>>& rows, Revision first) override {
    EngineBatch batch;
    for (const auto& [key, value] : rows) {
      const Revision revision{first.value++};
      RevisionWrite& write = batch.revisions.emplace_back(RevisionWrite{revision, {1, 1}, {}});
      write.rows.emplace_back(key, Row{{revision, revision, 1, 1}, value});
    }
    batch.meta.emplace_back("head", std::string(40, 'h'));
    engine_->write(batch);
  }

  size_t get(const std::string& key, Revision at) override {
    return engine_->get(key, at, ReadTier::kDisk).value()->value.size();
  }

  size_t scan(const std::string& key, Revision at, bool reverse) override {
    size_t bytes = 0;
    uint64_t left = kScanKeys;
    const RangeScan range{
        .start = reverse ? "" : key, .end = reverse ? key : "", .at = at, .reverse = reverse};
    CHECK(engine_->scan(range, [&](std::string_view found, const RowInfo&, std::string_view value) {
      bytes += found.size() + value.size();
      return --left > 0;
    }));
    return bytes;
  }

  void flush() override { CHECK(engine_->flush()); }
  RocksEngine& engine() { return *engine_; }

 private:
  std::unique_ptr<RocksEngine> engine_;
};

enum LayoutName : int64_t { kPlain, kDated, kEngine };

std::unique_ptr<Layout> make_layout(int64_t name) {
  if (name == kPlain) return std::make_unique<RawLayout>(rocksdb::BytewiseComparator());
  if (name == kDated) return std::make_unique<RawLayout>(revision_order());
  return std::make_unique<EngineLayout>();
}

constexpr Revision kNewest{kRounds * kKeys + 1};
constexpr Revision kPast{kKeys + 1};  // the end of the first round

// Filled by the put benchmarks, read by the others.
std::unique_ptr<Layout> layouts[3];

void put(benchmark::State& state) {
  std::unique_ptr<Layout>& layout = layouts[state.range(0)];
  std::vector<uint64_t> order(kKeys);
  for (uint64_t i = 0; i < kKeys; ++i) order[i] = i;
  Random random(1);
  std::vector<std::pair<std::string, std::string>> rows;
  Revision next{2};
  for (auto _ : state) {
    state.PauseTiming();
    layout = make_layout(state.range(0));
    state.ResumeTiming();
    for (uint64_t round = 0; round < kRounds; ++round) {
      random.shuffle(order);
      for (uint64_t first = 0; first < kKeys; first += kBatch) {
        rows.clear();
        for (uint64_t i = first; i < std::min(first + kBatch, kKeys); ++i) {
          rows.emplace_back(key_of(order[i]), value_of(random));
        }
        layout->put(rows, next);
        next = next + rows.size();
      }
    }
    layout->flush();
  }
  state.SetItemsProcessed(kRounds * kKeys);
  state.counters["disk_MiB"] = static_cast<double>(layout->disk_bytes() >> 20);
}

void read_one(benchmark::State& state, Revision at) {
  Layout& layout = *layouts[state.range(0)];
  Random random(2);
  for (auto _ : state) {
    benchmark::DoNotOptimize(layout.get(key_of(random.below(kKeys)), at));
  }
  state.SetItemsProcessed(state.iterations());
}

void scan(benchmark::State& state, Revision at, bool reverse) {
  Layout& layout = *layouts[state.range(0)];
  Random random(3);
  for (auto _ : state) {
    const std::string key = key_of(random.between(kScanKeys, kKeys - kScanKeys));
    benchmark::DoNotOptimize(layout.scan(key, at, reverse));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kScanKeys));
}

void get_newest(benchmark::State& state) {
  read_one(state, kNewest);
}
void get_past(benchmark::State& state) {
  read_one(state, kPast);
}
void scan_newest(benchmark::State& state) {
  scan(state, kNewest, false);
}
void scan_newest_reverse(benchmark::State& state) {
  scan(state, kNewest, true);
}
void scan_past(benchmark::State& state) {
  scan(state, kPast, false);
}

// Everything before the second round is forgotten; afterwards reads are as without versions.
void reclaim(benchmark::State& state) {
  auto& layout = static_cast<EngineLayout&>(*layouts[kEngine]);
  const uint64_t before = layout.disk_bytes();
  for (auto _ : state) {
    CHECK(layout.engine().set_history_floor(kNewest));
    CHECK(layout.engine().compact());
  }
  state.counters["disk_MiB_before"] = static_cast<double>(before >> 20);
  state.counters["disk_MiB"] = static_cast<double>(layout.disk_bytes() >> 20);
}

BENCHMARK(put)->Arg(kPlain)->Arg(kDated)->Arg(kEngine)->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK(get_newest)->Arg(kPlain)->Arg(kDated)->Arg(kEngine);
BENCHMARK(get_past)->Arg(kDated)->Arg(kEngine);
BENCHMARK(scan_newest)->Arg(kPlain)->Arg(kDated)->Arg(kEngine)->Unit(benchmark::kMicrosecond);
BENCHMARK(scan_newest_reverse)
    ->Arg(kPlain)
    ->Arg(kDated)
    ->Arg(kEngine)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(scan_past)->Arg(kDated)->Arg(kEngine)->Unit(benchmark::kMicrosecond);
BENCHMARK(reclaim)->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK(get_newest)->Name("get_newest_reclaimed")->Arg(kEngine);
BENCHMARK(scan_newest)->Name("scan_newest_reclaimed")->Arg(kEngine)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  // RocksDB does not outlive main's statics.
  for (auto& layout : holdfast::layouts) layout.reset();
}
