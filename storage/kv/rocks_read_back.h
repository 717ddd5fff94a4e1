#pragma once

// Bit rot in files of RocksDB that nobody reads. Any thread; slow.

#include <cstdint>
#include <functional>
#include <vector>

#include "storage/base/result.h"

namespace rocksdb {
class DB;
struct ColumnFamilyDescriptor;
}  // namespace rocksdb

namespace holdfast {

// Compares the checksums of every file that is in use. `pace` is told the bytes of each file behind
// it, and ends it with false. kCorrupt: one of them is not what was written.
Result<> read_back_files(rocksdb::DB& db,
                         const std::vector<rocksdb::ColumnFamilyDescriptor>& families,
                         const std::function<bool(uint64_t bytes)>& pace);

}  // namespace holdfast
