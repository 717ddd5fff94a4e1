#pragma once

// What the log is applied to. Deterministic: the state after `apply` depends on the entries alone.
// No clock, no random number, no container whose order may differ between machines, no limit from
// this node's configuration.

#include <span>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/kv/reply.h"
#include "storage/log/log_entry.h"

namespace holdfast {

// The answer to one applied entry, for whoever waits for it on the node where it began.
struct Completion {
  RequestId request;
  Reply reply;
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Applies entries in log order as one atomic step together with their last position. Answers for
  // entries whose origin is `self` are added to `completions`, in order. Apply thread only.
  // An entry that cannot be understood stops the process: skipping it would split the replicas.
  virtual void apply(std::span<const EntryPtr> entries, NodeId self,
                     std::vector<Completion>& completions) = 0;

  virtual LogPosition applied() const = 0;  // apply thread only
  // What a restart would find; the log may be cut up to here. Any thread.
  virtual LogIndex durable() const = 0;
  // The newest revision that reads may be fixed to: set after a batch is whole. Any thread.
  virtual Revision revision() const = 0;
};

}  // namespace holdfast
