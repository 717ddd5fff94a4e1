#pragma once

// Callers for coroutines: each call takes one, with its open connections, and gives it back. At
// most as many exist as calls went on at once, and never more than `callers_max`.

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "client/awaiting.h"
#include "client/caller.h"

namespace holdfast {

class CallerPool {
 public:
  CallerPool(KvClientOptions options, size_t callers_max);
  ~CallerPool();
  CallerPool(const CallerPool&) = delete;
  CallerPool& operator=(const CallerPool&) = delete;

  // One caller for the call that took it, until this is gone. Must not outlive the pool.
  class Taken {
   public:
    Taken(CallerPool& pool, std::unique_ptr<Caller> caller)
        : pool_(&pool), caller_(std::move(caller)) {}
    ~Taken() {
      if (caller_ != nullptr) pool_->give_back(std::move(caller_));
    }
    Taken(Taken&&) noexcept = default;
    Taken& operator=(Taken&&) = delete;

    Caller& operator*() const { return *caller_; }

   private:
    CallerPool* pool_;
    std::unique_ptr<Caller> caller_;
  };
  // Any thread, by a coroutine whose executor runs one handler at a time. Waits while all are
  // taken.
  Awaitable<Taken> take();
  // One beside them, for what goes on for long.
  std::unique_ptr<Caller> make() const;

 private:
  class Waiter;
  void give_back(std::unique_ptr<Caller> caller);

  const KvClientOptions options_;
  const size_t callers_max_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Caller>> idle_;  // the one used last at the end
  std::deque<std::weak_ptr<Waiter>> waiting_;  // in the order of their coming
  size_t made_ = 0;
};

}  // namespace holdfast
