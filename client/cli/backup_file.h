#pragma once

// A backup on its way into a file. Every byte is checked while it comes; the file has its name only
// once all of it is there, checked, and on disk.

#include <optional>
#include <string>
#include <string_view>

#include "storage/backup/reader.h"
#include "storage/base/descriptor.h"
#include "storage/base/result.h"

namespace holdfast::cli {

class BackupFile {
 public:
  // Writes to `path`.part, over what a try before has left there. kInvalid: `path` is there
  // already, or another backup is being written to it. "-": to standard output.
  static Result<BackupFile> create(const std::string& path);
  // A file that was not finished is removed.
  ~BackupFile();
  BackupFile(BackupFile&&) = default;
  BackupFile& operator=(BackupFile&&) = delete;

  // kCorrupt: what comes is not what was sent. kIo: it cannot be written.
  Result<> take(std::string_view bytes);
  // All has come. Durable on return. kCorrupt: it is not whole. kInvalid: `path` is there now.
  Result<> finish();

  const std::optional<backup::Head>& head() const { return head_; }  // once it has come
  uint64_t checksum() const { return checksum_; }                    // when finished
  uint64_t stored_bytes() const { return stored_bytes_; }            // so far
  uint64_t state_bytes() const { return reader_.file_bytes(); }      // so far, of head()->bytes

 private:
  BackupFile(std::string path, std::string part, Descriptor descriptor)
      : path_(std::move(path)), part_(std::move(part)), descriptor_(std::move(descriptor)) {}
  bool is_file() const { return path_ != "-"; }

  std::string path_;
  std::string part_;
  Descriptor descriptor_;  // closed: it is finished
  backup::Reader reader_;
  std::optional<backup::Head> head_;
  uint64_t checksum_ = 0;
  uint64_t stored_bytes_ = 0;
};

}  // namespace holdfast::cli
