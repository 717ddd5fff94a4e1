#pragma once

#include "storage/fs/file_system.h"

namespace holdfast {

// The operating system's files. Stateless; callable from any thread.
class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<bool> exists(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Result<> create_directories(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> remove_directory(const std::string& path) override;
  Result<> sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& directory) const override;
};

// The same files, for a look at what must not change, also where the disk is mounted read-only:
// what would change anything is refused with kInvalid, and a write to an open file by the system.
class PosixReader final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<bool> exists(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Result<> create_directories(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> remove_directory(const std::string& path) override;
  Result<> sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& directory) const override;
};

}  // namespace holdfast
