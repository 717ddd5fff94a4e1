#pragma once

// The order of versioned rows in RocksDB: by key bytes, and for one key the newest revision first.
// RocksDB 7.8 has such a comparator for 64-bit timestamps but does not declare it.

#include <cstddef>

namespace rocksdb {
class Comparator;
}

namespace holdfast {

inline constexpr size_t kRevisionBytes = 8;  // little-endian behind the key

const rocksdb::Comparator* revision_order();

}  // namespace holdfast
