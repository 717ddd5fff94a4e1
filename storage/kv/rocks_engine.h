#pragma once

// The state on disk, in RocksDB. Its write-ahead log is off: what was written since the last flush
// is lost at a crash, and the log of entries is applied again from there (see README.md).
//
// Threads as Engine says; flushes and compactions run on RocksDB's own. An error that RocksDB
// meets on its own, or a failed write, stops the process.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/kv/engine.h"

namespace holdfast {

class RocksEngine final : public Engine {
 public:
  struct Options {
    std::string directory;  // made if it is missing; its parent must be there
    size_t memtable_bytes = 16 << 20;
    size_t block_cache_bytes = 32 << 20;
  };

  // kCorrupt, or kIo with the words of RocksDB; another process has it open: kIo.
  static Result<std::unique_ptr<RocksEngine>> open(const Options& options);
  // All named values of the state in `directory`, which no process uses: nothing is changed. Fails
  // as open does, also where one of the state's files is missing, and with kIo where there is no
  // state.
  static Result<std::vector<std::pair<std::string, std::string>>> read_named_values(
      const std::string& directory);
  // Closes without a flush; call flush() first for a start without replay.
  ~RocksEngine() override;

  void write(const EngineBatch& batch) override;
  Result<std::optional<Row>> get(std::string_view key, Revision at, ReadTier tier) const override;
  Result<std::optional<RowInfo>> get_info(std::string_view key, Revision at) const override;
  Result<> scan(const RangeScan& scan, const Visitor& visit) const override;
  Result<std::optional<std::string>> get_meta(std::string_view name) const override;
  Result<std::optional<std::string>> get_durable_meta(std::string_view name) const override;
  Result<std::vector<Change>> changes(Revision first, size_t limit) const override;
  void start_flush() override;
  Result<> flush() override;
  uint64_t flush_count() const override;

  // A consistent copy of the whole state, flushed first, as a directory that must not exist; files
  // are linked where the file system can. Any thread; takes as long as a flush.
  Result<> checkpoint(const std::string& directory);

  // From now on compactions forget versions that no read at `floor` or later can see. The caller
  // refuses reads below it, and never lets it pass the durable revision. It never falls.
  Result<> set_history_floor(Revision floor);
  // Rewrites every file now, which forgets all that the floor allows. Minutes on a large state.
  Result<> compact();

 private:
  struct Database;
  explicit RocksEngine(std::unique_ptr<Database> database);

  std::unique_ptr<Database> database_;
};

}  // namespace holdfast
