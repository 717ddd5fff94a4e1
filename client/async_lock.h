#pragma once

// A lock of the cluster for coroutines, as lock.h says: kept alive in the loop of whoever acquired
// it, by no thread of its own.

#include <memory>
#include <string>

#include "client/awaiting.h"
#include "client/lock_course.h"

namespace holdfast {

class AsyncLock {
 public:
  // Ends as lock_course.h says. `on_loss` is called in the loop that keeps it alive,
  // and what it throws comes out there.
  static Awaitable<WriteOutcome<std::unique_ptr<AsyncLock>>> acquire(LockOptions options,
                                                                     OnLoss on_loss);
  // Keeps it alive no more: where it was not released, it ends with its time to live.
  ~AsyncLock();
  AsyncLock(const AsyncLock&) = delete;
  AsyncLock& operator=(const AsyncLock&) = delete;

  // Any thread, as Lock's of these names.
  const std::string& name() const;
  uint64_t token() const;
  const std::string& lease() const;
  Instant held_until() const;
  bool is_held() const;

  // Ends it now: once. It may be gone before that has ended.
  Awaitable<WriteOutcome<RevokeAnswer>> release();

 private:
  struct Keeping;

  explicit AsyncLock(std::shared_ptr<Keeping> keeping) : keeping_(std::move(keeping)) {}

  const std::shared_ptr<Keeping> keeping_;  // with the coroutine that keeps it alive
};

}  // namespace holdfast
