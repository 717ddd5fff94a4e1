#pragma once

// Immutable shared bytes with the checksum that was computed when they were made: the same bytes
// lie in the log, cross the network and reach the followers' logs without being hashed again.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace holdfast {

// XXH3, 64 bits. The checksum of everything that is stored or sent.
uint64_t checksum(std::string_view bytes, uint64_t seed = 0);

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string bytes);
  // For bytes whose checksum was read beside them and has been compared: not hashed again.
  Bytes(std::string bytes, uint64_t verified_checksum);

  std::string_view view() const { return shared_ ? std::string_view(shared_->bytes) : ""; }
  size_t size() const { return shared_ ? shared_->bytes.size() : 0; }
  uint64_t checksum() const;

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view() == b.view(); }

 private:
  struct Shared {
    std::string bytes;
    uint64_t checksum;
  };
  std::shared_ptr<const Shared> shared_;
};

}  // namespace holdfast
