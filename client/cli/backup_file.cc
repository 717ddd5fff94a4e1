#include "client/cli/backup_file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
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
  const Descriptor opened(::open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return opened.is_open() && ::fsync(opened.number()) == 0;
}

std::unexpected<Error> taken(const std::string& path) {
  return fail(ErrorCode::kInvalid,
              fmt::format("'{}' is there already, and a backup is never written over another: "
                          "give another name",
                          path));
}

// Whoever holds the lock writes to the file, and may then have renamed or removed it.
bool is_still_named(const Descriptor& descriptor, const std::string& path) {
  struct stat ours{};
  struct stat named{};
  return ::fstat(descriptor.number(), &ours) == 0 && ::stat(path.c_str(), &named) == 0 &&
         ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

// Never over another file, also one that came meanwhile. A file system that knows no such rename
// (NFS) is asked for a second name instead.
bool rename_to_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  return errno == EINVAL && ::link(from.c_str(), to.c_str()) == 0 && ::unlink(from.c_str()) == 0;
}

std::unexpected<Error> system_refuses(std::string_view act, const std::string& path) {
  return fail(ErrorCode::kIo,
              fmt::format("{} {}: {}", act, path, std::generic_category().message(errno)));
}

// Made if it is not there, and written to by nobody else as long as it is open.
Result<Descriptor> open_locked(const std::string& path) {
  while (true) {
    Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!descriptor.is_open()) return system_refuses("open", path);
    const bool is_ours = ::flock(descriptor.number(), LOCK_EX | LOCK_NB) == 0;
    if (is_ours && is_still_named(descriptor, path)) return descriptor;
    if (is_ours) continue;
    if (errno != EWOULDBLOCK) return system_refuses("lock", path);
    return fail(ErrorCode::kInvalid,
                fmt::format("another backup is being written to '{}' now", path));
  }
}

}  // namespace

Result<BackupFile> BackupFile::create(const std::string& path) {
  if (path == "-") {
    const std::string name = "standard output";
    Descriptor output(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!output.is_open()) return system_refuses("open", name);
    return BackupFile(path, name, std::move(output));
  }
  std::error_code unknown;
  if (std::filesystem::exists(path, unknown)) return taken(path);
  const std::string part = path + ".part";
  HOLDFAST_ASSIGN(Descriptor descriptor, open_locked(part));
  BackupFile file(path, part, std::move(descriptor));
  if (::ftruncate(file.descriptor_.number(), 0) != 0) return system_refuses("cut", part);
  return file;
}

BackupFile::~BackupFile() {
  // While it is locked: behind that the name may be another's.
  if (descriptor_.is_open() && is_file()) ::unlink(part_.c_str());
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
    const ssize_t written = ::write(descriptor_.number(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_refuses("write", part_);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<> BackupFile::finish() {
  HOLDFAST_TRY(reader_.finish());
  if (!is_file()) return {};
  if (::fsync(descriptor_.number()) != 0) return system_refuses("sync", part_);
  if (!rename_to_new(part_, path_))
    return errno == EEXIST ? taken(path_) : system_refuses("rename", part_);
  descriptor_.close();
  if (!sync_directory_of(path_)) return system_refuses("sync the directory of", path_);
  return {};
}

}  // namespace holdfast::cli
