#include "storage/kv/state_format.h"

#include <fmt/core.h>

#include "storage/base/codec.h"
#include "storage/kv/own_names.h"

namespace holdfast {
namespace {

// Its layout changed without another number: what it holds would be taken for something else.
std::unexpected<Error> never_released() {
  return fail(ErrorCode::kInvalid,
              "the state has a form which no release wrote, and which cannot be read: start the "
              "build that wrote it, export with that build, import here");
}

}  // namespace

Result<uint64_t> format_in(const NamedValues& values) {
  const auto found = values.find(kFormat);
  if (found == values.end() && values.contains(kHead)) return never_released();
  if (found == values.end()) return kFirstFormat;
  if (found->second.size() != sizeof(uint64_t))
    return fail(ErrorCode::kCorrupt,
                "the state's format cannot be read: restore this node from its peers");
  const auto format = load_fixed<uint64_t>(found->second.data());
  if (format < kFirstFormat) return never_released();
  if (format <= kStateFormat) return format;
  return fail(ErrorCode::kInvalid,
              fmt::format("the state has format {}, and this program reads formats up to {}: start "
                          "the newer program that wrote it",
                          format, kStateFormat));
}

}  // namespace holdfast
