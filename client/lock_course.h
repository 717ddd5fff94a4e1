#pragma once

// How a lock is had, kept alive and lost, apart from who waits: what Lock and AsyncLock share.

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "client/caller.h"

namespace holdfast {

struct LockOptions {
  KvClientOptions cluster;
  std::string name;
  std::string owner;  // for others to see; at most 256 bytes
  Duration ttl = std::chrono::seconds(15);
  std::optional<Duration> wait = Duration::zero();  // for it to come free; nothing: for ever
};

// Called once, if a lock is lost.
using OnLoss = std::function<void(const std::string& why)>;

struct HeldLock {
  LockAnswer answer;
  Instant sent;  // its lease began after this
};

// Refused as "conflict": somebody else had it for all of the wait, as the message says. Unknown: it
// may be held, and ends with its time to live.
Task<WriteOutcome<HeldLock>> acquire(Caller& caller, const LockOptions& options);

// How long a lock is held for sure. Any thread.
class LockTerm {
 public:
  LockTerm(Duration ttl, Instant sent, const Clock& clock);

  // Until then nobody else can have it, whatever happens: a time to live, less a hundredth for
  // clocks that run apart, from before the newest request was sent that was confirmed.
  Instant held_until() const;
  // False once it was lost, or may be.
  bool is_held() const;
  void confirm(Instant sent);
  void lose();

 private:
  Instant until(Instant sent) const { return sent + ttl_ - ttl_ / 100; }

  const Duration ttl_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  Instant held_until_;  // under the mutex, as below
  bool is_lost_ = false;
};

// Keeps it alive, each third of its time to live from `held.sent` on. Ends when `term` is lost, and
// says why.
Task<std::string> keep(Caller& caller, const LockOptions& options, HeldLock held, LockTerm& term);

}  // namespace holdfast
