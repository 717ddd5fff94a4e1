#pragma once

// Disks for tests, of which others take as much as a test says.

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/sim/sim_file_system.h"

namespace holdfast {

inline constexpr uint64_t kTakenDisk = 64'000'000;

// One for each directory. The files on them are made in memory, and few. Any thread.
class TakenDisk final : public FileSystem {
 public:
  void take(uint64_t bytes, const std::string& directory = "data") {
    set([&] { taken_[directory] = bytes; });
  }
  void fail(bool does) {
    set([&] { fails_ = does; });
  }
  void hide_reserve() {
    set([&] { hides_reserve_ = true; });
  }

  Result<std::unique_ptr<File>> create(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return fs_.create(path);
  }
  Result<std::unique_ptr<File>> open(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return fs_.open(path);
  }
  Result<bool> exists(const std::string& path) const override {
    const std::lock_guard lock(mutex_);
    if (hides_reserve_) return holdfast::fail(ErrorCode::kIo, "it does not say what is there");
    return fs_.exists(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    return fs_.list(path);
  }
  Result<> create_directories(const std::string& path) override {
    return fs_.create_directories(path);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    return fs_.rename(from, to);
  }
  Result<> remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return fs_.remove(path);
  }
  Result<> remove_directory(const std::string& path) override { return fs_.remove_directory(path); }
  Result<> sync_directory(const std::string& path) override { return fs_.sync_directory(path); }
  Result<DiskSpace> space(const std::string& path) const override {
    const std::lock_guard lock(mutex_);
    if (fails_) return holdfast::fail(ErrorCode::kIo, "it does not say");
    const auto others = taken_.find(path);
    uint64_t used = others == taken_.end() ? 0 : others->second;
    for (const auto& [name, bytes] : fs_.files())
      if (name.starts_with(path + "/")) used += bytes.size();
    return DiskSpace{.free = kTakenDisk - std::min(kTakenDisk, used), .total = kTakenDisk};
  }

 private:
  void set(const auto& change) {
    const std::lock_guard lock(mutex_);
    change();
  }

  mutable std::mutex mutex_;
  SimFileSystem fs_{1};
  std::map<std::string, uint64_t> taken_;
  bool fails_ = false;
  bool hides_reserve_ = false;
};

}  // namespace holdfast
