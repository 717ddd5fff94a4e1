#pragma once

// A lock of the cluster, held for as long as this lives and the cluster hears of it: a thread of
// its own keeps it alive, each third of its time to live. It can be lost all the same: the cluster
// may not be reached in time, the machine may stand still, somebody may release it. So what is done
// under it bears its token to whoever is changed by it, who takes nothing with a token below the
// highest one seen.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "client/kv_client.h"

namespace holdfast {

struct LockOptions {
  KvClientOptions cluster;
  std::string name;
  std::string owner;  // for others to see; at most 256 bytes
  Duration ttl = std::chrono::seconds(15);
  std::optional<Duration> wait = Duration::zero();  // for it to come free; nothing: for ever
};

class Lock {
 public:
  // Called once, if it is lost, on the lock's own thread, which must not destroy the lock.
  using OnLoss = std::function<void(const std::string& why)>;

  // Refused as "conflict": somebody else had it for all of the wait, as the message says. Unknown:
  // it may be held, and ends with its time to live.
  static WriteOutcome<std::unique_ptr<Lock>> acquire(LockOptions options, OnLoss on_loss = {});
  // Releases it if it is held still; takes a call's time at most.
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // Any thread, from here on.
  const std::string& name() const { return options_.name; }
  uint64_t token() const { return answer_.token; }  // a fencing token: it only ever grows
  const std::string& lease() const {
    return answer_.lease;
  }  // keys that are bound to it end with it
  // Until then nobody else can have it, whatever happens: a time to live, less a hundredth for
  // clocks that run apart, from before the newest request was sent that was confirmed. By this
  // machine's steady clock, which a suspended machine does not count on.
  Instant held_until() const;
  // False once it was lost, or may be: it is no more kept alive then.
  bool is_held() const;

  // Ends it now. By the thread that made it, once.
  WriteOutcome<RevokeAnswer> release();

 private:
  Lock(LockOptions options, KvClient client, LockAnswer answer, Instant sent, OnLoss on_loss);
  Instant until(Instant sent) const { return sent + options_.ttl - options_.ttl / 100; }
  void keep();
  // With the mutex held, which it lets go meanwhile. Why it is lost; nothing: it is not.
  std::optional<std::string> keep_alive(std::unique_lock<std::mutex>& guard);
  void stop();

  const LockOptions options_;
  const LockAnswer answer_;
  const OnLoss on_loss_;
  KvClient client_;  // of the thread, as long as it runs

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Instant held_until_;  // under the mutex, as all below
  Instant next_keeping_;
  bool is_over_ = false;
  bool is_lost_ = false;
  std::thread thread_;
};

}  // namespace holdfast
