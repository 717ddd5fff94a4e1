#pragma once

// One follower as its leader sees it. A value in the leader's table.

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <variant>

#include "replication/raft/message.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"

namespace holdfast::raft {

// Where the logs agree is not known: one append at a time, until one is accepted.
struct Probing {
  Instant resend_at;  // an append is on its way until then
};

// The logs agree: appends are sent ahead of their answers, bounded in bytes.
struct Streaming {
  std::deque<std::pair<LogIndex, size_t>> in_flight;  // last index and bytes of each append
  size_t in_flight_bytes = 0;
  uint64_t round_of_last_append = 0;  // the newest heartbeat round when it was sent
};

// The log does not go back to what it lacks: the state is being sent. It then has everything up to
// `covers`, at least.
struct Snapshotting {
  uint64_t number;  // of the order
  LogIndex covers;
  // It has all of it and should say soon how far its log reaches now; if it does not, it is asked.
  std::optional<Instant> delivered;
  bool asked =
      false;  // by the follower, whose log may well go further: then it says when it is done
};

// A learner has caught up once it gets, within an election timeout, all that was there when the
// round began (dissertation, section 4.2.1).
struct CatchUp {
  LogIndex target;
  Instant began;
  bool done = false;
};

struct Follower {
  LogIndex match;  // known to be on its disk and equal to ours
  LogIndex next;   // the first entry to send; always above match
  std::variant<Probing, Streaming, Snapshotting> progress = Probing{};
  CatchUp catch_up;
  LogIndex
      removed_by;  // the members entry without it, once there is one: it should still hear that
  std::optional<LogIndex> loading;  // from here on, entries for it are being read from disk
  Instant last_contact;             // it answered in our term; first: this leadership began
  bool heard = false;               // it has answered
  uint64_t confirmed_round = 0;     // the newest heartbeat round that it answered
  uint64_t newest_moment = 0;       // of its replies
  bool quarantined = false;         // it may lack what it acknowledged, and does not vote
  uint64_t moment_before_timed_round = 0;
  std::optional<CurrencyProof> proof;  // for it, the newest
  LogIndex told_commit;                // the newest commit index sent to it
  LogIndex awaits_commit;              // its clients wait for this entry
};

}  // namespace holdfast::raft
