#include "storage/base/bytes.h"

#include <utility>
#include <xxhash.h>

namespace holdfast {

uint64_t checksum(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Bytes::Bytes(std::string bytes) {
  const uint64_t sum = holdfast::checksum(bytes);
  shared_ = std::make_shared<const Shared>(Shared{std::move(bytes), sum});
}

Bytes::Bytes(std::string bytes, uint64_t verified_checksum)
    : shared_(std::make_shared<const Shared>(Shared{std::move(bytes), verified_checksum})) {}

uint64_t Bytes::checksum() const {
  return shared_ ? shared_->checksum : holdfast::checksum({});
}

}  // namespace holdfast
