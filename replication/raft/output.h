#pragma once

// Everything a replica can ask for. The parts of one Output may be carried out at once, in any
// order and in parallel, except: writes in ticket order, applies in log order.

#include <optional>
#include <string>
#include <vector>

#include "replication/raft/message.h"
#include "replication/raft/trace.h"
#include "storage/log/log_store.h"

namespace holdfast::raft {

enum class RefusalReason : uint8_t {
  kNoLeader,    // certainly not applied: no leader was known for too long
  kOverloaded,  // certainly not applied: too much waits already
  kTimeout,     // a read: no answer in time. Nothing happened, as reads change nothing
  kUnknown,     // a change was proposed and its fate is not known in time: it may yet happen
  kRejected,    // certainly not applied: a change of members that the leader will not make
  kFenced,      // certainly not applied: this node's disk has stopped answering, or it has no state
  kOvertaken,   // certainly not applied: it was lost on its way, and what was given later was not
};

struct Refusal {
  RequestId request;
  RefusalReason reason;
  std::string detail = {};  // kRejected: why, for people
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

enum class Role : uint8_t { kFollower, kCandidate, kLeader };

enum class HandoverCause : uint8_t {
  kAsked,       // somebody wants it so
  kSilentDisk,  // the leader's own has stopped answering
  kNoRoom,      // the leader's own disk is short of it
  kNoState,     // the leader serves nothing until it has a state again
  kRemoval,     // of the leader
};

struct HandoverTo {
  NodeId target;
  HandoverCause cause;
  friend bool operator==(const HandoverTo&, const HandoverTo&) = default;
};

struct RoleChange {
  Role role;
  Term term;
  NodeId leader;                                      // none if not known
  std::optional<HandoverTo> handover = std::nullopt;  // a leader that gives its leadership away
  friend bool operator==(const RoleChange&, const RoleChange&) = default;
};

// A copy of the applied state is to be made and sent; answered by SnapshotDone.
struct SnapshotOrder {
  NodeId destination;
  uint64_t number;  // never used twice in a life
  Term term;        // of the leader that sends it
  friend bool operator==(const SnapshotOrder&, const SnapshotOrder&) = default;
};

// The state that arrived as `source` is to take the place of the one in use, behind all entries
// given to the state machine before; answered by Installed.
struct InstallOrder {
  std::string source;
  LogPosition position;
  friend bool operator==(const InstallOrder&, const InstallOrder&) = default;
};

struct Output {
  std::optional<LogWrite> write;         // to the log; answered by Persisted
  std::vector<Envelope> send;            // to the network; may be lost
  std::vector<EntryPtr> apply;           // to the state machine; answered by Applied
  std::vector<RequestId> readable;       // reads that may now be served from the applied state
  std::vector<Refusal> refused;          // requests that get no other answer
  std::vector<Trace> traces;             // of traced requests; behind them comes their answer
  std::vector<LoadOrder> load;           // old entries are wanted; answered by Loaded
  std::vector<SnapshotOrder> snapshots;  // the state is wanted elsewhere
  std::vector<NodeId> end_snapshots;     // what is being sent there is wanted no more
  std::optional<InstallOrder> install;   // behind `apply`
  std::vector<std::string> discard;      // arrived snapshots that are not wanted
  std::vector<RoleChange> roles;         // for the status page and the trace, in order

  bool empty() const {
    return !write && send.empty() && apply.empty() && readable.empty() && refused.empty() &&
           traces.empty() && load.empty() && snapshots.empty() && end_snapshots.empty() &&
           !install && discard.empty() && roles.empty();
  }
};

}  // namespace holdfast::raft
