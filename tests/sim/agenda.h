#pragma once

// What will happen, and when: one queue of (time, sequence, act) and the virtual clock that it
// moves. Acts of one instant happen in the order in which they were added.

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "storage/base/clock.h"

namespace holdfast::sim {

class Agenda {
 public:
  using Act = std::move_only_function<void()>;

  Instant now() const { return now_; }
  uint64_t steps() const { return steps_; }
  bool empty() const { return items_.empty(); }

  void add(Duration delay, Act act) {
    size_t place = acts_.size();
    if (free_.empty()) {
      acts_.push_back(std::move(act));
    } else {
      place = free_.back();
      free_.pop_back();
      acts_[place] = std::move(act);
    }
    items_.push_back({now_ + delay, next_sequence_++, place});
    std::ranges::push_heap(items_, later);
  }

  void step() {
    std::ranges::pop_heap(items_, later);
    const Item item = items_.back();
    items_.pop_back();
    now_ = item.at;
    ++steps_;
    Act act = std::move(acts_[item.place]);
    free_.push_back(item.place);
    act();
  }

 private:
  struct Item {
    Instant at;
    uint64_t sequence;
    size_t place;  // in acts_: the heap moves small items only
  };
  static bool later(const Item& a, const Item& b) {
    return std::pair(a.at, a.sequence) > std::pair(b.at, b.sequence);
  }

  std::vector<Item> items_;  // a heap: the earliest on top
  std::vector<Act> acts_;
  std::vector<size_t> free_;  // places in acts_
  uint64_t next_sequence_ = 0;
  uint64_t steps_ = 0;
  Instant now_{};
};

}  // namespace holdfast::sim
