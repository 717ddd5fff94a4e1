#include "storage/kv/rocks_engine.h"

#include <array>
#include <atomic>
#include <bit>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/kv/revision_order.h"

// The bytes on disk; all numbers little-endian but where said.
//
//   default family  name → value                              (the named values of Engine)
//   kv              key, revision: u64 (timestamp) → row
//   changes         revision: u64 big-endian → change
//
//   row    = create_revision: u64, mod_revision: u64, version: u64, hash: u64, value
//   change = wall_ms: u64, { length: u32, key }

namespace holdfast {
namespace {

using rocksdb::ColumnFamilyHandle;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

constexpr size_t kRowHeaderBytes = 32;
// The default's many shards are each too small for one file's filter, which is then read again and
// again: a put cost ten times as much.
constexpr int kCacheShardBits = 2;
constexpr size_t kBatchBytesKept = 1 << 20;  // a larger write batch gives its memory back

Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

std::string_view view(const Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

std::array<char, kRevisionBytes> timestamp_bytes(Revision revision) {
  return std::bit_cast<std::array<char, kRevisionBytes>>(revision.value);
}

std::array<char, 8> feed_key(Revision revision) {
  return std::bit_cast<std::array<char, 8>>(__builtin_bswap64(revision.value));
}

template <size_t N>
Slice slice(const std::array<char, N>& bytes) {
  return {bytes.data(), bytes.size()};
}

void encode_row(const Row& row, std::string& out) {
  out.clear();
  out.reserve(kRowHeaderBytes + row.value.size());
  put_fixed(out, row.info.create_revision.value);
  put_fixed(out, row.info.mod_revision.value);
  put_fixed(out, row.info.version);
  put_fixed(out, row.info.hash);
  out.append(row.value);
}

Result<RowInfo> decode_info(std::string_view key, std::string_view bytes) {
  if (bytes.size() < kRowHeaderBytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("a row of {} bytes under a key of {} bytes is too short: the state's "
                            "files are damaged, restore this node from its peers",
                            bytes.size(), key.size()));
  }
  return RowInfo{.create_revision = {load_fixed<uint64_t>(bytes.data())},
                 .mod_revision = {load_fixed<uint64_t>(bytes.data() + 8)},
                 .version = load_fixed<uint64_t>(bytes.data() + 16),
                 .hash = load_fixed<uint64_t>(bytes.data() + 24)};
}

void encode_change(const RevisionWrite& write, std::string& out) {
  out.clear();
  put_fixed(out, write.wall_ms);
  for (const RowWrite& row : write.rows) {
    put_fixed(out, static_cast<uint32_t>(row.key.size()));
    out.append(row.key);
  }
}

Result<Change> decode_change(std::string_view key, std::string_view bytes) {
  const std::unexpected<Error> damaged =
      fail(ErrorCode::kCorrupt,
           "an element of the feed of changes cannot be read: the state's files are damaged, "
           "restore this node from its peers");
  FixedReader reader(bytes);
  const std::optional<uint64_t> wall_ms = reader.take<uint64_t>();
  if (key.size() != 8 || !wall_ms) return damaged;
  Change change{{__builtin_bswap64(load_fixed<uint64_t>(key.data()))}, *wall_ms, {}};
  while (!reader.rest().empty()) {
    const std::optional<uint32_t> length = reader.take<uint32_t>();
    if (!length) return damaged;
    const std::optional<std::string_view> changed = reader.take_bytes(*length);
    if (!changed) return damaged;
    change.keys.emplace_back(*changed);
  }
  return change;
}

std::unexpected<Error> fail(const Status& status, std::string_view doing) {
  const ErrorCode code = status.IsIncomplete()   ? ErrorCode::kIncomplete
                         : status.IsCorruption() ? ErrorCode::kCorrupt
                                                 : ErrorCode::kIo;
  return holdfast::fail(code, fmt::format("{}: RocksDB says '{}'", doing, status.ToString()));
}

Result<> done(const Status& status, std::string_view doing) {
  if (status.ok()) return {};
  return fail(status, doing);
}

// Counts what became durable, and stops the process where RocksDB would go on read-only.
class FlushWatch final : public rocksdb::EventListener {
 public:
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { count(); }

