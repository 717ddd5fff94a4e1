#include "storage/kv/engine.h"

#include <array>

#include "storage/base/bytes.h"

namespace holdfast {

uint64_t row_hash(std::string_view key, const RowInfo& info, std::string_view value) {
  const std::array<uint64_t, 4> fields{info.create_revision.value, info.mod_revision.value,
                                       info.version, info.bond.bits()};
  const std::string_view bytes(reinterpret_cast<const char*>(fields.data()), sizeof fields);
  // Chained by seeds, so that bytes moved from the key's end to the value's start change the sum.
  return checksum(value, checksum(key, checksum(bytes)));
}

}  // namespace holdfast
