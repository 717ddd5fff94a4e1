#pragma once

// How RocksDB is set up. Each choice is told where it is made, the measured ones in README.md.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "storage/kv/rocks_engine.h"

namespace rocksdb {
class Cache;
class DB;
class Env;
struct ColumnFamilyDescriptor;
struct DBOptions;
}  // namespace rocksdb

namespace holdfast {

// How many flushes have completed. Any thread.
class FlushCount {
 public:
  void add() { flushes_.fetch_add(1, std::memory_order_release); }
  uint64_t count() const { return flushes_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> flushes_ = 0;
};

std::shared_ptr<rocksdb::Cache> block_cache(size_t bytes);
// `flushes` counts those of the database. Where RocksDB would go on read-only, the process stops;
// `on_damage` is told first if it met damaged bytes. `env`, which outlives the database, has its
// files.
rocksdb::DBOptions database_options(std::shared_ptr<FlushCount> flushes,
                                    std::function<void(const std::string& what)> on_damage,
                                    rocksdb::Env& env);
// For what is opened with them: no compaction is begun until allow_free is called.
void allow_no_compaction(const rocksdb::DBOptions& options);
// No compaction is begun from now on whose files might need more than so much.
void allow_free(const rocksdb::DB& db, uint64_t bytes);
// In this order: named values, versioned rows, the feed of changes.
std::vector<rocksdb::ColumnFamilyDescriptor> families(const RocksEngine::Options& options,
                                                      const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace holdfast
