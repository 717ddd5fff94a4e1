#pragma once

// Which locks have come free lately, for those who wait for one. The apply thread tells of them
// when they are free for readers, too; any thread asks. Bounded: whoever asks too seldom is told
// that it may have missed some.

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace holdfast {

class FreedLocks {
 public:
  static constexpr size_t kNameBytesMax = 256 << 10;

  // How often a lock came free so far: where it has not moved, there is no news.
  uint64_t count() const { return count_.load(std::memory_order_acquire); }

  struct News {
    uint64_t count = 0;              // up to here
    bool any = false;                // some are not kept: any lock may have come free
    std::vector<std::string> names;  // else these, in order
  };
  // What has come free since the count was `since`, which was count() once.
  News news(uint64_t since) const;

  void add(std::vector<std::string> names);
  // The state is another: any may be free.
  void add_any();

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> names_;
  uint64_t first_ = 0;  // the count before the first of `names_`
  size_t bytes_ = 0;    // of `names_`
  std::atomic<uint64_t> count_ = 0;
};

}  // namespace holdfast
