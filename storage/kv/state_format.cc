#include "storage/kv/state_format.h"

#include <fmt/core.h>

#include "storage/base/codec.h"
#include "storage/kv/own_names.h"

namespace holdfast {

std::string encode_format(uint64_t format) {
  std::string out;
  put_fixed(out, format);
  return out;
}

Result<> check_format(const NamedValues& values) {
  const auto found = values.find(kFormat);
  if (found == values.end()) return {};
  if (found->second.size() != sizeof(uint64_t))
    return fail(ErrorCode::kCorrupt,
                "the state's format cannot be read: restore this node from its peers");
  const auto format = load_fixed<uint64_t>(found->second.data());
  if (format <= kStateFormat) return {};
  return fail(ErrorCode::kInvalid,
              fmt::format("the state has format {}, and this program reads formats up to {}: start "
                          "the newer program that wrote it",
                          format, kStateFormat));
}

}  // namespace holdfast
