#pragma once

// What replicas say to each other. Every message is one-way and may be lost, doubled, delayed or
// overtaken: an answer names what it answers, and nothing waits for one.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/log/log_entry.h"

namespace holdfast::raft {

enum class VotePhase : uint8_t {
  kPreVote,  // "would you vote for me?" changes nothing at the voter (dissertation, section 9.6)
  kVote,
};

struct VoteRequest {
  VotePhase phase;
  Term term;                 // that the candidate stands for; one above its own in a pre-vote
  LogPosition last;          // the end of the candidate's log
  bool handed_over = false;  // by its leader, so that hearing that leader is no reason to refuse
  friend bool operator==(const VoteRequest&, const VoteRequest&) = default;
};

struct VoteReply {
  VotePhase phase;
  Term term;  // copied from the request
  bool granted;
  bool removed = false;  // the candidate is no member any more: a committed list says so
  friend bool operator==(const VoteReply&, const VoteReply&) = default;
};

// New entries behind `previous`. Answered when they are on the follower's disk.
struct Append {
  LogPosition previous;
  std::vector<EntryPtr> entries;
  LogIndex commit;
};

// "My log is on disk and equal to yours up to `match`."
struct Appended {
  LogIndex match;
  friend bool operator==(const Appended&, const Appended&) = default;
};

// "I do not have the entry `previous`." `hint` is the last entry of the follower that may still be
// the leader's: so one rejection skips a whole term.
struct AppendRejected {
  LogPosition previous;
  LogPosition hint;
  friend bool operator==(const AppendRejected&, const AppendRejected&) = default;
};

// A majority has proved that nobody else led at a time when the leader already had the receiver's
// reply of this moment, and this was committed then: so a state that holds that much was current at
// that moment. The receiver's own clock measures it, and no delay makes it younger.
struct CurrencyProof {
  uint64_t after_moment;
  LogIndex commit;
  friend bool operator==(const CurrencyProof&, const CurrencyProof&) = default;
};

// The leader's log went so far at a time when it already had the receiver's reply of this moment.
struct Reach {
  uint64_t after_moment;
  LogIndex last;
  friend bool operator==(const Reach&, const Reach&) = default;
};

// Never waits behind a disk, on either side. `commit` is committed, and never beyond what the
// follower is known to match: one that does not have that entry has a disk that forgot it. `round`
// orders the leader's heartbeats within its term. `reach` is for one in quarantine. While it
// refuses growth, so do all: disks are short of room.
struct Heartbeat {
  LogPosition commit;
  uint64_t round;
  std::optional<CurrencyProof> proof = std::nullopt;
  std::optional<Reach> reach = std::nullopt;
  bool refuses_growth = false;
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

// `verified` is how far the follower's log, on disk or not, is known to be the leader's: an append
// that was lost, or forgotten in a restart, shows here. `moment` stands for when it was sent.
// In quarantine a follower may lack what it acknowledged: only `verified` counts. One that lacks
// the state has lost its own, whatever its log holds; one that installs has a state and puts it in
// use.
struct HeartbeatReply {
  uint64_t round;
  LogIndex verified;
  uint64_t moment = 0;
  bool quarantined = false;
  bool lacks_state = false;
  bool installs = false;
  bool short_of_room = false;
  friend bool operator==(const HeartbeatReply&, const HeartbeatReply&) = default;
};

// Proposals that a follower took, for the leader of exactly this message's term. It is not passed
// on a second time: a node that is not that leader refuses.
struct ForwardedProposal {
  RequestId request;
  Bytes payload;
  EntryKind kind = EntryKind::kCommand;
  friend bool operator==(const ForwardedProposal&, const ForwardedProposal&) = default;
};

struct Forward {
  uint64_t run;     // drawn when the origin started
  uint64_t number;  // grows within the run: a doubled message is not appended twice
  std::vector<ForwardedProposal> proposals;

  std::vector<RequestId> requests() const;
  size_t bytes() const;
  friend bool operator==(const Forward&, const Forward&) = default;
};

enum class ForwardRefusal : uint8_t {
  kNotLeader,
  kOverloaded,
  kRejected,  // a change of members that the leader will not make, wherever it is asked
};

// Certainly not appended: the origin may send them elsewhere. `given` is the term of the Forward
// that is refused: one request is given to a leader at most once in a term, so a late refusal
// never speaks of a later giving.
struct ForwardRefused {
  ForwardRefusal reason;
  Term given;
  std::vector<RequestId> requests;
  std::string detail = {};  // kRejected: why
  friend bool operator==(const ForwardRefused&, const ForwardRefused&) = default;
};

// "From where may I read?" `attempt` is never used twice, so that a late answer to an earlier
// attempt is not taken for one to this.
struct ReadRequest {
  uint64_t attempt;
  friend bool operator==(const ReadRequest&, const ReadRequest&) = default;
};

struct ReadReply {
  uint64_t attempt;
  LogIndex index;  // reads of this attempt see everything up to here
  friend bool operator==(const ReadReply&, const ReadReply&) = default;
};

// To the leader: "hand your leadership to `target`", or, with none, to whom you like best.
struct HandOverRequest {
  NodeId target;
  friend bool operator==(const HandOverRequest&, const HandOverRequest&) = default;
};

// From the leader: "you have all that I have, and I take no more: stand for election at once"
// (dissertation, section 3.10).
struct TakeOver {
  friend bool operator==(const TakeOver&, const TakeOver&) = default;
};

using MessageBody = std::variant<VoteRequest, VoteReply, Append, Appended, AppendRejected,
                                 Heartbeat, HeartbeatReply, Forward, ForwardRefused, ReadRequest,
                                 ReadReply, HandOverRequest, TakeOver>;

struct Envelope {
  NodeId from;
  NodeId to;
  Term term;  // the sender's
  MessageBody body;
};

}  // namespace holdfast::raft
