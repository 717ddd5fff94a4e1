#pragma once

// Our words and RocksDB's, turned into each other. For the files named rocks_….cc alone.

#include <array>
#include <bit>
#include <string_view>

#include <fmt/core.h>
#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/kv/revision_order.h"

namespace holdfast {

inline rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

inline std::string_view view(const rocksdb::Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

template <size_t N>
rocksdb::Slice slice(const std::array<char, N>& bytes) {
  return {bytes.data(), bytes.size()};
}

inline std::array<char, kRevisionBytes> timestamp_bytes(Revision revision) {
  return std::bit_cast<std::array<char, kRevisionBytes>>(revision.value);
}

inline std::unexpected<Error> fail(const rocksdb::Status& status, std::string_view doing) {
  const ErrorCode code = status.IsIncomplete()   ? ErrorCode::kIncomplete
                         : status.IsCorruption() ? ErrorCode::kCorrupt
                                                 : ErrorCode::kIo;
  return fail(code, fmt::format("{}: RocksDB says '{}'", doing, status.ToString()));
}

inline Result<> done(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return {};
  return fail(status, doing);
}

}  // namespace holdfast
