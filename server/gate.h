#pragma once

// Where a request's coroutine waits for the replica. One per io thread; everything is
// called on that thread.
//
// A handler writes: auto outcome = co_await gate.propose(command, deadline);
// All proposals of one turn of the io thread go to the replica as one batch, and each gets exactly
// one outcome. There is no timer here: deadlines are the replica's to keep, since only it knows
// whether a change that is late may still happen.

#include <coroutine>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "replication/raft/input.h"
#include "replication/raft/output.h"
#include "storage/base/random.h"
#include "storage/kv/reply.h"
#include "storage/state_machine.h"

namespace holdfast {

class Gate {
 public:
  static constexpr uint64_t kGatesMax = 16;
  using Outcome = std::expected<Reply, raft::Refusal>;  // of a read: an empty Reply

  // What the gate reaches, kept as functions so that tests can stand in for a replica.
  struct Wiring {
    std::function<void(std::function<void()>)> defer;  // run on this io thread, after this turn
    std::function<void(raft::Input)> submit;           // to the replica, from this io thread
    std::function<Revision()> revision;                // newest that reads may be fixed to
  };

  // Request ids are `first_id` + 16 n + `number`: different gates of a node never share one, and
  // each id says which gate its answer goes to.
  Gate(Wiring wiring, uint64_t first_id, uint64_t number);
  ~Gate();
  // Of a request whose answer nobody waits for: no gate has this number.
  static RequestId nobodys(Random& random) {
    return {random.next() / kGatesMax * kGatesMax + kGatesMax - 1};
  }
  static size_t number_of(RequestId request) { return request.value % kGatesMax; }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // What `co_await` waits on. Lives in the awaiting coroutine's frame.
  class Waiting {
   public:
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    bool await_ready() const noexcept { return outcome_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
    Outcome await_resume() { return std::move(*outcome_); }
    // Once it is answered: what was asked for as kTraced; nothing where it was refused.
    const std::optional<raft::Trace>& trace() const { return trace_; }

   private:
    friend class Gate;
    enum class Kind { kChange, kRead };
    Waiting(Gate& gate, RequestId request, Kind kind);
    void finish(Outcome outcome);

    Gate* gate_;  // null once the gate has forgotten this one
    const RequestId request_;
    const Kind kind_;
    std::coroutine_handle<> waiter_;
    std::optional<Outcome> outcome_;
    std::optional<raft::Trace> trace_;
  };

  // The change is done, or certainly not, or unknown, no later than about `deadline`.
  Waiting propose(Bytes command, Instant deadline, raft::Tracing tracing = raft::Tracing::kNone);
  // The same for a change of members. A Refusal kRejected says why not.
  Waiting change_members(const raft::MemberChange& change, Instant deadline);
  // After success, reads at `revision()` see every change acknowledged anywhere before the call.
  Waiting read_barrier(Instant deadline, raft::Tracing tracing = raft::Tracing::kNone);
  // After success, `revision()` is at least `minimum`. Else kTimeout.
  Waiting await_revision(Revision minimum, Instant deadline);

  // Asks for another leader; whether it comes to pass, the status board shows.
  void transfer_leader(NodeId target) { wiring_.submit(raft::TransferLeader{target}); }

  Revision revision() const { return wiring_.revision(); }

  // From the replica and the state machine, on this io thread.
  void complete(const std::vector<Completion>& completions);
  void readable(const std::vector<RequestId>& reads);
  void refuse(const std::vector<raft::Refusal>& refusals);
  void trace(const std::vector<raft::Trace>& traces);  // before what answers them
  // The revision has moved, or time has passed: looks at who waits for a revision.
  void look_again(Instant now);
  // Nothing more is heard: a change that waits may or may not happen, a read has not.
  void abandon();
  // The node stops: the same, and whoever asks from now on is refused at once. It certainly has not
  // happened.
  void end();
  bool awaits_revision() const { return !revision_waits_.empty(); }
  size_t waiting() const { return waits_.size(); }

 private:
  struct RevisionWait {
    RequestId request;
    Instant deadline;
  };

  RequestId take_id();
  void finish(RequestId request, Outcome outcome);
  void flush_later();
  void flush();
  void forget();

  const Wiring wiring_;
  uint64_t next_id_;
  std::unordered_map<RequestId, Waiting*> waits_;
  std::multimap<Revision, RevisionWait> revision_waits_;
  std::vector<raft::Proposal> proposals_;
  std::vector<raft::ReadTicket> reads_;
  bool flush_is_due_ = false;
  bool over_ = false;
};

}  // namespace holdfast
