#include "client/caller_pool.h"

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "storage/base/check.h"

namespace holdfast {

namespace net = boost::asio;

// A coroutine that waits for a caller. It may go before it has taken what it was given: then that
// is given back.
class CallerPool::Waiter {
 public:
  Waiter(CallerPool& pool, const net::any_io_executor& executor) : pool_(pool), bell_(executor) {
    bell_.expires_at(Instant::max());
  }
  ~Waiter() {
    if (given_ != nullptr) pool_.give_back(std::move(given_));
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  Awaitable<void> wait() { co_await bell_.async_wait(net::as_tuple(net::use_awaitable)); }
  // By any thread: the bell is of the coroutine's executor, and rung there.
  static void give(const std::shared_ptr<Waiter>& self, std::unique_ptr<Caller> caller) {
    self->given_ = std::move(caller);
    net::post(self->bell_.get_executor(), [self] { self->bell_.cancel(); });
  }
  std::unique_ptr<Caller> take() { return std::move(given_); }

 private:
  CallerPool& pool_;
  net::steady_timer bell_;
  std::unique_ptr<Caller> given_;  // under the pool's mutex until the bell has rung
};

CallerPool::CallerPool(KvClientOptions options, size_t callers_max)
    : options_(std::move(options)), callers_max_(callers_max) {
  CHECK(callers_max_ > 0);
}

CallerPool::~CallerPool() = default;

std::unique_ptr<Caller> CallerPool::make() const {
  return std::make_unique<Caller>(make_caller(options_));
}

Awaitable<CallerPool::Taken> CallerPool::take() {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  std::shared_ptr<Waiter> waiter;
  std::unique_ptr<Caller> caller;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      caller = std::move(idle_.back());
      idle_.pop_back();
    } else if (made_ < callers_max_) {
      ++made_;
      caller = make();
    } else {
      waiter = std::make_shared<Waiter>(*this, executor);
      waiting_.push_back(waiter);
    }
  }
  while (caller == nullptr) {
    Awaitable<void> waiting = waiter->wait();
    co_await std::move(waiting);
    const std::lock_guard lock(mutex_);
    caller = waiter->take();
  }
  co_return Taken(*this, std::move(caller));
}

void CallerPool::give_back(std::unique_ptr<Caller> caller) {
  std::shared_ptr<Waiter> next;  // goes, if it does, without the mutex
  const std::lock_guard lock(mutex_);
  while (next == nullptr && !waiting_.empty()) {
    next = waiting_.front().lock();
    waiting_.pop_front();
  }
  if (next != nullptr) {
    Waiter::give(next, std::move(caller));
  } else {
    idle_.push_back(std::move(caller));
  }
}

}  // namespace holdfast
