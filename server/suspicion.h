#pragma once

// What happens when this node's data turns out to be damaged while it serves, or to be another than
// its peers have: whoever finds that says it here, from any thread. Where peers have the data, the
// node notes what is to be made good and starts itself anew at once: nothing more is served from
// it, a leader's followers see that it is gone and elect another. Alone, it stops and says why.

#include <mutex>
#include <string>
#include <string_view>

#include "replication/raft/membership.h"
#include "storage/base/events.h"
#include "storage/fs/file_system.h"

namespace holdfast {

class Suspicion {
 public:
  Suspicion(FileSystem& fs, std::string group, NodeId self, TellEvent tell = log_event);

  // Who belongs to the group, as long as nothing is said to follow(). It may be out of date.
  void assume(raft::Members members);
  // Who belongs to it, as the state says; that is noted on the disk before this returns. Blocking,
  // where it is another list than before.
  void follow(const raft::Members& members);

  // The state was made anew after damage. It is in doubt until all of it has been read back: what
  // is found damaged before that counts as one more in a row.
  void state_is_new();
  bool doubts_state() const;
  void state_is_proven();

  [[noreturn]] void state_is_damaged(const std::string& what);
  // The start that follows finds the damage and puts it aside.
  [[noreturn]] void log_is_damaged(const std::string& what);

  // What becomes of the log (kQuarantine) or the state (kRebuild): damage is "found", is "mended"
  // at once, or making it good "begins" and "ends".
  void tell(EventKind of, std::string_view stage, std::string text) const;

 private:
  void stop_if_alone(const std::string& what) const;

  FileSystem& fs_;
  const std::string group_;
  const NodeId self_;
  const TellEvent tell_;
  mutable std::mutex mutex_;  // held until the end: the first who finds something decides
  raft::Members members_;
  bool is_noted_ = false;  // else they are assumed
  bool state_in_doubt_ = false;
};

// Whether somebody else votes.
bool has_peers(const raft::Members& members, NodeId self);

}  // namespace holdfast
