#include "storage/kv/rocks_engine.h"

#include <algorithm>
#include <array>

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/base/thread_name.h"
#include "storage/kv/rocks_check.h"
#include "storage/kv/rocks_faults.h"
#include "storage/kv/rocks_options.h"
#include "storage/kv/rocks_past.h"
#include "storage/kv/rocks_room.h"
#include "storage/kv/rocks_words.h"
#include "storage/kv/stored_bytes.h"

namespace holdfast {
namespace {

using rocksdb::ColumnFamilyHandle;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

constexpr size_t kBatchBytesKept = 1 << 20;  // a larger write batch gives its memory back
constexpr uint64_t kNotSaid = UINT64_MAX;    // as free bytes

std::shared_ptr<rocksdb::FileSystem> files_of(const RocksEngine::Options& options) {
  std::shared_ptr<rocksdb::FileSystem> files = rocksdb::FileSystem::Default();
  return options.faults != nullptr ? faulty_files(files, *options.faults) : files;
}

}  // namespace

// What all databases of one engine have in common.
struct RocksEngine::Common {
  explicit Common(const Options& options_in)
      : options(options_in),
        cache(block_cache(options.block_cache_bytes)),
        own_env(options.make_room ? waiting_env(options.make_room, files_of(options)) : nullptr) {}

  rocksdb::Env& env() const { return own_env ? *own_env : *rocksdb::Env::Default(); }

  const Options options;
  const std::shared_ptr<rocksdb::Cache> cache;
  const std::unique_ptr<rocksdb::Env> own_env;  // null: the usual one
  const std::shared_ptr<FlushCount> flushes = std::make_shared<FlushCount>();
};

struct RocksEngine::Database {
  std::unique_ptr<rocksdb::DB> db;
  // Closed before `db`.
  std::vector<ColumnFamilyHandle*> families;

  // Apply thread only: kept for their memory.
  rocksdb::WriteBatch batch;
  std::string scratch;

  bool is_replaced = false;  // its files go when it is closed

