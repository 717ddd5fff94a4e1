#pragma once

// What the log is made of, as every layer sees it.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"

namespace holdfast {

enum class EntryKind : uint8_t {
  kCommand = 1,  // for the state machine
  kMembers = 2,  // who votes, from this entry on
  kBarrier = 3,  // empty: a leader's first entry of its term (Raft, section 8)
};

// Who waits for the answer: the node that first took the request, and its number there.
struct Origin {
  NodeId node;
  RequestId request;
  friend bool operator==(const Origin&, const Origin&) = default;
};

// When, as the leader that appended the entry said it. Neither falls along the log of one cluster.
struct Stamp {
  uint64_t cluster_ms = 0;  // the cluster's clock: stands still without a leader; leases go by it
  uint64_t wall_ms = 0;     // the leader's calendar, milliseconds since 1970; for people
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

struct LogPosition {
  Term term;
  LogIndex index;
  // "At least as up-to-date" (Raft, section 5.4.1): by term, then by index. The one comparison.
  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

struct LogEntry {
  LogIndex index;
  Term term;
  EntryKind kind;
  Origin origin;
  Bytes payload;
  Stamp stamp = {};

  LogPosition position() const { return {term, index}; }
  size_t bytes() const { return payload.size() + kOverheadBytes; }

  // What an entry costs beside its payload, in memory and on disk, for every bound in bytes.
  static constexpr size_t kOverheadBytes = 80;
};
using EntryPtr = std::shared_ptr<const LogEntry>;  // shared by log, network and apply; never copied

// What a node has promised; durable before the promise leaves.
struct HardState {
  Term term;
  NodeId vote;  // in `term`; none if it has not voted
  friend bool operator==(const HardState&, const HardState&) = default;
};

// One unit of work for the log. Done in ticket order; restart first, then cut, then append, and
// dropping when all that is durable.
struct LogWrite {
  WriteTicket ticket;
  std::optional<HardState> hard_state;
  std::optional<LogPosition> restart_after;  // all entries are void; the next one follows this
  std::optional<LogIndex> cut_from;          // drop this index and all after it
  std::vector<EntryPtr> append;
  LogIndex drop_before;  // older entries are in the durable state: they may go, by whole segments
  LogIndex wanted_from;  // a follower still reads from here on; none: 0
};

}  // namespace holdfast
