#include "client/lock.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include <fmt/format.h>

#include "storage/base/text.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

// How long one request waits at a node: a node that says nothing at all is left after that.
constexpr Duration kWaitAtNode = std::chrono::seconds(30);
// Between two requests of which the first did not wait.
constexpr Duration kAfterConflict = milliseconds(100);
constexpr Duration kAfterFailure = milliseconds(50);

Instant now() {
  return SystemClock().now();
}

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
Asked ask(KvClient& client, const LockOptions& options, Duration wait) {
  Asked asked{.outcome = Unknown{}, .sent = now()};
  asked.outcome =
      client.acquire_lock(options.name, {.ttl = options.ttl, .wait = wait, .owner = options.owner});
  const auto* had = std::get_if<LockAnswer>(&asked.outcome);
  if (had == nullptr || now() - asked.sent < options.ttl / 3) return asked;
  const Instant sent = now();
  WriteOutcome<LockAnswer> kept =
      client.keep_lock_alive(options.name, had->token, options.cluster.timeout);
  // Had it was: what does not say that it is over leaves it open.
  if (auto* refusal = std::get_if<Refusal>(&kept); refusal != nullptr && !is_over(kept))
    kept = Unknown{std::move(refusal->message)};
  if (!std::holds_alternative<LockAnswer>(kept)) return {std::move(kept), sent};
  return {std::move(asked.outcome), sent};
}

}  // namespace

WriteOutcome<std::unique_ptr<Lock>> Lock::acquire(LockOptions options, OnLoss on_loss) {
  KvClient client = make_kv_client(options.cluster);
  const Instant began = now();
  std::optional<Unknown> unknown;  // an earlier request may have the lock, and end with its lease
  while (true) {
    const Duration left = options.wait ? began + *options.wait - now() : kWaitAtNode;
    const Duration wait = std::clamp<Duration>(left, Duration::zero(), kWaitAtNode);
    Asked asked = ask(client, options, wait);
    if (auto* had = std::get_if<LockAnswer>(&asked.outcome))
      return std::unique_ptr<Lock>(new Lock(std::move(options), std::move(client), std::move(*had),
                                            asked.sent, std::move(on_loss)));
    if (auto* open = std::get_if<Unknown>(&asked.outcome)) unknown = std::move(*open);
    const bool may_pass = std::holds_alternative<Unknown>(asked.outcome) ||
                          is_refused_as(asked.outcome, "conflict") || is_over(asked.outcome);
    const bool is_time_over = options.wait && now() >= began + *options.wait;
    if (may_pass && !is_time_over) {
      std::this_thread::sleep_for(kAfterConflict);
      continue;
    }
    if (unknown) return *std::move(unknown);
    return std::get<Refusal>(std::move(asked.outcome));
  }
}

Lock::Lock(LockOptions options, KvClient client, LockAnswer answer, Instant sent, OnLoss on_loss)
    : options_(std::move(options)),
      answer_(std::move(answer)),
      on_loss_(std::move(on_loss)),
      client_(std::move(client)),
      held_until_(until(sent)),
      next_keeping_(sent + options_.ttl / 3),
      thread_([this] { keep(); }) {}

Lock::~Lock() {
  if (!thread_.joinable()) return;
  const bool was_held = is_held();
  stop();
  if (was_held) client_.release_lock(options_.name, answer_.token);
}

Instant Lock::held_until() const {
  const std::lock_guard guard(mutex_);
  return held_until_;
}

bool Lock::is_held() const {
  const std::lock_guard guard(mutex_);
  return !is_lost_ && now() < held_until_;
}

WriteOutcome<RevokeAnswer> Lock::release() {
  stop();
  return client_.release_lock(options_.name, answer_.token);
}

void Lock::stop() {
  {
    const std::lock_guard guard(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Lock::keep() {
  // They are for whoever made this: it may have blocked them, and wait for them.
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock guard(mutex_);
  std::optional<std::string> why_lost;
  while (!why_lost) {
    if (changed_.wait_until(guard, std::min(next_keeping_, held_until_),
                            [this] { return is_over_; }))
      return;
    if (now() >= held_until_) {
      why_lost = fmt::format(
          "the lock '{}' may be another's: for {} nobody has confirmed that it "
          "was kept alive",
          options_.name, duration_text(options_.ttl));
    } else if (now() >= next_keeping_) {
      why_lost = keep_alive(guard);
    }
  }
  is_lost_ = true;
  guard.unlock();
  if (on_loss_) on_loss_(*why_lost);
}

std::optional<std::string> Lock::keep_alive(std::unique_lock<std::mutex>& guard) {
  const Instant sent = now();
  const Duration within = std::min(options_.ttl / 3, held_until_ - sent);
  guard.unlock();
  const WriteOutcome<LockAnswer> kept =
      client_.keep_lock_alive(options_.name, answer_.token, within);
  guard.lock();
  if (std::holds_alternative<LockAnswer>(kept)) {
    held_until_ = until(sent);
    next_keeping_ = sent + options_.ttl / 3;
    return std::nullopt;
  }
  if (is_over(kept)) return std::get<Refusal>(kept).message;
  next_keeping_ = now() + kAfterFailure;
  return std::nullopt;
}

}  // namespace holdfast
