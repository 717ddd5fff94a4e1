#pragma once

// Tells as events what a node sees of its cluster: it compares what its replica says of itself with
// what it said before. On the loop, and without a thread, so that tests can show it any cluster.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replication/node/status.h"
#include "storage/base/events.h"

namespace holdfast {

class Chronicle {
 public:
  // `events` outlives it.
  explicit Chronicle(Events& events) : events_(events) {}

  // In the order in which they came about; `members` have the names.
  void note_roles(const std::vector<raft::RoleChange>& changes, const raft::Members& members);
  // Those that are committed. The first list is where it begins, and no event.
  void note_members(const raft::Members& members);
  // Whenever that is published. The first is compared with a node that is well.
  void note(const NodeStatus& status, Instant now);

  // Clients are served at `address`.
  void tell_serves(const std::string& address);
  // The state that a peer sent, up to that entry, is in use. Any thread.
  void tell_installed(LogIndex index);

 private:
  // Something that is so, or is not.
  struct Fact {
    bool holds = false;
    bool changes_to(bool now_holds) {
      if (holds == now_holds) return false;
      holds = now_holds;
      return true;
    }
  };

  void tell_role(const raft::RoleChange& change, const raft::Members& members);
  void tell_handover(const raft::RoleChange& change, const raft::Members& members);
  void tell_member(const raft::Member& member, const char* change, std::string text);
  void note_growth(const raft::Status& status);
  void note_agreement(const NodeStatus& status);
  void note_contacts(const NodeStatus& status, Instant now);

  Events& events_;
  raft::RoleChange role_{};
  std::optional<raft::Members> members_;
  Fact fenced_;
  Fact growth_refused_;
  Fact states_split_;
  std::set<NodeId> outvoted_;
  std::set<NodeId> silent_;  // of those that this node, as the leader, should hear
};

}  // namespace holdfast
