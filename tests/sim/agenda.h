#pragma once

// What will happen, and when: one queue of (time, sequence, act) and the virtual clock that it
// moves. Acts of one instant happen in the order in which they were added.

#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "storage/base/clock.h"

namespace holdfast::sim {

class Agenda {
 public:
  using Act = std::function<void()>;

  Instant now() const { return now_; }
  uint64_t steps() const { return steps_; }
  bool empty() const { return items_.empty(); }

  void add(Duration delay, Act act) {
    items_.push({now_ + delay, next_sequence_++, std::move(act)});
  }

  void step() {
    // The queue gives only a const view of its top; the act is moved out just before it goes.
    Item item = std::move(const_cast<Item&>(items_.top()));
    items_.pop();
    now_ = item.at;
    ++steps_;
    item.act();
  }

 private:
  struct Item {
    Instant at;
    uint64_t sequence;
    Act act;
    bool operator<(const Item& other) const {  // the queue's top is the greatest: the earliest
      return std::pair(at, sequence) > std::pair(other.at, other.sequence);
    }
  };

  std::priority_queue<Item> items_;
  uint64_t next_sequence_ = 0;
  uint64_t steps_ = 0;
  Instant now_{};
};

}  // namespace holdfast::sim
