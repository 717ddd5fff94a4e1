#pragma once

// What a disk does wrong on purpose, for drills, and the file system that does it. The state's
// files, which RocksDB writes past that, ask the same DiskFaults (storage/kv/rocks_faults.h).

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/clock.h"
#include "storage/fs/file_system.h"

namespace holdfast {

struct DiskFault {
  bool stall = false;      // no write and no sync ends
  Duration delay{};        // so much longer takes each sync
  bool fail_sync = false;  // each sync fails
  bool full = false;       // others have filled it
  bool any() const { return *this != DiskFault{}; }
  friend bool operator==(const DiskFault&, const DiskFault&) = default;
};

// Any thread.
class DiskFaults {
 public:
  // From now on. Who waits for a stall, or for the rest of a delay, that is over goes on. A disk
  // that gets full has no room left at all; one that stays full has what was given back since.
  void set(const DiskFault& fault);

  // Before a write, which makes the file `growth` larger: waits as long as the disk stalls.
  // kNoSpace: it has not so much room.
  Result<> before_write(std::string_view path, uint64_t growth);
  // Before a sync: waits as long as the disk stalls, and for its delay. kIo: it has failed.
  Result<> before_sync(std::string_view path);
  // A file of so many bytes is gone.
  void give_back(uint64_t bytes);
  // What is free at most; nothing: as much as is.
  std::optional<uint64_t> free() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  DiskFault fault_;
  uint64_t room_ = 0;  // where it is full
};

// As the files below, but for what `faults` does to writes, room and syncs. Only files that grow
// need room: what was taken before, as the log's files are, can be written on a full disk. Reading,
// renaming and removing are not hindered.
class FaultyDisk final : public FileSystem {
 public:
  // Both outlive it, and its files.
  FaultyDisk(FileSystem& files, DiskFaults& faults) : files_(files), faults_(faults) {}

  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<bool> exists(const std::string& path) const override { return files_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& directory) const override {
    return files_.list(directory);
  }
  Result<> create_directories(const std::string& path) override {
    return files_.create_directories(path);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    return files_.rename(from, to);
  }
  Result<> remove(const std::string& path) override;
  Result<> remove_directory(const std::string& path) override {
    return files_.remove_directory(path);
  }
  Result<> sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& directory) const override;

 private:
  FileSystem& files_;
  DiskFaults& faults_;
};

}  // namespace holdfast
