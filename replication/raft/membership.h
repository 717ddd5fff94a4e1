#pragma once

// Who belongs to the group. The newest members entry in the log counts from the moment when it is
// appended, committed or not (dissertation, section 4.1), so cutting the log may bring back the
// one before it.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/log/log_entry.h"

namespace holdfast::raft {

struct Member {
  NodeId id;
  std::string name;
  std::string peer_address;
  bool voter = true;
  bool stays_learner = false;  // else a learner becomes a voter once it has caught up
  friend bool operator==(const Member&, const Member&) = default;
};

// What is asked of the list of members, one member at a time: two lists that follow each other
// then share a voter in every two majorities (dissertation, section 4.1).
struct MemberChange {
  enum class Act : uint8_t {
    kAdd,        // as a learner, with all that `member` says
    kRemove,     // `member.id`, and its id is never used again
    kPromote,    // `member.id`, a learner, becomes a voter
    kReaddress,  // `member.id` is reached at `member.peer_address` from now on
  };
  Act act;
  Member member;
  friend bool operator==(const MemberChange&, const MemberChange&) = default;
};

Bytes encode_change(const MemberChange& change);
Result<MemberChange> decode_change(std::string_view bytes);

inline constexpr size_t kMembersMax = 32;  // more than is sensible; keeps connections bounded

struct Members {
  std::vector<Member> list;     // sorted by id
  std::vector<NodeId> removed;  // sorted: ids that were members once, and never will be again

  const Member* find(NodeId id) const;
  bool votes(NodeId id) const;
  std::vector<NodeId> voters() const;
  bool was_removed(NodeId id) const;
  // The list after the change. kInvalid, with a sentence for people: it makes no sense. A change
  // that is in effect already gives the same list.
  Result<Members> with(const MemberChange& change) const;
  friend bool operator==(const Members&, const Members&) = default;
};

Bytes encode_members(const Members& members);
Result<Members> decode_members(std::string_view bytes);

class Membership {
 public:
  // `first` are the members at `index`: from the applied state, or none yet (index 0); or a guess,
  // and may be an older list.
  Membership(LogIndex index, Members first, bool is_guess = false);

  const Members& current() const { return history_.back().second; }
  bool is_guess() const { return guessed_at_ == index(); }
  LogIndex index() const { return history_.back().first; }  // of the current list
  const Members& at(LogIndex index) const;  // the newest at or before it, or the first
  // By any list that may count: the one at `commit`, or a newer one.
  bool may_vote(NodeId id, LogIndex commit) const;
  void append(const LogEntry& entry);  // of kind kMembers
  void cut_from(LogIndex first);
  void applied(LogIndex upto);  // forgets members that no cut can bring back
  // A state that holds `members` was installed at `index`: what is older is forgotten.
  void installed(LogIndex index, Members members);

 private:
  std::vector<std::pair<LogIndex, Members>> history_;  // never empty
  std::optional<LogIndex> guessed_at_;
};

}  // namespace holdfast::raft