  void OnBackgroundError(rocksdb::BackgroundErrorReason, Status* status) override {
    // A flush that our own close interrupts is no fault: it is as if it had not begun.
    if (status->IsShutdownInProgress()) return;
    fatal(
        fmt::format("writing the state failed: RocksDB says '{}'. Check the disk; the state is "
                    "rebuilt from the log at the next start",
                    status->ToString()));
  }

  void count() { flushes_.fetch_add(1, std::memory_order_release); }
  uint64_t flushes() const { return flushes_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> flushes_ = 0;
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
  family.compression = rocksdb::kLZ4Compression;
  family.level_compaction_dynamic_level_bytes = true;
  return family;
}

rocksdb::DBOptions database_options(const std::shared_ptr<FlushWatch>& watch) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.atomic_flush = true;
  options.avoid_flush_during_shutdown = true;  // a close must not wait; flush() is there for it
  options.listeners = {watch};
  options.allow_concurrent_memtable_write = false;  // one thread writes
  options.enable_write_thread_adaptive_yield = false;
  options.max_background_jobs = 2;
  options.bytes_per_sync = 512 << 10;  // no burst of writes in front of the log's syncs
  options.max_file_opening_threads = 1;
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_bgerror_resume_count = 0;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 1 << 20;
  options.max_manifest_file_size = 4 << 20;
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> families(
    const RocksEngine::Options& options, const std::shared_ptr<rocksdb::Cache>& cache) {
  const rocksdb::ColumnFamilyOptions plain = family_options(options, cache);

  rocksdb::ColumnFamilyOptions versioned = plain;
  versioned.comparator = revision_order();
  // A put first asks for the row that it replaces: most new keys are answered here.
  versioned.memtable_prefix_bloom_size_ratio = 0.05;
  versioned.memtable_whole_key_filtering = true;

  rocksdb::ColumnFamilyOptions feed = plain;
  // Elements come in ascending order: the place of the last one is where the next one goes.
  feed.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewCappedPrefixTransform(1));

  return {{rocksdb::kDefaultColumnFamilyName, plain}, {"kv", versioned}, {"changes", feed}};
}

}  // namespace

struct RocksEngine::Database {
  std::shared_ptr<FlushWatch> watch = std::make_shared<FlushWatch>();
  std::unique_ptr<rocksdb::DB> db;
  // Closed before `db`.
  std::vector<ColumnFamilyHandle*> families;

  // Apply thread only: kept for their memory.
  rocksdb::WriteBatch batch;
  std::string scratch;

