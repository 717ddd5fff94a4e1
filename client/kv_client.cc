#include "client/kv_client.h"

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "client/outcomes.h"
#include "client/text_forms.h"
#include "storage/base/check.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr Duration kFirstBackOff = milliseconds(10);
constexpr Duration kBackOffMax = milliseconds(250);
// A cluster of which no node can be reached is reported soon, not at the end of the deadline.
constexpr size_t kUnreachableRoundsMax = 3;
// The node answers "504, unknown" a little before we would stop listening: it knows more.
constexpr Duration kAnswerMargin = milliseconds(500);
// The longest `timeout` that a node takes. A call that may take longer asks again.
constexpr Duration kNodeTimeoutMax = std::chrono::seconds(60);
// The cluster keeps what it answered under a key for ten minutes: behind them the same change would
// be made anew, and the last try may lie in a log for a while before it is decided.
constexpr Duration kRepeatedWithin = std::chrono::minutes(9);
constexpr std::string_view kIdempotencyKey = "Idempotency-Key";
constexpr std::string_view kTooManyRequests = "too_many_requests";
constexpr std::string_view kRangeTooLarge = "range_too_large";

std::string_view spelled(Consistency consistency) {
  return consistency == Consistency::kLocal ? "local" : "linearizable";
}

uint64_t ms_of(Duration duration) {
  return static_cast<uint64_t>(duration / milliseconds(1));
}

std::string in_ms(Duration duration) {
  return fmt::format("{}ms", ms_of(duration));
}

