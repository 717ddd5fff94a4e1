#include "client/cli/backup_file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace holdfast::cli {
namespace {

// A rename survives a power loss only once the directory is synced.
bool sync_directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path();
  const char* const directory = parent.empty() ? "." : parent.c_str();
  const int descriptor = ::open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  const int error = errno;
  ::close(descriptor);
  errno = error;
  return synced;
}

}  // namespace

Result<BackupFile> BackupFile::create(const std::string& path) {
  if (path == "-") return BackupFile(path, "standard output", STDOUT_FILENO);
  std::error_code unknown;
  if (std::filesystem::exists(path, unknown)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("'{}' is there already, and a backup is never written over another: "
                            "give another name",
                            path));
  }
  const std::string part = path + ".part";
  const int descriptor = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  BackupFile file(path, part, descriptor);
  if (descriptor < 0) return file.failed("open");
  return file;
}

BackupFile::BackupFile(BackupFile&& other) noexcept
    : path_(std::move(other.path_)),
      part_(std::move(other.part_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      reader_(std::move(other.reader_)),
      head_(other.head_),
      checksum_(other.checksum_),
      stored_bytes_(other.stored_bytes_) {}

BackupFile::~BackupFile() {
  if (descriptor_ < 0 || !is_file()) return;
  ::close(descriptor_);
  ::unlink(part_.c_str());
}

std::unexpected<Error> BackupFile::failed(std::string_view act) const {
  return fail(ErrorCode::kIo,
              fmt::format("{} {}: {}", act, part_, std::generic_category().message(errno)));
}

Result<> BackupFile::take(std::string_view bytes) {
  reader_.feed(bytes);
  while (true) {
    std::optional<backup::Reader::Event> event;
    HOLDFAST_ASSIGN(event, reader_.next());
    if (!event) break;
    if (const auto* head = std::get_if<backup::Head>(&*event)) head_ = *head;
    if (const auto* end = std::get_if<backup::End>(&*event)) checksum_ = end->checksum;
  }
  stored_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<> BackupFile::finish() {
  HOLDFAST_TRY(reader_.finish());
  if (!is_file()) return {};
  if (::fsync(descriptor_) != 0) return failed("sync");
  if (::rename(part_.c_str(), path_.c_str()) != 0) return failed("rename");
  ::close(std::exchange(descriptor_, -1));
  if (!sync_directory_of(path_)) return failed("sync the directory of");
  return {};
}

}  // namespace holdfast::cli
