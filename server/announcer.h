#pragma once

// What a node says of itself through the log: where clients reach it, and where its peers do. Both
// may change from one start to the next, under the same id.

#include <string>
#include <vector>

#include "replication/node/status.h"
#include "replication/raft/input.h"
#include "storage/base/random.h"

namespace holdfast {

class Announcer {
 public:
  struct Addresses {
    std::string client_url;
    std::string peer;  // HOST:PORT
  };
  Announcer(NodeId self, Addresses own, Random random);

  // What to propose now: nothing where `status` has it all, without a leader, and soon after the
  // last time. Nobody waits for the answers.
  std::vector<raft::Proposal> due(Instant now, const NodeStatus& status);

 private:
  raft::Proposal proposal(Instant now, Bytes payload, EntryKind kind);

  const NodeId self_;
  const Addresses own_;
  Random random_;
  Instant last_;
};

}  // namespace holdfast
