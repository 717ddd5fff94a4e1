#include "storage/kv/rocks_options.h"

#include <cstdarg>
#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/sst_file_manager.h>
#include <rocksdb/table.h>

#include "storage/base/check.h"
#include "storage/kv/revision_order.h"
#include "storage/kv/rocks_room.h"

namespace holdfast {
namespace {

// The default's many shards are each too small for one file's filter, which is then read again and
// again: a put cost ten times as much.
constexpr int kCacheShardBits = 2;
// A file that nothing is written into is compacted when it is so old: only then is what lies below
// the history floor given back.
constexpr uint64_t kColdFileSeconds = uint64_t{24} * 60 * 60;
// Of the limit on all files: more than is ever flushed between two words on what is free.
constexpr uint64_t kNeverUsed = uint64_t{1} << 40;
// So many flushes are compacted at once: by four, half as much again is written for each put; by
// sixteen, a scan is a quarter slower.
constexpr int kFlushesCompacted = 8;
// Of files that no compaction has come by.
constexpr int kNeverReached = 1 << 30;

// Counts what became durable, and stops the process where RocksDB would go on read-only.
class FlushWatch final : public rocksdb::EventListener {
 public:
  FlushWatch(std::shared_ptr<FlushCount> flushes,
             std::function<void(const std::string& what)> on_damage)
      : flushes_(std::move(flushes)), on_damage_(std::move(on_damage)) {}

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { flushes_->add(); }

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    // A flush that our own close interrupts is no fault: it is as if it had not begun.
    if (status->IsShutdownInProgress()) return;
    if (status->IsCorruption() && on_damage_)
      on_damage_("a file of the state is damaged: RocksDB says '" + status->ToString() + "'");
    fatal(
        fmt::format("writing the state failed: RocksDB says '{}'. Check the disk; the state is "
                    "rebuilt from the log at the next start",
                    status->ToString()));
  }

 private:
  const std::shared_ptr<FlushCount> flushes_;
  const std::function<void(const std::string& what)> on_damage_;
};

// RocksDB's own log file, on a full disk, ends the process: behind a line that could not be written
// the next one meets an assertion. What matters in it comes back as a status as well.
class NoLog final : public rocksdb::Logger {
 public:
  NoLog() : Logger(rocksdb::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::ColumnFamilyOptions family_options(const RocksEngine::Options& options,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;  // else they grow beside the cache without a bound
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  table.enable_index_compression = false;

  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size = options.memtable_bytes;
  family.max_write_buffer_number = 3;
  family.target_file_size_base = options.table_bytes;
  family.max_bytes_for_level_base = 4 * options.table_bytes;
  family.level0_file_num_compaction_trigger = kFlushesCompacted;
  family.max_compaction_bytes = 10 * options.table_bytes;
  // Where compactions are put off for want of room, whoever waits for one waits for ever: the apply
  // thread, and a flush behind it. What then holds back a writer that they cannot follow is
  // RocksDB's limit on what is to be compacted, 64 GiB.
  if (options.make_room) {
    family.level0_slowdown_writes_trigger = kNeverReached;
    family.level0_stop_writes_trigger = kNeverReached;
  }
  family.compression = rocksdb::kLZ4Compression;
  family.level_compaction_dynamic_level_bytes = true;
  return family;
}

}  // namespace

std::shared_ptr<rocksdb::Cache> block_cache(size_t bytes) {
  return rocksdb::NewLRUCache(bytes, kCacheShardBits);
}

rocksdb::DBOptions database_options(std::shared_ptr<FlushCount> flushes,
                                    std::function<void(const std::string& what)> on_damage,
                                    rocksdb::Env& env) {
  rocksdb::DBOptions options;
  options.env = &env;
  options.atomic_flush = true;
  options.avoid_flush_during_shutdown = true;  // a close must not wait; flush() is there for it
  options.listeners = {std::make_shared<FlushWatch>(std::move(flushes), std::move(on_damage)),
                       rewriting_watch()};
  options.allow_concurrent_memtable_write = false;  // one thread writes
  options.enable_write_thread_adaptive_yield = false;
  // A flush and two compactions: beside the one that rewrites large rows, another for the two small
  // families, whose files each flush adds to.
  options.max_background_jobs = 3;
  options.bytes_per_sync = 512 << 10;  // no burst of writes in front of the log's syncs
  options.max_file_opening_threads = 1;
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_bgerror_resume_count = 0;
  options.info_log = std::make_shared<NoLog>();
  options.sst_file_manager.reset(rocksdb::NewSstFileManager(&env));
  options.sst_file_manager->SetCompactionBufferSize(kNeverUsed);
  options.max_manifest_file_size = 4 << 20;
  return options;
}

// An opening may begin one before it returns.
void allow_no_compaction(const rocksdb::DBOptions& options) {
  options.sst_file_manager->SetMaxAllowedSpaceUsage(kNeverUsed);
}

// RocksDB compares with the files that it has: they may become so large, less the buffer. By the
// limit alone a flush would fail, too, on a disk that has had room since it was said.
void allow_free(const rocksdb::DB& db, uint64_t bytes) {
  const std::shared_ptr<rocksdb::SstFileManager> files = db.GetDBOptions().sst_file_manager;
  files->SetMaxAllowedSpaceUsage(files->GetTotalSize() + bytes + kNeverUsed);
}

std::vector<rocksdb::ColumnFamilyDescriptor> families(
    const RocksEngine::Options& options, const std::shared_ptr<rocksdb::Cache>& cache) {
  const rocksdb::ColumnFamilyOptions plain = family_options(options, cache);

  rocksdb::ColumnFamilyOptions versioned = plain;
  versioned.comparator = revision_order();
  versioned.periodic_compaction_seconds = kColdFileSeconds;
  // A put first asks for the row that it replaces: most new keys are answered here.
  versioned.memtable_prefix_bloom_size_ratio = 0.05;
  versioned.memtable_whole_key_filtering = true;
  // Rows of a batch come sorted: each is looked for from the place of the one before.
  versioned.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewCappedPrefixTransform(0));

  rocksdb::ColumnFamilyOptions feed = plain;
  // Elements come in ascending order: the place of the last one is where the next one goes.
  feed.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewCappedPrefixTransform(1));

  return {{rocksdb::kDefaultColumnFamilyName, plain}, {"kv", versioned}, {"changes", feed}};
}

}  // namespace holdfast
