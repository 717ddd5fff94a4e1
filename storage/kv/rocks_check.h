#pragma once

// Bit rot in files of RocksDB, found by comparing the checksum of every block. Any thread; slow.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace rocksdb {
class DB;
struct ColumnFamilyDescriptor;
}  // namespace rocksdb

namespace holdfast {

struct TableFiles {
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::vector<std::string> wrong;  // a line for each that is damaged
};

// Of the database that is exactly `directory`, which no process uses.
Result<TableFiles> check_table_files(const std::string& directory);

// Of one file, of a checkpoint. What is no table of rows has nothing to compare.
Result<> check_table_file(const std::string& path);

// Of one that is open. `pace` is told the bytes of each file behind it, and ends it with false.
// kCorrupt: one of them is not what was written.
Result<> check_files_in_use(rocksdb::DB& db,
                            const std::vector<rocksdb::ColumnFamilyDescriptor>& families,
                            const std::function<bool(uint64_t bytes)>& pace);

}  // namespace holdfast
