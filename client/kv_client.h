#pragma once

// Calls to a cluster through any of its nodes. A call tries the next node when one refuses it, and
// is repeated only where that cannot do anything twice: reads, writes of which it is certain that
// they did not happen, and writes that bear an idempotency key, as long as the cluster keeps it. It
// is bounded by a deadline. Used by one thread at a time.

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "client/answers.h"
#include "client/cluster_answers.h"
#include "client/http_connection.h"
#include "client/queries.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace holdfast {

// The call certainly changed nothing, and is not repeated (any more).
struct Refusal {
  unsigned status = 0;     // of the last answer; 0: nobody answered
  std::string code;        // a word of the API's table of errors; "unreachable": nobody answered
  bool retryable = false;  // whether the same call can succeed later
  std::string message;     // what was refused by whom, for a person
};

// The call may or may not have happened, and may still happen. Not a failure: only a look at the
// data, or a repetition that is harmless by its nature, can tell.
struct Unknown {
  std::string message;
};

template <class T>
using ReadOutcome = std::expected<T, Refusal>;
template <class T>
using WriteOutcome = std::variant<T, Refusal, Unknown>;

// What this client's calls met so far.
struct CallCounts {
  uint64_t sent = 0;      // tries, answered or not
  uint64_t refused = 0;   // tries that certainly did nothing and could be made again
  uint64_t unknown = 0;   // writes whose outcome stayed unknown
  uint64_t repeated = 0;  // tries after the first of a call
};

// What a call is given where it differs from all others.
struct CallExtent {
  Duration wait{};                      // more time, which the node may spend on it
  std::optional<Duration> within = {};  // only so much time
  bool ends_at_conflict = false;        // which is an answer, however soon it may pass
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

class KvClient {
 public:
  using Wait = std::function<void(Duration)>;

  KvClient(KvClientOptions options, const Clock& clock, Random random, Wait wait);

  WriteOutcome<PutAnswer> put(std::string_view key, std::string_view value,
                              const Condition& condition = {}, const Lifetime& lifetime = {});
  WriteOutcome<DeleteAnswer> remove(std::string_view key, const Condition& condition = {});
  WriteOutcome<DeleteAnswer> remove_prefix(std::string_view prefix);

  // `json`: the body of POST /v1/txn.
  WriteOutcome<TxnAnswer> transact(std::string json);

  // Each of `lines` (POST /v1/bulk, each with its newline) on its own, and what became of it, in
  // their order. Tried once, at one node: what was refused or left open is the caller's to send
  // again, and behind it what must take effect after it.
  std::vector<WriteOutcome<BulkAnswer>> bulk(const std::vector<std::string>& lines);

  ReadOutcome<Value> get(std::string_view key, const Moment& moment = {});
  ReadOutcome<ScanPage> scan(const ScanQuery& query);
  // The kept versions of `key` as of `moment`, the newest first; `limit` 0: the server's.
  ReadOutcome<KeyHistory> history(std::string_view key, const Moment& moment, uint64_t limit);
  ReadOutcome<UsageView> usage(std::string_view prefix);
  ReadOutcome<SettingsView> settings();
  // What the first node that answers knows of its cluster.
  ReadOutcome<ClusterView> cluster();

  WriteOutcome<LeaseAnswer> grant_lease(Duration ttl);
  // Without a key, and sent again all the same: it does no harm twice.
  WriteOutcome<LeaseAnswer> keep_lease_alive(std::string_view id);
  WriteOutcome<RevokeAnswer> revoke_lease(std::string_view id);
  // With a page of its keys. `cursor`: the `next` of the page before; empty: the first.
  ReadOutcome<LeaseView> lease(std::string_view id, std::string_view cursor = {});
  ReadOutcome<LeasePage> leases(std::string_view cursor = {});

  // Refused as "conflict": somebody else had it for all of the wait, which comes on top of a call's
  // time. Whoever asks makes the most of it by measuring its lease from before this call.
  WriteOutcome<LockAnswer> acquire_lock(std::string_view name, const LockQuery& query);
  // Refused as "lease_not_found": it is not held under this token any more. Takes no longer than
  // `within`. Sent again as keep_lease_alive is.
  WriteOutcome<LockAnswer> keep_lock_alive(std::string_view name, uint64_t token, Duration within);
  WriteOutcome<RevokeAnswer> release_lock(std::string_view name, uint64_t token);
  ReadOutcome<LockView> lock(std::string_view name, Consistency consistency);

  // Ends when the member leads; empty: any other than the one that leads now.
  WriteOutcome<LeaderAnswer> move_leader(const std::string& to);
  // For good: the member's id is never used again.
  WriteOutcome<MembersAnswer> remove_member(std::string_view name);
  // A learner gets a vote.
  WriteOutcome<MembersAnswer> promote_member(std::string_view name);

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
  // What is older than `revision` may be forgotten.
  WriteOutcome<CompactAnswer> compact(uint64_t revision);
  // Of the first node that answers: for clients of one endpoint.
  ReadOutcome<FaultsView> faults();
  // `json`: the body of PUT /v1/faults, in the place of all that was set there; "{}" ends it.
  WriteOutcome<FaultsView> set_faults(std::string json);
  // What is not empty in `change`. Answers with all settings.
  WriteOutcome<SettingsView> change_settings(const SettingsView& change);

  const CallCounts& counts() const { return counts_; }
  const Explanation& explanation() const { return explanation_; }  // of the last answer

 private:
  // kNamedWrites: under an idempotency key. kHarmlessWrites: what may be made twice.
  enum class Effect { kReads, kWrites, kNamedWrites, kHarmlessWrites };
  struct Pacing;
  struct WatchProgress;

  WriteOutcome<HttpResponse> call(HttpRequest request, Effect effect, BodySink* sink = nullptr,
                                  const CallExtent& extent = {});
  // Gives it a key, if this client's changes have any.
  Effect name_change(HttpRequest& request);
  template <class T>
  WriteOutcome<T> write(HttpRequest request, Result<T> (*read_answer)(std::string_view),
                        Effect effect = Effect::kWrites);
  // A change to keys.
  template <class T>
  WriteOutcome<T> write_once(HttpRequest request, Result<T> (*read_answer)(std::string_view));
  ReadOutcome<HttpResponse> read(HttpRequest request);
  template <class T>
  ReadOutcome<T> read(HttpRequest request, Result<T> (*read_answer)(std::string_view));
  std::expected<HttpResponse, NoAnswer> try_once(HttpRequest& request, Effect effect,
                                                 Instant deadline, Duration wait, BodySink* sink);
  // False: there is no time left for another try.
  bool pause_before_next_try(Pacing& pacing, std::string_view retry_after, Instant deadline);
  void turn_to_next_endpoint() { current_ = (current_ + 1) % connections_.size(); }

  const Duration timeout_;
  const bool repeats_unknown_;
  const bool explains_;
  const Clock& clock_;
  Random random_;
  const Wait wait_;
  std::vector<HttpConnection> connections_;
  size_t current_;
  CallCounts counts_;
  Explanation explanation_;
};

// The parts that a command line program gives: the system's clock, a random seed, real waiting.
KvClient make_kv_client(KvClientOptions options);

}  // namespace holdfast
