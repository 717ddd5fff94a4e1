#pragma once

// Calls to a cluster, for a thread that waits for their end: what is tried again, and what an end
// means, caller.h says. Used by one thread at a time.

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "client/caller.h"
#include "client/kv_calls.h"
#include "client/supply.h"

namespace holdfast {

class KvClient : public KvCalls<KvClient, std::type_identity_t> {
 public:
  using Wait = std::function<void(Duration)>;

  // `wait`: for a pause between two tries.
  KvClient(Caller caller, Wait wait) : caller_(std::move(caller)), wait_(std::move(wait)) {}

  // Each of `lines` (POST /v1/bulk, each with its newline) on its own, and what became of it, in
  // their order. Tried once, at one node: what was refused or left open is the caller's to send
  // again, and behind it what must take effect after it.
  std::vector<WriteOutcome<BulkAnswer>> bulk(const std::vector<std::string>& lines);
  // A backup of the whole store, given to `sink` while it comes. What broke off is not tried again:
  // the refusal's code is then "cut_off".
  ReadOutcome<HttpResponse> snapshot(Consistency consistency, BodySink& sink);
  // Every change of what `query` names, in order and once, until `on_change` has enough: where a
  // node ends, another goes on. Ends with a refusal where nobody lets it go on for a call's time,
  // or where what follows is not kept any more: "compacted".
  ReadOutcome<void> watch(const WatchQuery& query, const ChangeSink& on_change);
  // What happens to the one node that this client knows, and what it sees of its cluster, until
  // `on_event` has enough. Where the node ends it is asked again, for a call's time. `place` is
  // where it goes on from, and where it came to.
  ReadOutcome<void> follow_events(EventsPlace& place, const EventSink& on_event);

  const CallCounts& counts() const { return caller_.counts(); }
  const Explanation& explanation() const { return caller_.explanation(); }  // of the last answer

 private:
  friend class KvCalls<KvClient, std::type_identity_t>;

  template <class Outcome>
  Outcome make_call(Call<Outcome> call) {
    return carry_out(caller_.make(std::move(call)),
                     [this](const Need& need) { return supply(need); });
  }

  Supply supply(const Need& need) const { return supply_call(need, caller_.clock(), wait_); }

  Caller caller_;
  Wait wait_;
};

// The parts that a program gives: the system's clock, a random seed, real waiting.
KvClient make_kv_client(KvClientOptions options);

}  // namespace holdfast
