#pragma once

// Whether the replicas agree. An entry fixes the index at which each notes the hash of its state;
// then each says its own through the log, so that all know what all have, and nobody asks. Who is
// right is for who knows the members to judge. Pure.

#include <map>
#include <string>

#include "storage/base/ids.h"
#include "storage/base/result.h"

namespace holdfast {

inline constexpr uint64_t kCheckEveryMs = 10'000;  // of the cluster's time, where anything changed
inline constexpr size_t kReportsMax = 1'000;       // more than there are members

// The newest check, as one replica knows it.
struct HashCheck {
  LogIndex index;  // behind this entry; 0: there was none yet
  Revision revision{1};
  uint64_t cluster_ms = 0;
  uint64_t hash = 0;                   // of this replica's own state
  std::map<NodeId, uint64_t> reports;  // what each has said that it has there
  friend bool operator==(const HashCheck&, const HashCheck&) = default;
};

std::string encode_check(const HashCheck& check);
Result<HashCheck> decode_check(std::string_view bytes);

}  // namespace holdfast