  ~Database() {
    for (ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
  }

  ColumnFamilyHandle* meta() const { return families[0]; }
  ColumnFamilyHandle* kv() const { return families[1]; }
  ColumnFamilyHandle* feed() const { return families[2]; }

  // Nothing if the key did not exist at `at`.
  Result<std::optional<RowInfo>> get(std::string_view key, Revision at, ReadTier tier,
                                     rocksdb::PinnableSlice& value) const {
    const std::array<char, kRevisionBytes> revision = timestamp_bytes(at);
    const Slice timestamp = slice(revision);
    ReadOptions read;
    read.timestamp = &timestamp;
    if (tier == ReadTier::kMemory) read.read_tier = rocksdb::kBlockCacheTier;
    const Status status = db->Get(read, kv(), slice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return fail(status, "reading a key");
    return decode_info(key, view(value));
  }

  Result<std::optional<std::string>> get_named(rocksdb::ReadTier tier,
                                               std::string_view name) const {
    ReadOptions read;
    read.read_tier = tier;
    std::string value;
    const Status status = db->Get(read, meta(), slice(name), &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return fail(status, fmt::format("reading the state's '{}'", name));
    return value;
  }
};

RocksEngine::RocksEngine(std::unique_ptr<Database> database) : database_(std::move(database)) {}
RocksEngine::~RocksEngine() = default;

Result<std::unique_ptr<RocksEngine>> RocksEngine::open(const Options& options) {
  auto database = std::make_unique<Database>();
  const std::shared_ptr<rocksdb::Cache> cache =
      rocksdb::NewLRUCache(options.block_cache_bytes, kCacheShardBits);
  rocksdb::DB* db = nullptr;
  const Status status = rocksdb::DB::Open(database_options(database->watch), options.directory,
                                          families(options, cache), &database->families, &db);
  if (!status.ok()) {
    return fail(status, fmt::format("opening the state in '{}'", options.directory));
  }
  database->db.reset(db);
  return std::unique_ptr<RocksEngine>(new RocksEngine(std::move(database)));
}

Result<std::vector<std::pair<std::string, std::string>>> RocksEngine::read_named_values(
    const std::string& directory) {
  const std::string doing = fmt::format("reading the state in '{}'", directory);
  const Options options{.directory = directory};
  Database database;
  rocksdb::DBOptions settings = database_options(database.watch);
  settings.create_if_missing = false;  // else even this makes the directory
  rocksdb::DB* db = nullptr;
  HOLDFAST_TRY(done(
      rocksdb::DB::OpenForReadOnly(
          settings, directory, families(options, rocksdb::NewLRUCache(options.block_cache_bytes)),
          &database.families, &db),
      doing));
  database.db.reset(db);
  std::vector<std::pair<std::string, std::string>> found;
  const std::unique_ptr<rocksdb::Iterator> named(db->NewIterator(ReadOptions(), database.meta()));
  for (named->SeekToFirst(); named->Valid(); named->Next())
    found.emplace_back(named->key().ToString(), named->value().ToString());
  HOLDFAST_TRY(done(named->status(), doing));
  return found;
}

void RocksEngine::write(const EngineBatch& batch) {
  rocksdb::WriteBatch& out = database_->batch;
  std::string& scratch = database_->scratch;
  Status status;
  const auto expect = [&status](Status step) {
    if (status.ok()) status = std::move(step);
  };
  for (const RevisionWrite& change : batch.revisions) {
    const std::array<char, kRevisionBytes> revision = timestamp_bytes(change.revision);
    for (const RowWrite& write : change.rows) {
      if (!write.row) {
        expect(out.Delete(database_->kv(), slice(write.key), slice(revision)));
        continue;
      }
      encode_row(*write.row, scratch);
      expect(out.Put(database_->kv(), slice(write.key), slice(revision), scratch));
    }
    encode_change(change, scratch);
    expect(out.Put(database_->feed(), slice(feed_key(change.revision)), scratch));
  }
  for (const auto& [name, value] : batch.meta) expect(out.Put(database_->meta(), name, value));

  rocksdb::WriteOptions options;
  options.disableWAL = true;
  if (status.ok()) status = database_->db->Write(options, &out);
  if (!status.ok()) {
    fatal(
        fmt::format("writing the state failed: RocksDB says '{}'. Check the disk; the state is "
                    "rebuilt from the log at the next start",
                    status.ToString()));
  }
  if (out.GetDataSize() > kBatchBytesKept) out = rocksdb::WriteBatch();
  if (scratch.capacity() > kBatchBytesKept) scratch = std::string();
  out.Clear();
}

Result<std::optional<Row>> RocksEngine::get(std::string_view key, Revision at,
                                            ReadTier tier) const {
  rocksdb::PinnableSlice bytes;
  std::optional<RowInfo> info;
  HOLDFAST_ASSIGN(info, database_->get(key, at, tier, bytes));
  if (!info) return std::nullopt;
  bytes.remove_prefix(kRowHeaderBytes);
  return Row{*info, bytes.ToString()};
}

Result<std::optional<RowInfo>> RocksEngine::get_info(std::string_view key, Revision at) const {
  rocksdb::PinnableSlice bytes;
  return database_->get(key, at, ReadTier::kDisk, bytes);
}

Result<> RocksEngine::scan(const RangeScan& scan, const Visitor& visit) const {
  if (!scan.end.empty() && scan.end <= scan.start) return {};
  const std::array<char, kRevisionBytes> revision = timestamp_bytes(scan.at);
  const Slice timestamp = slice(revision);
  const Slice start = slice(scan.start);
  const Slice end = slice(scan.end);
  ReadOptions read;
  read.timestamp = &timestamp;
  if (!scan.start.empty()) read.iterate_lower_bound = &start;
  if (!scan.end.empty()) read.iterate_upper_bound = &end;

  const std::unique_ptr<rocksdb::Iterator> rows(database_->db->NewIterator(read, database_->kv()));
  if (scan.reverse) {
    rows->SeekToLast();
  } else {
    rows->SeekToFirst();
  }
  while (rows->Valid()) {
    const std::string_view key = view(rows->key());
    const std::string_view bytes = view(rows->value());
    RowInfo info;
    HOLDFAST_ASSIGN(info, decode_info(key, bytes));
    if (!visit(key, info, bytes.substr(kRowHeaderBytes))) return {};
    if (scan.reverse) {
      rows->Prev();
    } else {
      rows->Next();
    }
  }
  return done(rows->status(), "reading a range of keys");
}

Result<std::optional<std::string>> RocksEngine::get_meta(std::string_view name) const {
  return database_->get_named(rocksdb::kReadAllTier, name);
}

Result<std::optional<std::string>> RocksEngine::get_durable_meta(std::string_view name) const {
  // Sequence numbers count what is only in memory; what this tier reads is in synced files.
  return database_->get_named(rocksdb::kPersistedTier, name);
}

Result<std::vector<Change>> RocksEngine::changes(Revision first, size_t limit) const {
  std::vector<Change> found;
  const std::unique_ptr<rocksdb::Iterator> feed(
      database_->db->NewIterator(ReadOptions(), database_->feed()));
  const std::array<char, 8> start = feed_key(first);
  for (feed->Seek(slice(start)); feed->Valid() && found.size() < limit; feed->Next()) {
    Change change;
    HOLDFAST_ASSIGN(change, decode_change(view(feed->key()), view(feed->value())));
    found.push_back(std::move(change));
  }
  HOLDFAST_TRY(done(feed->status(), "reading the feed of changes"));
  return found;
}

void RocksEngine::start_flush() {
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;  // without it the call would wait for room
  const Status status = database_->db->Flush(options, database_->families);
  // Try again: so many flushes wait already that writes are stopped until they are through.
  if (!status.ok() && !status.IsTryAgain()) {
    fatal(
        fmt::format("starting a flush of the state failed: RocksDB says '{}'", status.ToString()));
  }
}

Result<> RocksEngine::flush() {
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  HOLDFAST_TRY(done(database_->db->Flush(options, database_->families), "flushing the state"));
  // The listener may be told a moment later than this caller.
  database_->watch->count();
  return {};
}

uint64_t RocksEngine::flush_count() const {
  return database_->watch->flushes();
}

Result<> RocksEngine::checkpoint(const std::string& directory) {
  const std::string doing = fmt::format("copying the state to '{}'", directory);
  rocksdb::Checkpoint* made = nullptr;
  HOLDFAST_TRY(done(rocksdb::Checkpoint::Create(database_->db.get(), &made), doing));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // 0: flush whatever the size of the log, for there is none and memory holds the newest rows.
  return done(checkpoint->CreateCheckpoint(directory, 0), doing);
}

Result<> RocksEngine::set_history_floor(Revision floor) {
  const std::array<char, kRevisionBytes> bytes = timestamp_bytes(floor);
  return done(database_->db->IncreaseFullHistoryTsLow(database_->kv(),
                                                      std::string(bytes.data(), bytes.size())),
              fmt::format("setting the history floor to revision {}", floor.value));
}

Result<> RocksEngine::compact() {
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  for (ColumnFamilyHandle* family : database_->families) {
    HOLDFAST_TRY(done(database_->db->CompactRange(options, family, nullptr, nullptr),
                      fmt::format("compacting '{}'", family->GetName())));
  }
  return {};
}

}  // namespace holdfast