class Query {
 public:
  void add(std::string_view name, std::string_view value) {
    text_ += fmt::format("{}{}={}", text_.empty() ? '?' : '&', name, query_encoded(value));
  }
  void add_unless_empty(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_moment(Query& query, const Moment& moment) {
  query.add("consistency", spelled(moment.consistency));
  if (moment.revision > 0) query.add("revision", std::to_string(moment.revision));
  query.add_unless_empty("at", moment.at);
}

uint64_t number_or_zero(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::vector<HttpHeader> condition_headers(const Condition& condition) {
  std::vector<HttpHeader> headers;
  if (!condition.if_match.empty()) headers.push_back({"If-Match", condition.if_match});
  if (!condition.if_none_match.empty()) {
    headers.push_back({"If-None-Match", condition.if_none_match});
  }
  return headers;
}

HttpRequest get_request(std::string target) {
  return {.method = "GET", .target = std::move(target), .headers = {}, .body = {}};
}

bool is_success(unsigned status) {
  return status >= 200 && status < 300;
}

// What an answer that is no success says. An answer without the API's problem body was made by
// something between us and the node: only a 4xx is then sure to have changed nothing.
Refusal refusal_from(const HttpResponse& response, const Endpoint& endpoint) {
  const Problem problem = read_problem(response.body);
  std::string why = problem.detail.empty() ? problem.code : problem.detail;
  if (why.empty()) why = fmt::format("HTTP status {}", response.status);
  return Refusal{
      .status = response.status,
      .code = problem.code,
      .retryable = problem.is_retryable,
      .message = problem.is_retryable ? fmt::format("{}: {}", endpoint.url(), why) : why};
}

bool is_certainly_not_applied(const HttpResponse& response) {
  return response.status < 500 || read_problem(response.body).is_not_applied;
}

bool is_unknown(const std::expected<HttpResponse, NoAnswer>& answer) {
  return answer ? !is_certainly_not_applied(*answer)
                : answer.error().delivery == Delivery::kUnknown;
}

bool asks_to_slow_down(const Refusal& refusal) {
  return refusal.code == kTooManyRequests || refusal.code == "overloaded";
}

// What the cluster answers under a key and does not keep: for want of room, or because the answer
// would be too large for it. Neither says anything of an earlier try, nor of one without a key.
bool is_not_kept(const Refusal& refusal) {
  return refusal.code == kTooManyRequests || refusal.code == kRangeTooLarge;
}

// How a call ends that was refused at last. Where an earlier try was left open, only what the
// cluster itself decided under the key says how that one ended, too.
WriteOutcome<HttpResponse> end(Refusal last, std::optional<Unknown> unknown) {
  const bool was_decided = last.code == "precondition_failed" || last.code == "lease_not_found";
  if (unknown && !was_decided) return *std::move(unknown);
  return last;
}

}  // namespace

// How long the pauses between the tries of one call are.
struct KvClient::Pacing {
  Refusal last;
  size_t tries = 0;
  size_t unreachable_in_a_row = 0;
};

KvClient::KvClient(KvClientOptions options, const Clock& clock, Random random, Wait wait)
    : timeout_(options.timeout),
      repeats_unknown_(options.repeats_unknown),
      explains_(options.explains),
      clock_(clock),
      random_(random),
      wait_(std::move(wait)),
      current_(0) {
  CHECK(!options.endpoints.empty());
  current_ = options.first_endpoint % options.endpoints.size();
  for (Endpoint& endpoint : options.endpoints)
    connections_.emplace_back(std::move(endpoint), clock);
}

KvClient make_kv_client(KvClientOptions options) {
  static const SystemClock clock;
  return KvClient(std::move(options), clock, Random(random_from_system()),
                  [](Duration pause) { std::this_thread::sleep_for(pause); });
}

WriteOutcome<PutAnswer> KvClient::put(std::string_view key, std::string_view value,
                                      const Condition& condition, const Lifetime& lifetime) {
  Query query;
  query.add_unless_empty("lease", lifetime.lease);
  if (lifetime.ttl > Duration::zero()) query.add("ttl", in_ms(lifetime.ttl));
  return write_once<PutAnswer>({.method = "PUT",
                                .target = "/v1/kv/" + path_encoded(key) + query.text(),
                                .headers = condition_headers(condition),
                                .body = std::string(value)},
                               read_put_answer);
}

WriteOutcome<DeleteAnswer> KvClient::remove(std::string_view key, const Condition& condition) {
  return write_once<DeleteAnswer>({.method = "DELETE",
                                   .target = "/v1/kv/" + path_encoded(key),
                                   .headers = condition_headers(condition),
                                   .body = {}},
                                  read_delete_answer);
}

WriteOutcome<DeleteAnswer> KvClient::remove_prefix(std::string_view prefix) {
  Query query;
  query.add("prefix", prefix);
  return write_once<DeleteAnswer>(
      {.method = "DELETE", .target = "/v1/kv" + query.text(), .headers = {}, .body = {}},
      read_delete_answer);
}

WriteOutcome<TxnAnswer> KvClient::transact(std::string json) {
  return write_once<TxnAnswer>({.method = "POST",
                                .target = "/v1/txn",
                                .headers = {{"Content-Type", "application/json"}},
                                .body = std::move(json)},
                               read_txn_answer);
}

ReadOutcome<Value> KvClient::get(std::string_view key, const Moment& moment) {
  Query query;
  add_moment(query, moment);
  HOLDFAST_ASSIGN(HttpResponse response,
                  read({.method = "GET",
                        .target = "/v1/kv/" + path_encoded(key) + query.text(),
                        .headers = {},
                        .body = {}}));
  std::string_view etag = response.header("ETag");
  if (etag.starts_with('"')) etag.remove_prefix(1);
  Value value{.bytes = {},
              .create_revision = number_or_zero(response.header("Holdfast-Create-Revision")),
              .mod_revision = number_or_zero(etag),
              .version = number_or_zero(response.header("Holdfast-Version")),
              .lease = std::string(response.header("Holdfast-Lease")),
              .ttl_ms = {}};
  if (const std::string_view left = response.header("Holdfast-Ttl-Ms"); !left.empty())
    value.ttl_ms = number_or_zero(left);
  value.bytes = std::move(response.body);
  return value;
}

ReadOutcome<ScanPage> KvClient::scan(const ScanQuery& scan) {
  Query query;
  query.add_unless_empty("prefix", scan.prefix);
  query.add_unless_empty("start", scan.start);
  query.add_unless_empty("end", scan.end);
  if (scan.limit > 0) query.add("limit", std::to_string(scan.limit));
  if (scan.is_reverse) query.add("reverse", "true");
  if (scan.is_keys_only) query.add("keys_only", "true");
  if (scan.is_count_only) query.add("count_only", "true");
  // A cursor has the moment of its first page.
  add_moment(query, scan.cursor.empty() ? scan.moment : Moment{scan.moment.consistency});
  query.add_unless_empty("cursor", scan.cursor);
  return read(get_request("/v1/kv" + query.text()), read_scan_page);
}

ReadOutcome<ClusterView> KvClient::cluster() {
  return read({.method = "GET", .target = "/v1/cluster", .headers = {}, .body = {}},
              read_cluster_view);
}

WriteOutcome<LeaseAnswer> KvClient::grant_lease(Duration ttl) {
  return write_once<LeaseAnswer>({.method = "POST",
                                  .target = "/v1/leases",
                                  .headers = {{"Content-Type", "application/json"}},
                                  .body = lease_request(ms_of(ttl))},
                                 read_lease_answer);
}

WriteOutcome<LeaseAnswer> KvClient::keep_lease_alive(std::string_view id) {
  return write<LeaseAnswer>(
      {.method = "PUT", .target = "/v1/leases/" + path_encoded(id), .headers = {}, .body = {}},
      read_lease_answer, Effect::kHarmlessWrites);
}

WriteOutcome<RevokeAnswer> KvClient::revoke_lease(std::string_view id) {
  return write_once<RevokeAnswer>(
      {.method = "DELETE", .target = "/v1/leases/" + path_encoded(id), .headers = {}, .body = {}},
      read_revoke_answer);
}

ReadOutcome<LeaseView> KvClient::lease(std::string_view id, std::string_view cursor) {
  Query query;
  query.add_unless_empty("cursor", cursor);
  return read({.method = "GET",
               .target = "/v1/leases/" + path_encoded(id) + query.text(),
               .headers = {},
               .body = {}},
              read_lease_view);
}

ReadOutcome<LeasePage> KvClient::leases(std::string_view cursor) {
  Query query;
  query.add_unless_empty("cursor", cursor);
  return read({.method = "GET", .target = "/v1/leases" + query.text(), .headers = {}, .body = {}},
              read_lease_page);
}

ReadOutcome<HttpResponse> KvClient::snapshot(Consistency consistency, BodySink& sink) {
  Query query;
  query.add("consistency", spelled(consistency));
  WriteOutcome<HttpResponse> outcome =
      call({.method = "GET", .target = "/v1/snapshot" + query.text(), .headers = {}, .body = {}},
           Effect::kReads, &sink);
  if (auto* refusal = std::get_if<Refusal>(&outcome)) return std::unexpected(std::move(*refusal));
  return std::get<HttpResponse>(std::move(outcome));
}

ReadOutcome<KeyHistory> KvClient::history(std::string_view key, const Moment& moment,
                                          uint64_t limit) {
  Query query;
  add_moment(query, moment);
  if (limit > 0) query.add("limit", std::to_string(limit));
  return read(get_request("/v1/history/" + path_encoded(key) + query.text()), read_key_history);
}

ReadOutcome<UsageView> KvClient::usage(std::string_view prefix) {
  Query query;
  query.add_unless_empty("prefix", prefix);
  return read(get_request("/v1/usage" + query.text()), read_usage);
}

ReadOutcome<SettingsView> KvClient::settings() {
  return read(get_request("/v1/cluster/settings"), read_settings);
}

ReadOutcome<FaultsView> KvClient::faults() {
  return read(get_request("/v1/faults"), read_faults);
}

WriteOutcome<FaultsView> KvClient::set_faults(std::string json) {
  return write<FaultsView>(
      {.method = "PUT", .target = "/v1/faults", .headers = {}, .body = std::move(json)},
      read_faults, Effect::kHarmlessWrites);
}

WriteOutcome<CompactAnswer> KvClient::compact(uint64_t revision) {
  return write<CompactAnswer>({.method = "POST",
                               .target = "/v1/compact",
                               .headers = {{"Content-Type", "application/json"}},
                               .body = compact_request(revision)},
                              read_compact_answer);
}

WriteOutcome<SettingsView> KvClient::change_settings(const SettingsView& change) {
  return write<SettingsView>({.method = "PATCH",
                              .target = "/v1/cluster/settings",
                              .headers = {{"Content-Type", "application/json"}},
                              .body = settings_request(change)},
                             read_settings);
}

WriteOutcome<LeaderAnswer> KvClient::move_leader(const std::string& to) {
  return write<LeaderAnswer>({.method = "POST",
                              .target = "/v1/cluster/leader",
                              .headers = {{"Content-Type", "application/json"}},
                              .body = leader_request(to)},
                             read_leader_answer);
}

WriteOutcome<MembersAnswer> KvClient::remove_member(std::string_view name) {
  return write<MembersAnswer>({.method = "DELETE",
                               .target = "/v1/cluster/members/" + path_encoded(name),
                               .headers = {},
                               .body = {}},
                              read_members_answer);
}

WriteOutcome<MembersAnswer> KvClient::promote_member(std::string_view name) {
  return write<MembersAnswer>(
      {.method = "POST",
       .target = fmt::format("/v1/cluster/members/{}/promote", path_encoded(name)),
       .headers = {},
       .body = {}},
      read_members_answer);
}

template <class T>
WriteOutcome<T> KvClient::write(HttpRequest request, Result<T> (*read_answer)(std::string_view),
                                Effect effect) {
  return answer_in(call(std::move(request), effect), read_answer);
}

template <class T>
WriteOutcome<T> KvClient::write_once(HttpRequest request,
                                     Result<T> (*read_answer)(std::string_view)) {
  const Effect effect = name_change(request);
  return write<T>(std::move(request), read_answer, effect);
}

KvClient::Effect KvClient::name_change(HttpRequest& request) {
  if (!repeats_unknown_) return Effect::kWrites;
  const uint64_t first = random_.next();
  request.headers.push_back(
      {std::string(kIdempotencyKey), fmt::format("{:016x}{:016x}", first, random_.next())});
  return Effect::kNamedWrites;
}

ReadOutcome<HttpResponse> KvClient::read(HttpRequest request) {
  WriteOutcome<HttpResponse> outcome = call(std::move(request), Effect::kReads);
  if (auto* refusal = std::get_if<Refusal>(&outcome)) return std::unexpected(std::move(*refusal));
  return std::get<HttpResponse>(std::move(outcome));
}

template <class T>
ReadOutcome<T> KvClient::read(HttpRequest request, Result<T> (*read_answer)(std::string_view)) {
  HOLDFAST_ASSIGN(const HttpResponse response, read(std::move(request)));
  Result<T> answer = read_answer(response.body);
  if (!answer) {
    return std::unexpected(Refusal{
        .status = response.status, .code = "bad_answer", .message = answer.error().message});
  }
  return *std::move(answer);
}

WriteOutcome<HttpResponse> KvClient::call(HttpRequest request, Effect effect, BodySink* sink,
                                          const CallExtent& extent) {
  const Duration time = extent.within.value_or(timeout_) + extent.wait;
  const Instant deadline =
      clock_.now() + (effect == Effect::kNamedWrites ? std::min(time, kRepeatedWithin) : time);
  Pacing pacing;
  std::optional<Unknown> unknown;  // what an earlier try left open
  while (true) {
    const Endpoint& endpoint = connections_[current_].endpoint();
    std::expected<HttpResponse, NoAnswer> answer =
        try_once(request, effect, deadline, extent.wait, sink);
    ++pacing.tries;
    if (answer && is_success(answer->status)) return *std::move(answer);
    pacing.unreachable_in_a_row = answer ? 0 : pacing.unreachable_in_a_row;
    pacing.last =
        answer
            ? refusal_from(*answer, endpoint)
            : Refusal{.code = "unreachable", .retryable = true, .message = answer.error().message};
    if (sink != nullptr && sink->begun && !answer)
      return Refusal{.code = "cut_off", .retryable = true, .message = answer.error().message};
    turn_to_next_endpoint();
    const bool is_left_open = effect != Effect::kReads && is_unknown(answer);
    if (is_left_open) {
      ++counts_.unknown;
      if (effect == Effect::kWrites) return Unknown{std::move(pacing.last.message)};
      unknown = Unknown{pacing.last.message};
    }
    const bool goes_without_key =
        effect == Effect::kNamedWrites && !unknown && is_not_kept(pacing.last);
    if (!is_left_open) {
      const bool is_answer = extent.ends_at_conflict && pacing.last.code == "conflict";
      const bool may_go_on = (pacing.last.retryable && !is_answer) || goes_without_key;
      if (!may_go_on) return end(std::move(pacing.last), std::move(unknown));
      ++counts_.refused;
      const bool found_nobody = !answer && answer.error().delivery == Delivery::kNotServed;
      pacing.unreachable_in_a_row += found_nobody ? 1 : 0;
    }
    if (goes_without_key) {
      // Its answer is not kept, and nothing of it was sent that could happen: it needs no key.
      std::erase_if(request.headers,
                    [](const HttpHeader& header) { return header.name == kIdempotencyKey; });
      effect = Effect::kWrites;
    } else if (const std::string_view wait = answer ? answer->header("Retry-After") : "";
               !pause_before_next_try(pacing, wait, deadline)) {
      return end(std::move(pacing.last), std::move(unknown));
    }
    ++counts_.repeated;
  }
}

std::expected<HttpResponse, NoAnswer> KvClient::try_once(HttpRequest& request, Effect effect,
                                                         Instant deadline, Duration wait,
                                                         BodySink* sink) {
  const Instant now = clock_.now();
  const Duration left = deadline - now;
  // What hangs at one node is worth asking another; a write without a key must not be sent twice,
  // so it may as well wait.
  const bool may_ask_another = effect != Effect::kWrites && connections_.size() > 1;
  const Duration half = left > wait ? wait + (left - wait) / 2 : left / 2;
  const Duration patience =
      std::min(may_ask_another ? half : left, kNodeTimeoutMax + kAnswerMargin);
  const Duration at_node = patience - std::min(kAnswerMargin, patience / 10);
  const size_t unbounded_size = request.target.size();
  // What a node knows of its cluster it says at once: that call has no timeout to give.
  if (request.target != "/v1/cluster")
    request.target += fmt::format("{}timeout={}ms", request.target.contains('?') ? '&' : '?',
                                  std::max<int64_t>(1, at_node / milliseconds(1)));
  if (explains_) request.target += "&explain=true";
  ++counts_.sent;
  auto answer = connections_[current_].exchange(request, now + patience, sink);
  request.target.resize(unbounded_size);
  if (explains_ && answer) {
    explanation_ = {std::string(answer->header("Holdfast-Node")),
                    std::string(answer->header("Server-Timing")),
                    std::string(answer->header("Holdfast-Read"))};
  }
  return answer;
}

bool KvClient::pause_before_next_try(Pacing& pacing, std::string_view retry_after,
                                     Instant deadline) {
  const size_t endpoints = connections_.size();
  if (pacing.unreachable_in_a_row >= kUnreachableRoundsMax * endpoints) return false;
  // A refused connection costs nobody anything: the next node is tried at once, in each round.
  const bool is_unreachable = pacing.last.code == "unreachable";
  if (is_unreachable && pacing.tries % endpoints != 0) return clock_.now() < deadline;

  const size_t round = std::min<size_t>((pacing.tries - 1) / endpoints, 10);
  Duration longest = std::min<Duration>(kFirstBackOff * (1 << round), kBackOffMax);
  // Whoever has no leader to offer may have one in a moment, and the next node may know it now:
  // only a node that has too much to do is taken at its word.
  if (asks_to_slow_down(pacing.last)) {
    const std::chrono::seconds asked(std::min<uint64_t>(number_or_zero(retry_after), 60));
    longest = std::max<Duration>(longest, asked);
  }
  const Duration pause = random_.between(longest / 2, longest);
  if (clock_.now() + pause >= deadline) return false;
  wait_(pause);
  return true;
}

}  // namespace holdfast
