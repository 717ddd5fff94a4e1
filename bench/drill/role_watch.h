#pragma once

// Who was what, when: asks each node for its role, over and over, on a thread for each.

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/endpoint.h"
#include "storage/base/clock.h"

namespace holdfast::drill {

// From `at` until the next of the same node. A role of Raft, or "silent": no answer in time, or
// "gone": nobody listens.
struct RoleChange {
  int64_t at = 0;
  std::string node;
  std::string role;
  uint64_t term = 0;
};

class RoleWatch {
 public:
  RoleWatch() = default;
  ~RoleWatch();

  // Until the watch ends.
  void add(const std::string& node, const Endpoint& endpoint);
  void stop();
  std::vector<RoleChange> changes() const;  // in order of time
  // Who leads in the newest term, as it is known now; empty: nobody.
  std::string leader() const;

 private:
  void watch(std::string node, Endpoint endpoint);

  const SystemClock clock_;
  std::atomic<bool> is_over_ = false;
  mutable std::mutex mutex_;
  std::vector<RoleChange> changes_;  // under the mutex
  std::vector<std::thread> threads_;
};

}  // namespace holdfast::drill
