#include "storage/fs/disk_faults.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

namespace holdfast {
namespace {

class FaultyFile final : public File {
 public:
  FaultyFile(std::string path, std::unique_ptr<File> file, DiskFaults& faults)
      : path_(std::move(path)), file_(std::move(file)), faults_(faults) {}

  Result<> write_at(uint64_t offset, std::string_view bytes) override {
    HOLDFAST_ASSIGN(const uint64_t growth, growth_to(offset + bytes.size()));
    HOLDFAST_TRY(faults_.before_write(path_, growth));
    return file_->write_at(offset, bytes);
  }
  Result<std::string> read_at(uint64_t offset, size_t count) const override {
    return file_->read_at(offset, count);
  }
  Result<> take_room(uint64_t bytes) override {
    HOLDFAST_ASSIGN(const uint64_t growth, growth_to(bytes));
    HOLDFAST_TRY(faults_.before_write(path_, growth));
    return file_->take_room(bytes);
  }
  Result<> sync() override {
    HOLDFAST_TRY(faults_.before_sync(path_));
    return file_->sync();
  }
  Result<uint64_t> size() const override { return file_->size(); }

 private:
  Result<uint64_t> growth_to(uint64_t end) const {
    HOLDFAST_ASSIGN(const uint64_t size, file_->size());
    return end - std::min(size, end);
  }

  const std::string path_;
  const std::unique_ptr<File> file_;
  DiskFaults& faults_;
};

}  // namespace

void DiskFaults::set(const DiskFault& fault) {
  {
    const std::lock_guard lock(mutex_);
    if (!fault_.full) room_ = 0;
    fault_ = fault;
  }
  changed_.notify_all();
}

Result<> DiskFaults::before_write(std::string_view path, uint64_t growth) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !fault_.stall; });
  if (!fault_.full) return {};
  if (growth > room_)
    return fail(
        ErrorCode::kNoSpace,
        fmt::format("write {}: No space left on device (by PUT /v1/faults: disk.full)", path));
  room_ -= growth;
  return {};
}

Result<> DiskFaults::before_sync(std::string_view path) {
  std::unique_lock lock(mutex_);
  // Each sync by its own begin, whatever delay was set then.
  const Instant began = SystemClock().now();
  while (fault_.stall || SystemClock().now() < began + fault_.delay) {
    if (fault_.stall) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, began + fault_.delay);
    }
  }
  if (!fault_.fail_sync) return {};
  return fail(ErrorCode::kIo,
              fmt::format("sync {}: Input/output error (by PUT /v1/faults: disk.fail_sync)", path));
}

void DiskFaults::give_back(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (fault_.full) room_ += bytes;
}

std::optional<uint64_t> DiskFaults::free() const {
  const std::lock_guard lock(mutex_);
  return fault_.full ? std::optional(room_) : std::nullopt;
}

Result<std::unique_ptr<File>> FaultyDisk::create(const std::string& path) {
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, files_.create(path));
  return std::make_unique<FaultyFile>(path, std::move(file), faults_);
}

Result<std::unique_ptr<File>> FaultyDisk::open(const std::string& path) {
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, files_.open(path));
  return std::make_unique<FaultyFile>(path, std::move(file), faults_);
}

Result<> FaultyDisk::remove(const std::string& path) {
  // What cannot be measured gives nothing back.
  uint64_t bytes = 0;
  if (faults_.free()) {
    HOLDFAST_ASSIGN(const std::unique_ptr<File> file, files_.open(path));
    HOLDFAST_ASSIGN(bytes, file->size());
  }
  HOLDFAST_TRY(files_.remove(path));
  faults_.give_back(bytes);
  return {};
}

Result<> FaultyDisk::sync_directory(const std::string& directory) {
  HOLDFAST_TRY(faults_.before_sync(directory));
  return files_.sync_directory(directory);
}

Result<DiskSpace> FaultyDisk::space(const std::string& directory) const {
  HOLDFAST_ASSIGN(DiskSpace space, files_.space(directory));
  space.free = std::min(space.free, faults_.free().value_or(space.free));
  return space;
}

}  // namespace holdfast
