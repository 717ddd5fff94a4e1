#include "client/cli/import_journal.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace holdfast::cli {
namespace {

constexpr uint64_t kStepBits = 4;

// Values under 16 µs have a bucket each; above, each doubling has sixteen.
size_t bucket_of(uint64_t micros) {
  if (micros < (1U << kStepBits)) return micros;
  const auto doubling = static_cast<uint64_t>(std::bit_width(micros)) - kStepBits - 1;
  return (doubling << kStepBits) + (micros >> doubling);
}

uint64_t upper_edge(size_t bucket) {
  if (bucket < (2U << kStepBits)) return bucket;
  const uint64_t doubling = (bucket >> kStepBits) - 1;
  const uint64_t step = bucket - (doubling << kStepBits);
  return ((step + 1) << doubling) - 1;
}

}  // namespace

void LatencyHistogram::add(Duration latency) {
  const auto micros =
      static_cast<uint64_t>(std::max<int64_t>(0, latency / std::chrono::microseconds(1)));
  ++counts_[std::min(bucket_of(micros), kBuckets - 1)];
  ++total_;
  longest_ = std::max(longest_, latency);
}

Duration LatencyHistogram::percentile(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted && seen > 0) {
      return std::min<Duration>(std::chrono::microseconds(upper_edge(bucket)), longest_);
    }
  }
  return longest_;
}

ImportJournal::ImportJournal(const Clock& clock)
    : clock_(clock), began_(clock.now()), last_ack_(began_), last_ack_wall_(clock.wall()) {}

void ImportJournal::acknowledged(Instant began) {
  const std::lock_guard lock(mutex_);
  const Instant now = clock_.now();
  if (records_ > 0 && now - last_ack_ > longest_pause_.length) {
    longest_pause_ = {.length = now - last_ack_, .began = last_ack_wall_};
  }
  ++records_;
  last_ack_ = now;
  last_ack_wall_ = clock_.wall();
  latency_.add(now - began);
}

Duration ImportJournal::quiet_for() const {
  const std::lock_guard lock(mutex_);
  return clock_.now() - last_ack_;
}

uint64_t ImportJournal::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

ImportJournal::Summary ImportJournal::summary() const {
  const std::lock_guard lock(mutex_);
  const Instant now = clock_.now();
  return {.records = records_,
          .elapsed = now - began_,
          .since_last_ack = now - last_ack_,
          .latency = latency_,
          .longest_pause = longest_pause_};
}

}  // namespace holdfast::cli
