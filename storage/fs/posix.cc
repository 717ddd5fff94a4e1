#include "storage/fs/posix.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/base/check.h"

namespace holdfast {
namespace {

ErrorCode code_of(int number) {
  if (number == ENOENT) return ErrorCode::kNotFound;
  return number == ENOSPC || number == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kIo;
}

std::unexpected<Error> os_error(std::string_view act, const std::string& path) {
  const int number = errno;
  return fail(code_of(number), fmt::format("{} {}: {}", act, path, std::strerror(number)));
}

// Whatever made a sync fail: what was to be synced may be gone, and room does not bring it back.
std::unexpected<Error> sync_error(const std::string& path) {
  return fail(ErrorCode::kIo, fmt::format("sync {}: {}", path, std::strerror(errno)));
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~PosixFile() override { ::close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<> write_at(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return os_error("write", path_);
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  Result<std::string> read_at(uint64_t offset, size_t count) const override {
    std::string bytes(count, '\0');
    size_t have = 0;
    while (have < count) {
      const ssize_t got = ::pread(descriptor_, bytes.data() + have, count - have,
                                  static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os_error("read", path_);
      if (got == 0) break;
      have += static_cast<size_t>(got);
    }
    bytes.resize(have);
    return bytes;
  }

  Result<> take_room(uint64_t bytes) override {
    int number = EINTR;
    while (number == EINTR) number = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes));
    errno = number;
    if (number != 0) return os_error("take room for", path_);
    return {};
  }

  Result<> sync() override {
    // Never retried: after a failed sync the kernel may have marked the lost pages clean.
    if (::fdatasync(descriptor_) != 0) return sync_error(path_);
    return {};
  }

  Result<uint64_t> size() const override {
    struct stat status{};
    if (::fstat(descriptor_, &status) != 0) return os_error("stat", path_);
    return static_cast<uint64_t>(status.st_size);
  }

 private:
  const std::string path_;
  const int descriptor_;
};

Result<int> open_descriptor(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (descriptor < 0) return os_error("open", path);
  return descriptor;
}

Result<std::unique_ptr<File>> open_file(const std::string& path, int flags) {
  HOLDFAST_ASSIGN(const int descriptor, open_descriptor(path, flags));
  // After a failed sync the kernel may keep pages that never reached the disk, marked clean. What
  // is read from now on is what the disk holds.
  ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  return std::make_unique<PosixFile>(path, descriptor);
}

std::unexpected<Error> only_reads(std::string_view act, const std::string& path) {
  return fail(ErrorCode::kInvalid, fmt::format("{} {}: it is only read here", act, path));
}

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::create(const std::string& path) {
  HOLDFAST_ASSIGN(const int descriptor, open_descriptor(path, O_RDWR | O_CREAT | O_EXCL));
  return std::make_unique<PosixFile>(path, descriptor);
}

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path) {
  return open_file(path, O_RDWR);
}

Result<bool> PosixFileSystem::exists(const std::string& path) const {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT) return false;
  return os_error("look for", path);
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) const {
  std::error_code code;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(directory, code);
  for (; !code && entry != std::filesystem::directory_iterator(); entry.increment(code))
    names.push_back(entry->path().filename().string());
  if (code) {
    return fail(
        code == std::errc::no_such_file_or_directory ? ErrorCode::kNotFound : ErrorCode::kIo,
        fmt::format("list {}: {}", directory, code.message()));
  }
  std::ranges::sort(names);
  return names;
}

Result<> PosixFileSystem::create_directories(const std::string& path) {
  // One level at a time, so that each new name can be made durable in its parent.
  std::filesystem::path so_far;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    const std::string parent = so_far.empty() ? "." : so_far.string();
    so_far /= part;
    if (::mkdir(so_far.c_str(), 0700) == 0) {
      HOLDFAST_TRY(sync_directory(parent));
    } else if (errno != EEXIST) {
      return os_error("create directory", so_far.string());
    }
  }
  return {};
}

Result<> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return os_error("rename", from + " to " + to);
  return {};
}

Result<> PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return os_error("remove", path);
  return {};
}

Result<> PosixFileSystem::remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) != 0) return os_error("remove directory", path);
  return {};
}

Result<> PosixFileSystem::sync_directory(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return os_error("open directory", directory);
  const int outcome = ::fsync(descriptor);
  const int code = errno;
  ::close(descriptor);
  errno = code;
  if (outcome != 0) return sync_error(directory);
  return {};
}

Result<DiskSpace> PosixFileSystem::space(const std::string& directory) const {
  struct statvfs status{};
  if (::statvfs(directory.c_str(), &status) != 0)
    return os_error("ask for free space at", directory);
  return DiskSpace{.free = static_cast<uint64_t>(status.f_bavail) * status.f_frsize,
                   .total = static_cast<uint64_t>(status.f_blocks) * status.f_frsize};
}

Result<std::unique_ptr<File>> PosixReader::create(const std::string& path) {
  return only_reads("create", path);
}

Result<std::unique_ptr<File>> PosixReader::open(const std::string& path) {
  return open_file(path, O_RDONLY);
}

Result<bool> PosixReader::exists(const std::string& path) const {
  return PosixFileSystem().exists(path);
}

Result<std::vector<std::string>> PosixReader::list(const std::string& directory) const {
  return PosixFileSystem().list(directory);
}

Result<> PosixReader::create_directories(const std::string& path) {
  return only_reads("create directory", path);
}

Result<> PosixReader::rename(const std::string& from, const std::string& /*to*/) {
  return only_reads("rename", from);
}

Result<> PosixReader::remove(const std::string& path) {
  return only_reads("remove", path);
}

Result<> PosixReader::sync_directory(const std::string& directory) {
  return only_reads("sync directory", directory);
}

Result<> PosixReader::remove_directory(const std::string& path) {
  return only_reads("remove directory", path);
}

Result<DiskSpace> PosixReader::space(const std::string& directory) const {
  return PosixFileSystem().space(directory);
}

}  // namespace holdfast
