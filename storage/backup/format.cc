#include "storage/backup/format.h"

#include "storage/base/bytes.h"
#include "storage/base/codec.h"

namespace holdfast::backup {

std::string prelude() {
  std::string out(kMagic);
  put_fixed(out, kVersion);
  return out;
}

uint64_t frame_checksum(uint64_t before, FrameKind kind, std::string_view body) {
  std::string shape;
  put_fixed(shape, static_cast<uint32_t>(kind));
  put_fixed(shape, static_cast<uint32_t>(body.size()));
  return checksum(body, checksum(shape, before));
}

}  // namespace holdfast::backup
