#pragma once

// The only door to the disk. Two implementations: the operating system's, and the simulator's,
// which at a crash loses what was not synced. Calls block; they are made from the log thread and
// the one that makes its files ahead, from those that send and receive snapshots, or at start
// before there are threads. A File is used by one thread at a time.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace holdfast {

class File {
 public:
  virtual ~File() = default;
  // Writes all of `bytes` at `offset`, or fails: with kNoSpace where the disk is full, and part of
  // them may be written then. May extend the file.
  virtual Result<> write_at(uint64_t offset, std::string_view bytes) = 0;
  // Reads up to `count` bytes; fewer only at the end of the file.
  virtual Result<std::string> read_at(uint64_t offset, size_t count) const = 0;
  // Makes the file at least so large, and takes the room for it on the disk now, without writing
  // it where the file system can do that. kNoSpace: part of it may be taken.
  virtual Result<> take_room(uint64_t bytes) = 0;
  // After success, everything written so far (and the file's size) survives a power loss. After a
  // failure the state of the file is unknown: the caller stops the process and never tries again.
  virtual Result<> sync() = 0;
  virtual Result<uint64_t> size() const = 0;
};

struct DiskSpace {
  uint64_t free;  // what may still be written
  uint64_t total;
  friend bool operator==(const DiskSpace&, const DiskSpace&) = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;  // must not exist
  virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;    // must exist
  virtual Result<bool> exists(const std::string& path) const = 0;
  // Sorted. kNotFound: there is no such directory, where the file system has directories.
  virtual Result<std::vector<std::string>> list(const std::string& directory) const = 0;
  virtual Result<> create_directories(const std::string& path) = 0;
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<> remove(const std::string& path) = 0;            // a file
  virtual Result<> remove_directory(const std::string& path) = 0;  // must be empty
  // Makes the names in `directory` (created, renamed, removed) survive a power loss.
  virtual Result<> sync_directory(const std::string& directory) = 0;
  // Of the disk that `directory` lies on. Any thread.
  virtual Result<DiskSpace> space(const std::string& directory) const = 0;
};

// Replaces the file at `path` as one act that survives a power loss: a new file beside it, synced,
// renamed over it, and the directory synced. The only way in which small files are written.
Result<> replace_file(FileSystem& fs, const std::string& path, std::string_view bytes);

}  // namespace holdfast
