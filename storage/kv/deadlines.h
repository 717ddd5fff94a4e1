#pragma once

// When something is due next, without asking the engine: the earliest deadlines of all that the
// state has, in a bounded space whatever their number. Told of every deadline that comes and goes;
// what lies behind those it knows is read from the engine when they are used up. Thus each deadline
// is read at most once, and names that were deleted are not passed again and again.
// Apply thread only.

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace holdfast {

class Deadlines {
 public:
  static constexpr uint64_t kNone = UINT64_MAX;
  static constexpr size_t kReadAtOnce = 1'024;

  void add(uint64_t deadline_ms);
  void remove(uint64_t deadline_ms);  // one that was added, or was read
  // Nothing at or before `now_ms` is left.
  void pass(uint64_t now_ms);

  // The known ones are used up and there may be more: read() is due.
  bool must_read() const { return known_.empty() && unknown_from_ != kNone; }
  uint64_t unknown_from() const { return unknown_from_; }
  // The deadlines at and after unknown_from(), ascending; fewer than kReadAtOnce: these are all.
  void read(const std::vector<uint64_t>& found);

  // Nothing is due before this; kNone: nothing ever.
  uint64_t earliest() const { return known_.empty() ? unknown_from_ : known_.begin()->first; }

 private:
  static constexpr uint32_t kMany = UINT32_MAX;  // more than were counted
  static constexpr size_t kKnownMax = 4 * kReadAtOnce;

  std::map<uint64_t, uint32_t> known_;  // deadline → how many
  uint64_t unknown_from_ = 0;           // every deadline before this is in `known_`
};

}  // namespace holdfast
