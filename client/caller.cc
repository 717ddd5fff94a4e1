#include "client/caller.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

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

uint64_t seconds_in(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
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
struct Caller::Pacing {
  Refusal last;
  size_t tries = 0;
  size_t unreachable_in_a_row = 0;
};

Caller::Caller(KvClientOptions options, const Clock& clock, Random random)
    : timeout_(options.timeout),
      repeats_unknown_(options.repeats_unknown),
      explains_(options.explains),
      clock_(clock),
      random_(random),
      current_(0) {
  CHECK(!options.endpoints.empty());
  current_ = options.first_endpoint % options.endpoints.size();
  for (Endpoint& endpoint : options.endpoints)
    connections_.emplace_back(std::move(endpoint), clock);
}

Caller make_caller(KvClientOptions options) {
  static const SystemClock clock;
  return {std::move(options), clock, Random(random_from_system())};
}

Effect Caller::name_change(HttpRequest& request) {
  if (!repeats_unknown_) return Effect::kWrites;
  const uint64_t first = random_.next();
  request.headers.push_back(
      {std::string(kIdempotencyKey), fmt::format("{:016x}{:016x}", first, random_.next())});
  return Effect::kNamedWrites;
}

Task<WriteOutcome<HttpResponse>> Caller::send(HttpRequest request, Effect effect, BodySink* sink,
                                              CallExtent extent) {
  if (effect == Effect::kNamedWrites) effect = name_change(request);
  const Duration time = extent.within.value_or(timeout_) + extent.wait;
  const Instant deadline =
      clock_.now() + (effect == Effect::kNamedWrites ? std::min(time, kRepeatedWithin) : time);
  // A change that was refused so far would end as unknown if its last try had no time for an
  // answer.
  const Instant last_begin =
      deadline - std::min<Duration>((time - extent.wait) / 10, std::chrono::seconds(1));
  Pacing pacing;
  std::optional<Unknown> unknown;  // what an earlier try left open
  while (true) {
    const Endpoint& endpoint = connections_[current_].endpoint();
    Task<std::expected<HttpResponse, NoAnswer>> trying =
        try_once(request, effect, deadline, extent.wait, sink);
    std::expected<HttpResponse, NoAnswer> answer = co_await std::move(trying);
    ++pacing.tries;
    if (answer && is_success(answer->status)) co_return *std::move(answer);
    pacing.unreachable_in_a_row = answer ? 0 : pacing.unreachable_in_a_row;
    pacing.last =
        answer
            ? refusal_from(*answer, endpoint)
            : Refusal{.code = "unreachable", .retryable = true, .message = answer.error().message};
    if (sink != nullptr && sink->begun && !answer) {
      pacing.last.code = "cut_off";
      co_return std::move(pacing.last);
    }
    turn_to_next_endpoint();
    const bool is_left_open = effect != Effect::kReads && is_unknown(answer);
    if (is_left_open) {
      ++counts_.unknown;
      unknown.emplace(pacing.last.message);
      if (effect == Effect::kWrites) co_return *std::move(unknown);
    }
    const bool goes_without_key =
        effect == Effect::kNamedWrites && !unknown && is_not_kept(pacing.last);
    if (!is_left_open) {
      const bool is_answer = extent.ends_at_conflict && pacing.last.code == "conflict";
      const bool may_go_on = (pacing.last.retryable && !is_answer) || goes_without_key;
      if (!may_go_on) co_return end(std::move(pacing.last), std::move(unknown));
      ++counts_.refused;
      const bool found_nobody = !answer && answer.error().delivery == Delivery::kNotServed;
      pacing.unreachable_in_a_row += found_nobody ? 1 : 0;
    }
    if (goes_without_key) {
      // Its answer is not kept, and nothing of it was sent that could happen: it needs no key.
      std::erase_if(request.headers,
                    [](const HttpHeader& header) { return header.name == kIdempotencyKey; });
      effect = Effect::kWrites;
    } else {
      const std::string_view asked = answer ? answer->header("Retry-After") : "";
      const bool risks_unknown = effect != Effect::kReads && !unknown;
      const std::optional<Duration> length =
          pause_before_next_try(pacing, asked, risks_unknown ? last_begin : deadline);
      if (!length) co_return end(std::move(pacing.last), std::move(unknown));
      const Pause pause{*length};
      if (*length > Duration::zero()) co_await pause;
    }
    ++counts_.repeated;
  }
}

Task<std::expected<HttpResponse, NoAnswer>> Caller::try_once(HttpRequest& request, Effect effect,
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
  Task<std::expected<HttpResponse, NoAnswer>> exchange =
      connections_[current_].begin(request, now + patience, sink);
  std::expected<HttpResponse, NoAnswer> answer = co_await std::move(exchange);
  request.target.resize(unbounded_size);
  if (explains_ && answer) {
    explanation_ = {std::string(answer->header("Holdfast-Node")),
                    std::string(answer->header("Server-Timing")),
                    std::string(answer->header("Holdfast-Read"))};
  }
  co_return answer;
}

std::optional<Duration> Caller::pause_before_next_try(const Pacing& pacing,
                                                      std::string_view retry_after,
                                                      Instant last_begin) {
  const size_t endpoints = connections_.size();
  if (pacing.unreachable_in_a_row >= kUnreachableRoundsMax * endpoints) return std::nullopt;
  // A refused connection costs nobody anything: the next node is tried at once, in each round.
  const bool is_unreachable = pacing.last.code == "unreachable";
  if (is_unreachable && pacing.tries % endpoints != 0) {
    if (clock_.now() >= last_begin) return std::nullopt;
    return Duration::zero();
  }

  const size_t round = std::min<size_t>((pacing.tries - 1) / endpoints, 10);
  Duration longest = std::min<Duration>(kFirstBackOff * (1 << round), kBackOffMax);
  // Whoever has no leader to offer may have one in a moment, and the next node may know it now:
  // only a node that has too much to do is taken at its word.
  if (asks_to_slow_down(pacing.last)) {
    const std::chrono::seconds asked(std::min<uint64_t>(seconds_in(retry_after), 60));
    longest = std::max<Duration>(longest, asked);
  }
  const Duration pause = random_.between(longest / 2, longest);
  if (clock_.now() + pause >= last_begin) return std::nullopt;
  return pause;
}

}  // namespace holdfast
