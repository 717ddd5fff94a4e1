#pragma once

// What RocksDB keeps of the past: the versions of one key, the feed of changes, and the forgetting
// of both. As Engine says; any thread.

#include <vector>

#include "storage/kv/engine.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace holdfast {

struct RocksFamily {
  rocksdb::DB& db;
  rocksdb::ColumnFamilyHandle* family;
};

Result<> read_versions(RocksFamily rows, std::string_view key, Revision floor, Revision at,
                       const Engine::VersionVisitor& visit);
Result<uint64_t> approximate_bytes(RocksFamily rows, const std::string& start,
                                   const std::string& end);
Result<std::vector<Change>> read_changes(RocksFamily feed, Revision first, size_t limit);
Result<Stamp> read_made(RocksFamily feed, Revision revision);

// Versions go when compactions come by, files of the feed at once where they lie below as a whole.
Result<> forget_below(RocksFamily rows, RocksFamily feed, Revision floor);

}  // namespace holdfast
