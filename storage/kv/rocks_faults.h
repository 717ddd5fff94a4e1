#pragma once

// RocksDB's files on a disk that does wrong on purpose, for drills.

#include <memory>

namespace rocksdb {
class FileSystem;
}  // namespace rocksdb

namespace holdfast {

class DiskFaults;

// As `files`, but for what `faults`, which outlives it, does to what is written, synced and
// removed. Any of RocksDB's threads waits where a disk stalls.
std::shared_ptr<rocksdb::FileSystem> faulty_files(const std::shared_ptr<rocksdb::FileSystem>& files,
                                                  DiskFaults& faults);

}  // namespace holdfast
