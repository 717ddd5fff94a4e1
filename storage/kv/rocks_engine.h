#pragma once

// The state on disk, in RocksDB. Its write-ahead log is off: what was written since the last flush
// is lost at a crash, and the log of entries is applied again from there (see README.md).
//
// Threads as Engine says; flushes and compactions run on RocksDB's own. An error that RocksDB
// meets on its own, or a failed write, stops the process. What finds the disk full waits for room.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "storage/base/mailbox.h"
#include "storage/fs/room.h"
#include "storage/kv/engine.h"
#include "storage/kv/state_directory.h"

namespace holdfast {

class DiskFaults;

class RocksEngine final : public Engine {
 public:
  struct Options {
    std::string directory;  // see StateDirectory; its parent must be there
    size_t memtable_bytes = 16 << 20;
    uint64_t table_bytes = 64 << 20;  // of one file; up to eleven are rewritten at once
    size_t block_cache_bytes = 32 << 20;
    // Told of damaged bytes when they are met: from the thread that meets them, before the error
    // is returned, or the process stops. Nothing of them is ever returned.
    std::function<void(const std::string& what)> on_damage = nullptr;
    // Asked, from the thread that writes a file, again and again while the disk has no room for it;
    // to be answered when it is worth another try. False, or nobody to ask: the process stops.
    AskForRoom make_room = nullptr;
    // What the disk does wrong on purpose; outlives the engine. Only beside `make_room`.
    DiskFaults* faults = nullptr;
  };

  // kCorrupt, or kIo with the words of RocksDB; another process has it open: kIo. What installs
  // that a crash ended, and databases that were replaced, have left behind is removed.
  static Result<std::unique_ptr<RocksEngine>> open(const Options& options);
  // For a look at a state that no process uses, or at a checkpoint: changes nothing, and only what
  // reads may be called. Fails as open does, also where one of the state's files is missing, and
  // with kIo where there is no state.
  static Result<std::unique_ptr<RocksEngine>> open_to_read(const std::string& directory);
  // All named values of such a state.
  static Result<NamedValues> read_named_values(const std::string& directory);
  // Closes without a flush; call flush() first for a start without replay.
  ~RocksEngine() override;

  void write(const EngineBatch& batch) override;
  Result<std::optional<Row>> get(std::string_view key, Revision at, ReadTier tier) const override;
  Result<std::optional<RowInfo>> get_info(std::string_view key, Revision at) const override;
  Result<> scan(const RangeScan& scan, const Visitor& visit) const override;
  Result<std::optional<std::string>> get_meta(std::string_view name) const override;
  Result<NamedValueList> scan_meta(std::string_view prefix, std::string_view start_after,
                                   size_t limit) const override;
  Result<std::optional<std::string>> get_durable_meta(std::string_view name) const override;
  Result<> versions(std::string_view key, Revision floor, Revision at,
                    const VersionVisitor& visit) const override;
  Result<std::vector<Change>> changes(Revision first, size_t limit) const override;
  Result<Stamp> made(Revision revision) const override;
  // Within some tenths where the range spans many blocks of 4 KiB; coarser below.
  Result<uint64_t> approximate_bytes(const std::string& start,
                                     const std::string& end) const override;
  // Versions go when compactions come by (to cold files: within a day), files of the feed at once.
  Result<> set_history_floor(Revision floor) override;
  void start_flush() override;
  Result<> flush() override;
  uint64_t flush_count() const override;
  // Files are linked where the file system can. kNoSpace, and nothing was made: less is free, as
  // far as was said, than the flush before it may need.
  Result<> checkpoint(const std::string& directory) override;
  Result<NamedValues> read_checkpoint(const std::string& directory,
                                      std::span<const std::string_view> names) const override;
  // `directory` on the same file system, its files synced. Returns without waiting for readers of
  // the old state: it is closed and removed when the last of them is done.
  Result<> install(const std::string& directory, const NamedValues& meta) override;

  // Reads every file of the state back and compares its checksums; `pace` is told of each, and ends
  // it with false. Damage is told as elsewhere. Any thread but those of Options.
  Result<> read_back(const std::function<bool(uint64_t bytes)>& pace) const;

  // The same of a file of a checkpoint that was made here.
  Result<> read_back_file(const std::string& path) const;

  // What is free on the disk, to be said again and again: no rewriting of files is begun that might
  // use up so much. Never said: none is begun where Options::make_room is given, else all is. Any
  // thread.
  void set_free_bytes(uint64_t bytes);

  // Rewrites every file now, which forgets all that the floor allows. Minutes on a large state.
  // Any thread.
  Result<> compact();
  // Ends that, with kIncomplete, now and for ever: for a stop. Any thread.
  void end_compactions() { compactions_ended_.store(true); }
  // The floor that a compaction goes by: what set_history_floor was told last. Any thread.
  Revision compacts_below() const { return {compacts_below_.load(std::memory_order_acquire)}; }

 private:
  struct Database;
  struct Common;
  enum class IfMissing { kMake, kFail };

  RocksEngine(const Options& options, StateDirectory files);
  Result<std::unique_ptr<Database>> open_database(const std::string& path, IfMissing) const;
  // A reader holds what this answers as long as it reads: an install may put another in its place.
  std::shared_ptr<Database> in_use() const;
  void use(std::unique_ptr<Database> database);
  // Passes `outcome` on, and tells if it is damage.
  template <class T>
  Result<T> told(Result<T> outcome) const;
  Result<> make_ready(const std::string& staged, const NamedValues& meta);
  void close_replaced();

  const std::unique_ptr<const Common> common_;
  StateDirectory files_;  // apply thread only
  std::atomic<uint64_t> compacts_below_ = 0;
  std::atomic<bool> compactions_ended_ = false;
  std::atomic<uint64_t> free_bytes_;

  mutable std::mutex mutex_;
  std::shared_ptr<Database> in_use_;  // set by the apply thread alone
  // Databases that nobody reads any more. Closing one and removing its files takes long, and the
  // last reader may be a thread that carries heartbeats.
  BlockingMailbox<std::unique_ptr<Database>> replaced_;
  std::thread closer_;
};

}  // namespace holdfast
