#pragma once

// Reads a backup file from its first byte to its last, and checks all of it. Blocking.

#include <functional>
#include <string>

#include "storage/backup/format.h"
#include "storage/base/result.h"
#include "storage/fs/file_system.h"

namespace holdfast::offline {

struct Unpacked {
  backup::Head head;
  uint64_t checksum = 0;
  uint64_t bytes = 0;  // of the backup file
};

// Called now and then with how many bytes of the state's files were read.
using Progress = std::function<void(const backup::Head& head, uint64_t bytes)>;

// Puts the files into `directory`, which must be there and empty, and syncs them. After an error
// what is there is the caller's to remove. kCorrupt, kInvalid: see backup::Reader.
Result<Unpacked> unpack(FileSystem& fs, const std::string& file, const std::string& directory,
                        const Progress& progress);

}  // namespace holdfast::offline
