#pragma once

// One number for a set of records: SHA-256 over the length (8 bytes, big-endian) and the bytes of
// every key and value, in order of the keys. Equal digests mean equal records.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "client/cli/input.h"
#include "storage/base/result.h"

namespace holdfast::cli {

class Digest {
 public:
  Digest();
  ~Digest();

  // Keys must come in ascending order, each once.
  void add(std::string_view key, std::string_view value);

  uint64_t count() const { return count_; }
  // Lower-case hexadecimal; nothing can be added after it.
  std::string finish();

 private:
  struct Hash;
  std::unique_ptr<Hash> hash_;
  std::string last_key_;
  uint64_t count_ = 0;
};

struct FileDigest {
  std::string sha256;
  uint64_t count = 0;
};

// Of NDJSON records in any order, all of them held in memory at once. Of a key that comes more than
// once the last value counts, as it does for whoever imports the lines in order.
Result<FileDigest> digest_of_records(Input& in);

}  // namespace holdfast::cli
