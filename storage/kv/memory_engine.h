#pragma once

// The state in ordered maps, for the simulator and for ThreadSanitizer (RocksDB as packaged is not
// instrumented). Deterministic. What a crash leaves is any whole batch not older than the last
// flush: RocksDB, too, may flush when nobody asked.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "storage/base/random.h"
#include "storage/kv/engine.h"

namespace holdfast {

class MemoryEngine final : public Engine {
 public:
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
  // The bytes of keys and of all versions of them.
  Result<uint64_t> approximate_bytes(const std::string& start,
                                     const std::string& end) const override;
  // Forgets at once.
  Result<> set_history_floor(Revision floor) override;
  // Complete a few writes later, or at the next flush.
  void start_flush() override;
  Result<> flush() override;
  uint64_t flush_count() const override { return flush_count_.load(std::memory_order_acquire); }
  // A checkpoint is an image kept in the engine; `directory` is only its name.
  Result<> checkpoint(const std::string& directory) override;
  Result<NamedValues> read_checkpoint(const std::string& directory,
                                      std::span<const std::string_view> names) const override;
  Result<> install(const std::string& directory, const NamedValues& meta) override;

  // What a network carries: an image leaves one engine, and is put into others. Nothing: there is
  // none of that name. A crash leaves the images.
  struct Image;
  std::shared_ptr<const Image> take_image(const std::string& name);
  void put_image(const std::string& name, std::shared_ptr<const Image> image);

  // What nobody asked for happened to the newest version of `key`, which is there.
  void overwrite(const std::string& key, Row row);

  // Loses a random number of the newest batches, none of them older than the last complete flush;
  // what is left is durable. Nobody else may be using the engine.
  void crash(Random& random);

 private:
  struct Version {
    Revision revision;
    std::optional<Row> row;  // no row: deleted
  };
  using Versions = std::vector<Version>;  // ascending
  using Rows = std::map<std::string, Versions, std::less<>>;

  // What takes one batch back.
  struct Undo {
    std::vector<std::pair<Revision, std::vector<std::string>>> keys;
    std::vector<std::pair<std::string, std::optional<std::string>>> meta;
  };

  static void restore(NamedValues& values, const Undo& undo);
  static const Row* row_at(const Versions& versions, Revision at);
  void write_meta(const std::string& name, const std::optional<std::string>& value, Undo& undo);
  void finish_flush(size_t batches);
  void take_back(const Undo& undo);

  mutable std::mutex mutex_;
  Rows rows_;
  std::map<Revision, Change> changes_;
  NamedValues meta_;
  NamedValues durable_meta_;
  std::vector<Undo> unflushed_;  // one for each batch since the last complete flush
  // A flush that was started: of so many of the unflushed batches, complete after so many writes.
  size_t flushing_batches_ = 0;
  int flushing_writes_ = 0;
  std::atomic<uint64_t> flush_count_ = 0;
  std::map<std::string, std::shared_ptr<const Image>, std::less<>> images_;
};

}  // namespace holdfast
