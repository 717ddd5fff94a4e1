#include "server/api/readers.h"

#include <boost/asio/post.hpp>

#include "storage/base/thread_name.h"

namespace holdfast {

Readers::Readers(size_t threads) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

void Readers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Readers::Waiting::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  {
    const std::lock_guard lock(readers_.mutex_);
    if (readers_.waiting_.size() >= kWaitingMax || readers_.stopping_) {
      done_ = false;
      return false;
    }
    readers_.waiting_.push_back(this);
    // Under the lock, as it is not known when this object goes: its work may be done at once.
    readers_.changed_.notify_one();
  }
  return true;
}

void Readers::serve() {
  name_this_thread("reader");
  while (true) {
    Waiting* next = nullptr;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      next = waiting_.front();
      waiting_.pop_front();
    }
    next->work_();
    // The frame that holds `next` ends only on its loop, so nothing of it may be read after this.
    const std::coroutine_handle<> waiter = next->waiter_;
    boost::asio::post(next->loop_, [waiter] { waiter.resume(); });
  }
}

}  // namespace holdfast
