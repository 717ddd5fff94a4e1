#pragma once

// How replicas reach each other. Best effort: what cannot be sent soon is dropped, and Raft sends
// it again. Two implementations: TCP, and the simulator's network.

#include <vector>

#include "replication/raft/message.h"

namespace holdfast {

class Transport {
 public:
  virtual ~Transport() = default;
  // Returns at once. Messages to one peer keep their order where they arrive at all.
  virtual void send(std::vector<raft::Envelope> envelopes) = 0;
};

}  // namespace holdfast
