#pragma once

// The keys that are there, and those that are being added: numbers from 0, shared by all threads of
// a load. A key is chosen only after it and all before it were answered for.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>

namespace holdfast::load {

class KeySpace {
 public:
  explicit KeySpace(uint64_t there) : there_(there), next_(there) {}

  uint64_t there() const { return there_.load(std::memory_order_relaxed); }
  // The number of a key to be added, given out once.
  uint64_t claim() { return next_.fetch_add(1, std::memory_order_relaxed); }
  // What became of a claimed key is known, or will never be.
  void settle(uint64_t key);

 private:
  std::atomic<uint64_t> there_;
  std::atomic<uint64_t> next_;
  std::mutex mutex_;
  std::set<uint64_t> settled_;  // beyond the first that is not; under the mutex
};

}  // namespace holdfast::load
