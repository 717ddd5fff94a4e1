#pragma once

// The hashes that the replicas report: saying one's own, and what follows from all.

#include <optional>
#include <string>
#include <vector>

#include "replication/raft/membership.h"
#include "storage/base/clock.h"
#include "storage/kv/agreement.h"

namespace holdfast {

struct Agreement {
  std::optional<uint64_t> majority;  // the hash that a majority of the voters has
  // Whose state differs from that of a majority of the voters, ascending.
  std::vector<NodeId> outvoted;
  // There are different states, and none of a majority: nobody can say which is right.
  bool is_split = false;
  friend bool operator==(const Agreement&, const Agreement&) = default;
};

// Of those who have reported; as long as a majority may still come about, nothing is a split.
Agreement judge_agreement(const HashCheck& check, const raft::Members& members);

// This node's state differs from that of a majority. Its own report says less: it may be of a state
// that has been replaced since.
bool is_outvoted(const HashCheck& check, const Agreement& agreement);

// What a node that is outvoted says of it, for people.
std::string outvoted_text(const HashCheck& check, uint64_t majority);

// Says through the log what this node noted. Thread-free, for the replica's shell.
class HashReporter {
 public:
  explicit HashReporter(NodeId self) : self_(self) {}

  // The payload of an entry to propose now, without anybody who waits for its answer. Nothing: what
  // this node has reported on the newest check is so, it did so just now, or it is no member.
  std::optional<Bytes> due(Instant now, const HashCheck& check, const raft::Members& members);

 private:
  const NodeId self_;
  Instant last_ = Instant::min();
};

}  // namespace holdfast
