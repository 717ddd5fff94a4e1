#pragma once

// The only way to make entries durable. One caller (the replica), answers in ticket order, as the
// inputs Persisted and Loaded. There is no failure answer: a write or sync that fails leaves the
// disk in an unknown state, so the process stops (see check.h, fatal).

#include "storage/log/log_entry.h"

namespace holdfast {

// Old entries are wanted: for a follower that is behind, or (this node's own id) for its own state
// machine after a restart. Answered with at least one entry, beginning with `first`; with none
// where `first` was dropped meanwhile.
struct LoadOrder {
  NodeId destination;
  LogIndex first;
  LogIndex last;     // not beyond this one
  size_t bytes_max;  // but at least one entry
  friend bool operator==(const LoadOrder&, const LoadOrder&) = default;
};

class LogStore {
 public:
  virtual ~LogStore() = default;
  virtual void submit(LogWrite write) = 0;   // returns at once; later Persisted{ticket}
  virtual void submit(LoadOrder order) = 0;  // returns at once; later Loaded{destination, entries}
};

}  // namespace holdfast
