#include "storage/log/entry_index.h"

#include <algorithm>
#include <iterator>

#include "storage/base/check.h"

namespace holdfast {
namespace {

// A reader takes a run in one piece, so its length is what reading one entry may cost.
constexpr uint64_t kRunBytes = uint64_t{256} << 10;

}  // namespace

void EntryIndex::add(LogIndex index, uint64_t segment, const RecordPlace& place,
                     uint64_t record_bytes) {
  CHECK(index == last_ + 1, "entry {} after {}", index.value, last_.value);
  last_ = index;
  if (!empty()) {
    Run& run = runs_.back();
    // After a cut the next entry does not lie behind the last one that was kept.
    if (run.segment == segment && run.start.offset + run.bytes == place.offset &&
        run.bytes < kRunBytes) {
      run.bytes += record_bytes;
      return;
    }
  }
  runs_.push_back({.first = index, .segment = segment, .start = place, .bytes = record_bytes});
}

void EntryIndex::cut_from(LogIndex index) {
  if (index > last_) return;
  while (!empty() && runs_.back().first >= index) runs_.pop_back();
  last_ = index - 1;
}

void EntryIndex::restart_after(LogIndex index) {
  runs_.clear();
  last_ = index;
}

void EntryIndex::drop_segments_before(uint64_t segment) {
  const auto kept = std::ranges::find_if(runs_, [&](const Run& r) { return r.segment >= segment; });
  runs_.erase(runs_.begin(), kept);
}

std::optional<uint64_t> EntryIndex::segment_needed_from(LogIndex index) const {
  if (empty() || index > last_) return std::nullopt;
  return find(std::max(index, first())).segment;
}

const EntryIndex::Run& EntryIndex::find(LogIndex index) const {
  CHECK(!empty() && first() <= index && index <= last_, "{} of {}..{}", index.value, first().value,
        last_.value);
  return *std::prev(std::ranges::upper_bound(runs_, index, {}, &Run::first));
}

LogIndex EntryIndex::end_of(const Run& run) const {
  return &run == &runs_.back() ? last_ + 1 : (&run + 1)->first;
}

}  // namespace holdfast
