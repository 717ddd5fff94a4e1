#pragma once

// A lock of the cluster, held for as long as this lives and the cluster hears of it: a thread of
// its own keeps it alive, each third of its time to live. It can be lost all the same: the cluster
// may not be reached in time, the machine may stand still, somebody may release it. So what is done
// under it bears its token to whoever is changed by it, who takes nothing with a token below the
// highest one seen.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "client/lock_course.h"

namespace holdfast {

class Lock {
 public:
  // Ends as lock_course.h says. `on_loss` is called on the lock's own thread, which must not
  // destroy the lock.
  static WriteOutcome<std::unique_ptr<Lock>> acquire(LockOptions options, OnLoss on_loss = {});
  // Releases it if it is held still; takes a call's time at most.
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // Any thread, from here on.
  const std::string& name() const { return options_.name; }
  uint64_t token() const { return held_.answer.token; }  // a fencing token: it only ever grows
  // Keys that are bound to it end with it.
  const std::string& lease() const { return held_.answer.lease; }
  // Until then nobody else can have it, whatever happens, by this machine's steady clock, which a
  // suspended machine does not count on.
  Instant held_until() const { return term_.held_until(); }
  // False once it was lost, or may be: it is no more kept alive then.
  bool is_held() const { return term_.is_held(); }

  // Ends it now. By the thread that made it, once.
  WriteOutcome<RevokeAnswer> release();

 private:
  Lock(LockOptions options, Caller caller, HeldLock held, OnLoss on_loss);
  void run();
  // True: it is over.
  bool wait(Duration length);
  void stop();
  WriteOutcome<RevokeAnswer> end();

  const LockOptions options_;
  const HeldLock held_;
  const OnLoss on_loss_;
  Caller caller_;  // of the thread, as long as it runs
  LockTerm term_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;  // under the mutex
  std::thread thread_;
};

}  // namespace holdfast
