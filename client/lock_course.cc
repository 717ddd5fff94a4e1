#include "client/lock_course.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/text.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

// How long one request waits at a node: a node that says nothing at all is left after that.
constexpr Duration kWaitAtNode = std::chrono::seconds(30);
// Between two requests of which the first did not wait.
constexpr Pause kAfterConflict{milliseconds(100)};
constexpr Duration kAfterFailure = milliseconds(50);

bool is_refused_as(const WriteOutcome<LockAnswer>& outcome, std::string_view code) {
  const auto* refusal = std::get_if<Refusal>(&outcome);
  return refusal != nullptr && refusal->code == code;
}

// It is not held under that token any more.
bool is_over(const WriteOutcome<LockAnswer>& outcome) {
  return is_refused_as(outcome, "lease_not_found");
}

// What one request for the lock has come to.
struct Asked {
  WriteOutcome<LockAnswer> outcome;
  Instant sent;  // its lease began after this
};

// The lease began when the lock came free, which may be long ago: where it is not known to have
// just begun, it begins anew before it is relied on.
Task<Asked> ask(Caller& caller, const LockOptions& options, Duration wait) {
  Asked asked{.outcome = Unknown{}, .sent = caller.clock().now()};
  const LockQuery query{.ttl = options.ttl, .wait = wait, .owner = options.owner};
  Task<WriteOutcome<LockAnswer>> asking = caller.make(calls::acquire_lock(options.name, query));
  asked.outcome = co_await std::move(asking);
  const auto* had = std::get_if<LockAnswer>(&asked.outcome);
  const Instant sent = caller.clock().now();
  if (had == nullptr || sent - asked.sent < options.ttl / 3) co_return asked;
  asked.sent = sent;
  Task<WriteOutcome<LockAnswer>> keeping =
      caller.make(calls::keep_lock_alive(options.name, had->token, options.cluster.timeout));
  WriteOutcome<LockAnswer> kept = co_await std::move(keeping);
  // Had it was: what does not say that it is over leaves it open.
  if (auto* refusal = std::get_if<Refusal>(&kept); refusal != nullptr && !is_over(kept))
    kept = Unknown{std::move(refusal->message)};
  if (!std::holds_alternative<LockAnswer>(kept)) asked.outcome = std::move(kept);
  co_return asked;
}

}  // namespace

Task<WriteOutcome<HeldLock>> acquire(Caller& caller, const LockOptions& options) {
  const Clock& clock = caller.clock();
  const Instant began = clock.now();
  std::optional<Unknown> unknown;  // an earlier request may have the lock, and end with its lease
  while (true) {
    const Duration left = options.wait ? began + *options.wait - clock.now() : kWaitAtNode;
    const Duration wait = std::clamp<Duration>(left, Duration::zero(), kWaitAtNode);
    Task<Asked> asking = ask(caller, options, wait);
    Asked asked = co_await std::move(asking);
    if (auto* had = std::get_if<LockAnswer>(&asked.outcome)) {
      HeldLock held{.answer = std::move(*had), .sent = asked.sent};
      co_return std::move(held);
    }
    if (auto* open = std::get_if<Unknown>(&asked.outcome)) unknown = *open;
    const bool may_pass = std::holds_alternative<Unknown>(asked.outcome) ||
                          is_refused_as(asked.outcome, "conflict") || is_over(asked.outcome);
    const bool is_time_over = options.wait && clock.now() >= began + *options.wait;
    if (!may_pass || is_time_over) {
      if (unknown) co_return *std::move(unknown);
      co_return std::get<Refusal>(std::move(asked.outcome));
    }
    co_await kAfterConflict;
  }
}

LockTerm::LockTerm(Duration ttl, Instant sent, const Clock& clock)
    : ttl_(ttl), clock_(clock), held_until_(until(sent)) {}

Instant LockTerm::held_until() const {
  const std::lock_guard guard(mutex_);
  return held_until_;
}

bool LockTerm::is_held() const {
  const std::lock_guard guard(mutex_);
  return !is_lost_ && clock_.now() < held_until_;
}

void LockTerm::confirm(Instant sent) {
  const std::lock_guard guard(mutex_);
  held_until_ = until(sent);
}

void LockTerm::lose() {
  const std::lock_guard guard(mutex_);
  is_lost_ = true;
}

Task<std::string> keep(Caller& caller, const LockOptions& options, HeldLock held, LockTerm& term) {
  const Clock& clock = caller.clock();
  Instant next_keeping = held.sent + options.ttl / 3;
  while (true) {
    const Instant held_until = term.held_until();
    const Instant now = clock.now();
    if (now >= held_until) {
      term.lose();
      co_return fmt::format(
          "the lock '{}' may be another's: for {} nobody has confirmed that it was kept alive",
          options.name, duration_text(options.ttl));
    }
    if (now < next_keeping) {
      const Pause pause{std::min(next_keeping, held_until) - now};
      co_await pause;
      continue;
    }
    const Duration within = std::min(options.ttl / 3, held_until - now);
    Task<WriteOutcome<LockAnswer>> keeping =
        caller.make(calls::keep_lock_alive(options.name, held.answer.token, within));
    WriteOutcome<LockAnswer> kept = co_await std::move(keeping);
    if (std::holds_alternative<LockAnswer>(kept)) {
      term.confirm(now);
      next_keeping = now + options.ttl / 3;
    } else if (is_over(kept)) {
      term.lose();
      co_return std::get<Refusal>(std::move(kept)).message;
    } else {
      next_keeping = clock.now() + kAfterFailure;
    }
  }
}

}  // namespace holdfast
