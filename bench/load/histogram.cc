#include "bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace holdfast::load {
namespace {

// Up to 2^kExactBits each value has a bucket of its own; above, each doubling has half as many. The
// middle of a bucket is then within 1 / 2^kExactBits of all that it holds.
constexpr int kExactBits = 8;
constexpr uint64_t kHalf = uint64_t{1} << (kExactBits - 1);
constexpr int kRangeBits = 42;
constexpr uint64_t kLargest = (uint64_t{1} << kRangeBits) - 1;
static_assert(Histogram::kErrorMax == 1.0 / (uint64_t{1} << kExactBits));

int shift_of(uint64_t value) {
  return std::max(0, static_cast<int>(std::bit_width(value)) - kExactBits);
}

size_t bucket_of(uint64_t value) {
  const int shift = shift_of(value);
  return static_cast<size_t>(shift) * kHalf + (value >> shift);
}

uint64_t middle_of(size_t bucket) {
  if (bucket < 2 * kHalf) return bucket;
  const uint64_t shift = bucket / kHalf - 1;
  const uint64_t first = (kHalf + bucket % kHalf) << shift;
  return first + ((uint64_t{1} << shift) >> 1);
}

}  // namespace

Histogram::Histogram() : buckets_(bucket_of(kLargest) + 1, 0) {}

void Histogram::record(Duration value) {
  const Duration counted =
      std::clamp(value, Duration::zero(), Duration(static_cast<int64_t>(kLargest)));
  ++buckets_[bucket_of(static_cast<uint64_t>(counted.count()))];
  ++count_;
  sum_ns_ += static_cast<double>(counted.count());
  shortest_ = std::min(shortest_, counted);
  longest_ = std::max(longest_, counted);
}

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
  shortest_ = std::min(shortest_, other.shortest_);
  longest_ = std::max(longest_, other.longest_);
}

Duration Histogram::percentile(double share) const {
  if (count_ == 0) return Duration::zero();
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const auto rank = std::max(uint64_t{1}, static_cast<uint64_t>(wanted));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen < rank) continue;
    return std::clamp(Duration(static_cast<int64_t>(middle_of(i))), shortest_, longest_);
  }
  return longest_;
}

Duration Histogram::mean() const {
  if (count_ == 0) return Duration::zero();
  return Duration(static_cast<int64_t>(sum_ns_ / static_cast<double>(count_)));
}

Duration Histogram::shortest() const {
  return count_ == 0 ? Duration::zero() : shortest_;
}

Duration Histogram::longest() const {
  return longest_;
}

}  // namespace holdfast::load
