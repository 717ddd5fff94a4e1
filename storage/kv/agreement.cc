#include "storage/kv/agreement.h"

#include "storage/base/codec.h"

namespace holdfast {

std::string encode_check(const HashCheck& check) {
  std::string out;
  put_fixed(out, check.index.value);
  put_fixed(out, check.revision.value);
  put_fixed(out, check.cluster_ms);
  put_fixed(out, check.hash);
  for (const auto& [node, hash] : check.reports) {
    put_fixed(out, node.value);
    put_fixed(out, hash);
  }
  return out;
}

Result<HashCheck> decode_check(std::string_view bytes) {
  FixedReader reader(bytes);
  const auto next = [&reader] { return reader.take<uint64_t>(); };
  if (bytes.size() < 32 || bytes.size() % 16 != 0) {
    return fail(ErrorCode::kCorrupt,
                "the state's note of what the replicas have in common cannot be read: restore this "
                "node from its peers");
  }
  HashCheck check{
      .index = {*next()}, .revision = {*next()}, .cluster_ms = *next(), .hash = *next()};
  while (!reader.rest().empty()) {
    const NodeId node{*next()};
    check.reports[node] = *next();
  }
  return check;
}

}  // namespace holdfast
