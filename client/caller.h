#pragma once

// Decides how a call is made to a cluster through any of its nodes: where it is sent, how long is
// waited, what is tried again and when, and what its end says. A call tries the next node when one
// refuses it, and is repeated only where that cannot do anything twice: reads, writes of which it
// is certain that they did not happen, and writes that bear an idempotency key, as long as the
// cluster keeps it. It is bounded by a deadline. One task at a time, which must not outlive this.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/calls.h"
#include "client/http_connection.h"
#include "client/outcomes.h"
#include "client/queries.h"
#include "client/task.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace holdfast {

// What this client's calls met so far.
struct CallCounts {
  uint64_t sent = 0;      // tries, answered or not
  uint64_t refused = 0;   // tries that certainly did nothing and could be made again
  uint64_t unknown = 0;   // writes whose outcome stayed unknown
  uint64_t repeated = 0;  // tries after the first of a call
};

struct KvClientOptions {
  std::vector<Endpoint> endpoints;              // at least one
  size_t first_endpoint = 0;                    // tried first; then they are taken in turn
  Duration timeout = std::chrono::seconds(10);  // of one call with all its tries
  // Changes to keys bear a key of their own, and are sent again under it while their outcome is
  // unknown. A cluster keeps some hundred thousand of them: not for loads.
  bool repeats_unknown = true;
  // Asks where the time of a call went: for changes to keys, gets, scans and histories only.
  bool explains = false;
};

// What the node that answered says of the call; empty where it says nothing.
struct Explanation {
  std::string node;
  std::string timing;  // the header Server-Timing
  std::string read;    // the header Holdfast-Read
};

class Caller {
 public:
  Caller(KvClientOptions options, const Clock& clock, Random random);

  // `sink`: where the body of the answer goes. What broke off in it is not tried again: the
  // refusal's code is then "cut_off".
  template <class Outcome>
  Task<Outcome> make(Call<Outcome> call, BodySink* sink = nullptr) {
    Task<WriteOutcome<HttpResponse>> making =
        send(std::move(call.request), call.effect, sink, call.extent);
    WriteOutcome<HttpResponse> outcome = co_await std::move(making);
    co_return call.judge(std::move(outcome));
  }
  // As the clients' methods of these names; what is given by reference must live as long. What a
  // watch or a node says is told one at a time, and no more is read meanwhile.
  Task<std::vector<WriteOutcome<BulkAnswer>>> bulk(const std::vector<std::string>& lines);
  Task<ReadOutcome<void>> watch(WatchQuery query);
  Task<ReadOutcome<void>> follow_events(EventsPlace& place);

  const Clock& clock() const { return clock_; }
  Duration timeout() const { return timeout_; }
  const CallCounts& counts() const { return counts_; }
  const Explanation& explanation() const { return explanation_; }  // of the last answer

 private:
  struct Pacing;

  Task<WriteOutcome<HttpResponse>> send(HttpRequest request, Effect effect, BodySink* sink,
                                        CallExtent extent);
  // Gives it a key, if this client's changes have any.
  Effect name_change(HttpRequest& request);
  Task<std::expected<HttpResponse, NoAnswer>> try_once(HttpRequest& request, Effect effect,
                                                       Instant deadline, Duration wait,
                                                       BodySink* sink);
  // How long to pause before the next try. Nothing: there is no time left for one.
  std::optional<Duration> pause_before_next_try(const Pacing& pacing, std::string_view retry_after,
                                                Instant last_begin);
  void turn_to_next_endpoint() { current_ = (current_ + 1) % connections_.size(); }

  const Duration timeout_;
  const bool repeats_unknown_;
  const bool explains_;
  const Clock& clock_;
  Random random_;
  std::vector<HttpConnection> connections_;
  size_t current_;
  CallCounts counts_;
  Explanation explanation_;
};

// The parts that a program gives: the system's clock, a random seed.
Caller make_caller(KvClientOptions options);

}  // namespace holdfast
