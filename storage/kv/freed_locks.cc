#include "storage/kv/freed_locks.h"

#include <utility>

namespace holdfast {

FreedLocks::News FreedLocks::news(uint64_t since) const {
  const std::lock_guard lock(mutex_);
  News news{.count = count_, .any = since < first_, .names = {}};
  if (news.any) return news;
  const auto begin = names_.begin() + static_cast<ptrdiff_t>(since - first_);
  news.names.assign(begin, names_.end());
  return news;
}

void FreedLocks::add(std::vector<std::string> names) {
  if (names.empty()) return;
  const std::lock_guard lock(mutex_);
  for (std::string& name : names) {
    bytes_ += name.size();
    names_.push_back(std::move(name));
  }
  while (bytes_ > kNameBytesMax) {
    bytes_ -= names_.front().size();
    names_.pop_front();
    ++first_;
  }
  count_.store(first_ + names_.size(), std::memory_order_release);
}

void FreedLocks::add_any() {
  const std::lock_guard lock(mutex_);
  names_.clear();
  bytes_ = 0;
  first_ = count_ + 1;
  count_.store(first_, std::memory_order_release);
}

}  // namespace holdfast
