#pragma once

// A queue from many threads to one, drained whole. The sender rings the receiver only when the
// queue was empty: one wake for a batch, however large.

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace holdfast {

template <class T>
class Mailbox {
 public:
  // True: the queue was empty, so the receiver may be asleep and must be woken.
  bool put(T item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    return items_.size() == 1;
  }

  // Moves everything that waits into `items` (which must be empty, and lends its capacity).
  void drain(std::vector<T>& items) {
    const std::lock_guard lock(mutex_);
    std::swap(items_, items);
  }

 private:
  std::mutex mutex_;
  std::vector<T> items_;
};

// A Mailbox whose receiver is a thread with nothing else to wait for.
template <class T>
class BlockingMailbox {
 public:
  void put(T item) {
    bool was_empty = false;
    {
      const std::lock_guard lock(mutex_);
      was_empty = items_.empty();
      items_.push_back(std::move(item));
    }
    if (was_empty) ready_.notify_one();
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_one();
  }

  // Waits for at least one item. False: closed, and everything was taken.
  bool drain(std::vector<T>& items) {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closed_ || !items_.empty(); });
    std::swap(items_, items);
    return !items.empty();
  }

  // As drain, but gives up after `patience`: then `items` is empty and the answer true.
  template <class Patience>
  bool drain_for(std::vector<T>& items, Patience patience) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, patience, [this] { return closed_ || !items_.empty(); });
    std::swap(items_, items);
    return !items.empty() || !closed_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<T> items_;
  bool closed_ = false;
};

}  // namespace holdfast
