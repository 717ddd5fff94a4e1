#include "bench/load/key_space.h"

namespace holdfast::load {

void KeySpace::settle(uint64_t key) {
  const std::lock_guard lock(mutex_);
  settled_.insert(key);
  uint64_t there = there_.load(std::memory_order_relaxed);
  while (!settled_.empty() && *settled_.begin() == there) {
    settled_.erase(settled_.begin());
    ++there;
  }
  there_.store(there, std::memory_order_relaxed);
}

}  // namespace holdfast::load
