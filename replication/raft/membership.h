#pragma once

// Who belongs to the group. The newest members entry in the log counts from the moment when it is
// appended, committed or not (dissertation, section 4.1), so cutting the log may bring back the
// one before it.

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
  friend bool operator==(const Member&, const Member&) = default;
};

struct Members {
  std::vector<Member> list;  // sorted by id

  const Member* find(NodeId id) const;
  bool votes(NodeId id) const;
  std::vector<NodeId> voters() const;
  friend bool operator==(const Members&, const Members&) = default;
};

Bytes encode_members(const Members& members);
Result<Members> decode_members(std::string_view bytes);

class Membership {
 public:
  // `first` are the members at `index`: from the applied state, or none yet (index 0).
  Membership(LogIndex index, Members first);

  const Members& current() const { return history_.back().second; }
  void append(const LogEntry& entry);  // of kind kMembers
  void cut_from(LogIndex first);
  void applied(LogIndex upto);  // forgets members that no cut can bring back

 private:
  std::vector<std::pair<LogIndex, Members>> history_;  // never empty
};

}  // namespace holdfast::raft
