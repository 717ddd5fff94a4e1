#include "bench/drill/timeline.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace holdfast::drill {
namespace {

constexpr size_t kBucketsMax = 240;
constexpr std::array<const char*, 6> kKinds = {
    "linearizable reads", "local reads", "puts", "deletes", "transactions", "all together"};
constexpr size_t kAll = kKinds.size() - 1;

size_t kind_of(const Operation& operation) {
  switch (operation.kind) {
    case Kind::kGet:
      return operation.level == Level::kLocal ? 1 : 0;
    case Kind::kPut:
      return 2;
    case Kind::kDelete:
      return 3;
    case Kind::kTxn:
      return 4;
  }
  return kAll;
}

double ms(int64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

double part_of(const std::vector<int64_t>& sorted, double share) {
  const auto place = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return ms(sorted[std::clamp<size_t>(place, 1, sorted.size()) - 1]);
}

Latency latency_of(std::vector<int64_t> took) {
  Latency latency{.count = took.size()};
  if (took.empty()) return latency;
  std::ranges::sort(took);
  latency.p50_ms = part_of(took, 0.5);
  latency.p99_ms = part_of(took, 0.99);
  latency.p999_ms = part_of(took, 0.999);
  return latency;
}

struct Sample {
  int64_t start;
  int64_t end;
};

// The longest time without the end of an operation, as it is felt from the fault on.
void find_pause(Felt& felt, std::vector<Sample> done, const Window& window) {
  std::ranges::sort(done, {}, &Sample::end);
  int64_t last = window.begin;
  int64_t longest = -1;
  for (const Sample& sample : done) {
    if (sample.end >= window.fault_begin && sample.end - last > longest) {
      longest = sample.end - last;
      felt.last_ok_s = ms(last - window.begin) / 1000;
      felt.first_ok_s = ms(sample.end - window.begin) / 1000;
      felt.pause_ms = ms(longest);
    }
    last = sample.end;
  }
  if (window.end - last <= longest || window.end <= last) return;
  felt.last_ok_s = ms(last - window.begin) / 1000;
  felt.first_ok_s = ms(window.end - window.begin) / 1000;
  felt.pause_ms = ms(window.end - last);
}

std::vector<Bucket> buckets_of(const History& history, const Window& window, double bucket_s) {
  const auto width = static_cast<int64_t>(bucket_s * 1e9);
  // What is left at the end is no whole one, and would look like a fall.
  const auto count = static_cast<size_t>(std::max<int64_t>((window.end - window.begin) / width, 1));
  std::vector<Bucket> buckets(count);
  std::vector<std::vector<int64_t>> took(count);
  for (const Operation& operation : history.operations) {
    const bool is_ok = operation.outcome == Outcome::kOk;
    const int64_t moment = is_ok ? operation.end : operation.start;
    if (moment < window.begin || moment >= window.end) continue;
    const auto place = static_cast<size_t>((moment - window.begin) / width);
    if (place >= count) continue;
    Bucket& bucket = buckets[place];
    if (!is_ok) {
      ++bucket.failed;
      continue;
    }
    ++(operation.kind == Kind::kGet ? bucket.reads : bucket.writes);
    took[place].push_back(operation.end - operation.start);
  }
  for (size_t i = 0; i < count; ++i) {
    const Latency latency = latency_of(std::move(took[i]));
    buckets[i].p50_ms = latency.p50_ms;
    buckets[i].p99_ms = latency.p99_ms;
  }
  return buckets;
}

}  // namespace

Timeline timeline_of(const History& history, const Window& window) {
  Timeline timeline;
  std::array<std::vector<Sample>, kKinds.size()> done;
  timeline.kinds.resize(kKinds.size());
  for (const Operation& operation : history.operations) {
    if (operation.start > window.end) continue;  // of the audit
    for (const size_t kind : {kind_of(operation), kAll}) {
      Felt& felt = timeline.kinds[kind];
      felt.ok += operation.outcome == Outcome::kOk ? 1 : 0;
      felt.refused += operation.outcome == Outcome::kRefused ? 1 : 0;
      felt.unknown += operation.outcome == Outcome::kUnknown ? 1 : 0;
      if (operation.outcome == Outcome::kOk) done[kind].push_back({operation.start, operation.end});
    }
  }
  for (size_t kind = 0; kind < kKinds.size(); ++kind) {
    Felt& felt = timeline.kinds[kind];
    felt.kind = kKinds[kind];
    std::array<std::vector<int64_t>, 3> took;
    for (const Sample& sample : done[kind]) {
      const size_t phase = sample.end < window.fault_begin   ? 0
                           : sample.start < window.fault_end ? 1
                                                             : 2;
      took[phase].push_back(sample.end - sample.start);
    }
    felt.before = latency_of(std::move(took[0]));
    felt.during = latency_of(std::move(took[1]));
    felt.after = latency_of(std::move(took[2]));
    find_pause(felt, done[kind], window);
  }
  std::erase_if(timeline.kinds,
                [](const Felt& felt) { return felt.ok + felt.refused + felt.unknown == 0; });
  const double length = ms(window.end - window.begin) / 1000;
  timeline.bucket_s = std::max(0.1, length / static_cast<double>(kBucketsMax));
  timeline.buckets = buckets_of(history, window, timeline.bucket_s);
  return timeline;
}

}  // namespace holdfast::drill
