#include "storage/kv/deadlines.h"

#include <algorithm>
#include <iterator>

#include "storage/base/check.h"

namespace holdfast {

void Deadlines::add(uint64_t deadline_ms) {
  if (deadline_ms >= unknown_from_) return;
  uint32_t& count = known_[deadline_ms];
  if (count != kMany) ++count;
  if (known_.size() <= kKnownMax) return;
  const auto first_dropped = std::next(known_.begin(), kKnownMax / 2);
  unknown_from_ = first_dropped->first;
  known_.erase(first_dropped, known_.end());
}

void Deadlines::remove(uint64_t deadline_ms) {
  if (deadline_ms >= unknown_from_) return;
  const auto found = known_.find(deadline_ms);
  CHECK(found != known_.end(), "nothing is due at {}", deadline_ms);
  if (found->second == kMany) return;
  if (--found->second == 0) known_.erase(found);
}

void Deadlines::pass(uint64_t now_ms) {
  known_.erase(known_.begin(), known_.upper_bound(now_ms));
  unknown_from_ = std::max(unknown_from_, now_ms + 1);
}

void Deadlines::read(const std::vector<uint64_t>& found) {
  CHECK(must_read());
  CHECK(std::ranges::is_sorted(found) && (found.empty() || found.front() >= unknown_from_));
  if (found.size() < kReadAtOnce) {
    for (const uint64_t deadline : found) ++known_[deadline];
    unknown_from_ = kNone;
    return;
  }
  // Of the last one there may be more than were read.
  const uint64_t last = found.back();
  for (const uint64_t deadline : found)
    if (deadline < last) ++known_[deadline];
  unknown_from_ = last;
  if (!known_.empty()) return;
  known_[last] = kMany;
  unknown_from_ = last + 1;
}

}  // namespace holdfast
