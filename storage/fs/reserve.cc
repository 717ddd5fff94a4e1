#include "storage/fs/reserve.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace holdfast {

Reserve::Reserve(FileSystem& fs, std::string path, uint64_t bytes)
    : fs_(fs), path_(std::move(path)), bytes_(bytes) {}

Result<uint64_t> Reserve::held() const {
  HOLDFAST_ASSIGN(const bool there, fs_.exists(path_));
  if (!there) return 0;
  HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs_.open(path_));
  return file->size();
}

Result<> Reserve::take() {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const uint64_t has, held());
  if (has >= bytes_) return {};
  // Anew: a part that an earlier attempt took may be less than its size says.
  if (has > 0) HOLDFAST_TRY(fs_.remove(path_));
  HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs_.create(path_));
  const Result<> taken = file->take_room(bytes_);
  if (taken) return {};
  HOLDFAST_TRY(fs_.remove(path_));
  return taken;
}

Result<bool> Reserve::give_back() {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const bool there, fs_.exists(path_));
  if (!there) return false;
  HOLDFAST_TRY(fs_.remove(path_));
  return true;
}

Result<uint64_t> Reserve::lacks() const {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const uint64_t has, held());
  return bytes_ - std::min(has, bytes_);
}

}  // namespace holdfast
