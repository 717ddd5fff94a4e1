#pragma once

// One follower as its leader sees it. A value in the leader's table.

#include <cstddef>
#include <cstdint>
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

// The state is being sent: with it, the follower has everything up to `covers`, at least.
struct StateTransfer {
  uint64_t number;  // of the order
  LogIndex covers;
  // It had all of it, or put it in use still, at this time; it should say soon that it has it.
  std::optional<Instant> delivered;
};

// The log does not go back to what it lacks: it is sent no entries until it has the state.
struct Snapshotting {
  StateTransfer transfer;
};

// A learner has caught up once it gets, within an election timeout, all that was there when the
// round began (dissertation, section 4.2.1).
struct CatchUp {
  LogIndex target;
  Instant began;
  bool done = false;
};

// Who may be chosen to lead next.
enum class Among : uint8_t { kAll, kThoseWithRoom };

struct Follower {
  LogIndex match;  // known to be on its disk and equal to ours
  LogIndex next;   // the first entry to send; always above match
  std::variant<Probing, Streaming, Snapshotting> progress = Probing{};
  bool lacks_state = false;             // it lost its own, whatever its log holds
  std::optional<StateTransfer> repair;  // for that, beside the appends
  Instant next_transfer{};              // not before this
  CatchUp catch_up;
  LogIndex
      removed_by;  // the members entry without it, once there is one: it should still hear that
  std::optional<LogIndex> loading;  // from here on, entries for it are being read from disk
  Instant last_contact;             // it answered in our term; first: this leadership began
  bool heard = false;               // it has answered
  uint64_t confirmed_round = 0;     // the newest heartbeat round that it answered
  uint64_t newest_moment = 0;       // of its replies
  bool quarantined = false;         // it may lack what it acknowledged, and does not vote
  bool short_of_room = false;       // its disk, as it said last
  uint64_t moment_before_timed_round = 0;
  std::optional<CurrencyProof> proof;  // for it, the newest
  LogIndex told_commit;                // the newest commit index sent to it
  LogIndex awaits_commit;              // its clients wait for this entry

  // It says so in its answers to heartbeats. A leader that hands over of its own accord waits for
  // that: else two that lack the same would hand over to each other for ever.
  bool has_said_what_it_lacks() const { return confirmed_round > 0; }

  // On its way, or delivered and not known to be in use; null: none.
  StateTransfer* transfer() {
    if (Snapshotting* const sending = std::get_if<Snapshotting>(&progress))
      return &sending->transfer;
    return repair ? &*repair : nullptr;
  }
};

}  // namespace holdfast::raft