  ~Database() {
    for (ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
  }

  ColumnFamilyHandle* meta() const { return families[0]; }
  ColumnFamilyHandle* kv() const { return families[1]; }
  ColumnFamilyHandle* feed() const { return families[2]; }

  // By one thread. A failure stops the process.
  void write(const EngineBatch& changes);
  Result<> flush();
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

RocksEngine::RocksEngine(const Options& options, StateDirectory files)
    : common_(std::make_unique<const Common>(options)),
      files_(std::move(files)),
      free_bytes_(options.make_room ? 0 : kNotSaid),
      closer_([this] { close_replaced(); }) {}

RocksEngine::~RocksEngine() {
  in_use_.reset();
  replaced_.close();
  closer_.join();
}

Result<std::unique_ptr<RocksEngine>> RocksEngine::open(const Options& options) {
  HOLDFAST_ASSIGN(StateDirectory files, StateDirectory::open(options.directory));
  std::unique_ptr<RocksEngine> engine(new RocksEngine(options, std::move(files)));
  const IfMissing if_missing =
      engine->files_.may_be_missing() ? IfMissing::kMake : IfMissing::kFail;
  HOLDFAST_ASSIGN(std::unique_ptr<Database> database,
                  engine->open_database(engine->files_.active(), if_missing));
  engine->use(std::move(database));
  // Only now: what is in use is sound, and no other process has it.
  HOLDFAST_TRY(engine->files_.remove_others());
  return engine;
}

Result<std::unique_ptr<RocksEngine::Database>> RocksEngine::open_database(
    const std::string& path, IfMissing if_missing) const {
  auto database = std::make_unique<Database>();
  rocksdb::DBOptions options =
      database_options(common_->flushes, common_->options.on_damage, common_->env());
  const uint64_t free_bytes = free_bytes_.load();
  if (free_bytes != kNotSaid) allow_no_compaction(options);
  options.create_if_missing = if_missing == IfMissing::kMake;
  options.create_missing_column_families = options.create_if_missing;
  rocksdb::DB* db = nullptr;
  const Status status = rocksdb::DB::Open(options, path, families(common_->options, common_->cache),
                                          &database->families, &db);
  if (!status.ok()) return fail(status, fmt::format("opening the state in '{}'", path));
  database->db.reset(db);
  if (free_bytes != kNotSaid) allow_free(*db, free_bytes);
  return database;
}

std::shared_ptr<RocksEngine::Database> RocksEngine::in_use() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}

void RocksEngine::use(std::unique_ptr<Database> database) {
  std::shared_ptr<Database> next(database.release(), [this](Database* unused) {
    replaced_.put(std::unique_ptr<Database>(unused));
  });
  const std::lock_guard lock(mutex_);
  in_use_.swap(next);
}

void RocksEngine::close_replaced() {
  name_this_thread("state-closer");
  std::vector<std::unique_ptr<Database>> databases;
  while (replaced_.drain(databases)) {
    for (std::unique_ptr<Database>& database : databases) {
      const bool is_replaced = database->is_replaced;
      const std::string path = database->db->GetName();
      database.reset();
      // What stays is removed at the next opening, which says why it cannot be.
      if (is_replaced) (void)remove_tree(path);
    }
    databases.clear();
  }
}

void RocksEngine::Database::write(const EngineBatch& changes) {
  rocksdb::WriteBatch& out = batch;
  Status status;
  const auto expect = [&status](Status step) {
    if (status.ok()) status = std::move(step);
  };
  struct Dated {
    const RowWrite* write;
    Revision revision;
  };
  std::vector<Dated> sorted;
  for (const RevisionWrite& change : changes.revisions) {
    for (const RowWrite& write : change.rows) sorted.push_back({&write, change.revision});
    encode_change(change, scratch);
    expect(out.Put(feed(), slice(feed_key(change.revision)), scratch));
  }
  // The memtable then finds a row's place from that of the one before. Of one key, a later version
  // must also be written later: compactions rely on it.
  std::ranges::sort(sorted, {}, [](const Dated& row) {
    return std::pair<std::string_view, Revision>(row.write->key, row.revision);
  });
  for (const auto& [write, at] : sorted) {
    const std::array<char, kRevisionBytes> revision = timestamp_bytes(at);
    if (!write->row) {
      expect(out.Delete(kv(), slice(write->key), slice(revision)));
      continue;
    }
    encode_row(*write->row, scratch);
    expect(out.Put(kv(), slice(write->key), slice(revision), scratch));
  }
  for (const auto& [name, value] : changes.meta) {
    expect(value ? out.Put(meta(), name, *value) : out.Delete(meta(), name));
  }

  rocksdb::WriteOptions options;
  options.disableWAL = true;
  if (status.ok()) status = db->Write(options, &out);
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

void RocksEngine::write(const EngineBatch& batch) {
  in_use_->write(batch);  // no lock: no other thread puts another in its place
}

template <class T>
Result<T> RocksEngine::told(Result<T> outcome) const {
  if (!outcome && outcome.error().code == ErrorCode::kCorrupt && common_->options.on_damage)
    common_->options.on_damage(outcome.error().message);
  return outcome;
}

Result<std::optional<Row>> RocksEngine::get(std::string_view key, Revision at,
                                            ReadTier tier) const {
  const std::shared_ptr<Database> database = in_use();
  rocksdb::PinnableSlice bytes;
  std::optional<RowInfo> info;
  HOLDFAST_ASSIGN(info, told(database->get(key, at, tier, bytes)));
  if (!info) return std::nullopt;
  bytes.remove_prefix(kRowHeaderBytes);
  return Row{*info, bytes.ToString()};
}

Result<std::optional<RowInfo>> RocksEngine::get_info(std::string_view key, Revision at) const {
  const std::shared_ptr<Database> database = in_use();
  rocksdb::PinnableSlice bytes;
  return told(database->get(key, at, ReadTier::kDisk, bytes));
}

Result<> RocksEngine::scan(const RangeScan& scan, const Visitor& visit) const {
  const std::shared_ptr<Database> database = in_use();
  if (!scan.end.empty() && scan.end <= scan.start) return {};
  const std::array<char, kRevisionBytes> revision = timestamp_bytes(scan.at);
  const Slice timestamp = slice(revision);
  const Slice start = slice(scan.start);
  const Slice end = slice(scan.end);
  ReadOptions read;
  read.timestamp = &timestamp;
  if (!scan.start.empty()) read.iterate_lower_bound = &start;
  if (!scan.end.empty()) read.iterate_upper_bound = &end;

  const std::unique_ptr<rocksdb::Iterator> rows(database->db->NewIterator(read, database->kv()));
  if (scan.reverse) {
    rows->SeekToLast();
  } else {
    rows->SeekToFirst();
  }
  while (rows->Valid()) {
    const std::string_view key = view(rows->key());
    const std::string_view bytes = view(rows->value());
    RowInfo info;
    HOLDFAST_ASSIGN(info, told(decode_info(key, bytes)));
    if (!visit(key, info, bytes.substr(kRowHeaderBytes))) return {};
    if (scan.reverse) {
      rows->Prev();
    } else {
      rows->Next();
    }
  }
  return told(done(rows->status(), "reading a range of keys"));
}

Result<std::optional<std::string>> RocksEngine::get_meta(std::string_view name) const {
  const std::shared_ptr<Database> database = in_use();
  return told(database->get_named(rocksdb::kReadAllTier, name));
}

Result<std::optional<std::string>> RocksEngine::get_durable_meta(std::string_view name) const {
  const std::shared_ptr<Database> database = in_use();
  // Sequence numbers count what is only in memory; what this tier reads is in synced files.
  return told(database->get_named(rocksdb::kPersistedTier, name));
}

Result<Engine::NamedValueList> RocksEngine::scan_meta(std::string_view prefix,
                                                      std::string_view start_after,
                                                      size_t limit) const {
  const std::shared_ptr<Database> database = in_use();
  NamedValueList found;
  const std::unique_ptr<rocksdb::Iterator> named(
      database->db->NewIterator(ReadOptions(), database->meta()));
  named->Seek(slice(std::max(prefix, start_after)));
  if (named->Valid() && view(named->key()) == start_after) named->Next();
  for (; named->Valid() && found.size() < limit; named->Next()) {
    if (!view(named->key()).starts_with(prefix)) break;
    found.emplace_back(view(named->key()), view(named->value()));
  }
  HOLDFAST_TRY(told(done(named->status(), fmt::format("reading the state's '{}…'", prefix))));
  return found;
}

Result<> RocksEngine::versions(std::string_view key, Revision floor, Revision at,
                               const VersionVisitor& visit) const {
  const std::shared_ptr<Database> database = in_use();
  return told(read_versions({*database->db, database->kv()}, key, floor, at, visit));
}

Result<std::vector<Change>> RocksEngine::changes(Revision first, size_t limit) const {
  const std::shared_ptr<Database> database = in_use();
  return told(read_changes({*database->db, database->feed()}, first, limit));
}

Result<Stamp> RocksEngine::made(Revision revision) const {
  const std::shared_ptr<Database> database = in_use();
  return told(read_made({*database->db, database->feed()}, revision));
}

Result<uint64_t> RocksEngine::approximate_bytes(const std::string& start,
                                                const std::string& end) const {
  const std::shared_ptr<Database> database = in_use();
  return holdfast::approximate_bytes({*database->db, database->kv()}, start, end);
}

void RocksEngine::start_flush() {
  const std::shared_ptr<Database> database = in_use();
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;  // without it the call would wait for room
  const Status status = database->db->Flush(options, database->families);
  // Try again: so many flushes wait already that writes are stopped until they are through.
  if (!status.ok() && !status.IsTryAgain()) {
    fatal(
        fmt::format("starting a flush of the state failed: RocksDB says '{}'", status.ToString()));
  }
}

Result<> RocksEngine::Database::flush() {
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  return done(db->Flush(options, families), "flushing the state");
}

Result<> RocksEngine::flush() {
  HOLDFAST_TRY(told(in_use()->flush()));
  // The listener may be told a moment later than this caller.
  common_->flushes->add();
  return {};
}

uint64_t RocksEngine::flush_count() const {
  return common_->flushes->count();
}

Result<> RocksEngine::checkpoint(const std::string& directory) {
  const std::shared_ptr<Database> database = in_use();
  const std::string doing = fmt::format("copying the state to '{}'", directory);
  // On a full disk the flush before it would wait for room, and take what others need more.
  const uint64_t free_bytes = free_bytes_.load();
  const uint64_t needed = room_to_flush(common_->options.memtable_bytes);
  if (free_bytes < needed)
    return fail(ErrorCode::kNoSpace,
                fmt::format("{}: the disk has {} MiB free, and {} MiB are needed: make room there",
                            doing, free_bytes >> 20, needed >> 20));
  rocksdb::Checkpoint* made = nullptr;
  HOLDFAST_TRY(done(rocksdb::Checkpoint::Create(database->db.get(), &made), doing));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // 0: flush whatever the size of the log, for there is none and memory holds the newest rows.
  return told(done(checkpoint->CreateCheckpoint(directory, 0), doing));
}

Result<NamedValues> RocksEngine::read_checkpoint(const std::string& directory,
                                                 std::span<const std::string_view> names) const {
  HOLDFAST_ASSIGN(const std::unique_ptr<RocksEngine> engine, open_to_read(directory));
  NamedValues named;
  for (const std::string_view name : names) {
    HOLDFAST_ASSIGN(std::optional<std::string> value, engine->get_meta(name));
    if (value) named.emplace(name, *std::move(value));
  }
  return named;
}

Result<std::unique_ptr<RocksEngine>> RocksEngine::open_to_read(const std::string& directory) {
  HOLDFAST_ASSIGN(StateDirectory files, StateDirectory::open(directory));
  std::unique_ptr<RocksEngine> engine(
      new RocksEngine(Options{.directory = directory}, std::move(files)));
  const Common& common = *engine->common_;
  auto database = std::make_unique<Database>();
  rocksdb::DBOptions settings = database_options(common.flushes, nullptr, common.env());
  settings.create_if_missing = false;  // else even this makes the directory
  rocksdb::DB* db = nullptr;
  // All families: each compares its files with its list of them.
  HOLDFAST_TRY(done(rocksdb::DB::OpenForReadOnly(settings, engine->files_.active(),
                                                 families(common.options, common.cache),
                                                 &database->families, &db),
                    fmt::format("reading the state in '{}'", engine->files_.active())));
  database->db.reset(db);
  engine->use(std::move(database));
  return engine;
}

Result<NamedValues> RocksEngine::read_named_values(const std::string& directory) {
  HOLDFAST_ASSIGN(const std::unique_ptr<RocksEngine> engine, open_to_read(directory));
  HOLDFAST_ASSIGN(NamedValueList values, engine->scan_meta("", "", SIZE_MAX));
  NamedValues named;
  for (auto& [name, value] : values) named.emplace(std::move(name), std::move(value));
  return named;
}

Result<> RocksEngine::make_ready(const std::string& staged, const NamedValues& meta) {
  HOLDFAST_ASSIGN(const std::unique_ptr<Database> database,
                  open_database(staged, IfMissing::kFail));
  EngineBatch batch;
  batch.meta.assign(meta.begin(), meta.end());
  database->write(batch);
  return database->flush();
}

Result<> RocksEngine::install(const std::string& directory, const NamedValues& meta) {
  HOLDFAST_ASSIGN(const std::string staged, files_.stage(directory));
  HOLDFAST_TRY(make_ready(staged, meta));
  // It is closed: an open database does not survive that its directory gets another name.
  if (const Result<> switched = files_.activate(); !switched) {
    fatal(
        fmt::format("a snapshot could not be put in the place of the state: {}. Check the disk, "
                    "then start this process again",
                    switched.error().message));
  }
  Result<std::unique_ptr<Database>> next = open_database(files_.active(), IfMissing::kFail);
  if (!next) fatal(next.error().message);
  in_use_->is_replaced = true;
  use(std::move(*next));
  // Whoever looked since the flush of what was staged has seen the old state.
  common_->flushes->add();
  return {};
}

Result<> RocksEngine::set_history_floor(Revision floor) {
  const std::shared_ptr<Database> database = in_use();
  HOLDFAST_TRY(
      forget_below({*database->db, database->kv()}, {*database->db, database->feed()}, floor));
  compacts_below_.store(floor.value, std::memory_order_release);
  return {};
}

Result<> RocksEngine::read_back(const std::function<bool(uint64_t bytes)>& pace) const {
  const std::shared_ptr<Database> database = in_use();
  return told(check_files_in_use(*database->db, families(common_->options, common_->cache), pace));
}

Result<> RocksEngine::read_back_file(const std::string& path) const {
  return told(check_table_file(path));
}

void RocksEngine::set_free_bytes(uint64_t bytes) {
  free_bytes_.store(bytes);
  allow_free(*in_use()->db, bytes);
}

Result<> RocksEngine::compact() {
  const std::shared_ptr<Database> database = in_use();
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.canceled = &compactions_ended_;
  options.allow_write_stall = true;  // without it the call would wait for a time without much to do
  for (ColumnFamilyHandle* family : database->families) {
    HOLDFAST_TRY(told(done(database->db->CompactRange(options, family, nullptr, nullptr),
                           fmt::format("compacting '{}'", family->GetName()))));
  }
  return {};
}

}  // namespace holdfast
