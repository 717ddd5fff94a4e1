#include "bench/load/tally.h"

#include <algorithm>
#include <numeric>

namespace holdfast::load {
namespace {

constexpr int64_t kSlicesMax = 50;
constexpr Duration kSliceLeast = std::chrono::milliseconds(100);
constexpr size_t kDeliveries = static_cast<size_t>(OpKind::kDelivery);

uint64_t sum_of(const std::map<std::string, uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0},
                         [](uint64_t sum, const auto& one) { return sum + one.second; });
}

}  // namespace

uint64_t Outcomes::errors() const {
  return sum_of(refused) + sum_of(unknown) + not_connected;
}

void Outcomes::add(const Outcomes& other) {
  ok += other.ok;
  missing += other.missing;
  not_connected += other.not_connected;
  for (const auto& [code, count] : other.refused) refused[code] += count;
  for (const auto& [code, count] : other.unknown) unknown[code] += count;
}

Tally::Tally(Duration measured)
    : slice_length_(std::max(kSliceLeast, Duration(measured / kSlicesMax))) {
  slices.resize(static_cast<size_t>(std::max<int64_t>(1, measured / slice_length_)));
}

Slice& Tally::slice_at(const Window& window, Instant now) {
  const auto number = static_cast<size_t>((now - window.measured_from) / slice_length_);
  return slices[std::min(number, slices.size() - 1)];
}

void Tally::answered(const Window& window, const Operation& operation, const Answer& answer,
                     Instant now) {
  const auto kind = static_cast<size_t>(operation.kind);
  const bool went_well = answer.fate == Fate::kOk || answer.fate == Fate::kMissing;
  const Duration took = now - operation.intended;
  if (window.is_measured(now) && went_well) {
    done[kind] += answer.done;
    Slice& slice = slice_at(window, now);
    slice.done += answer.done;
    slice.latency.record(took);
  }
  if (!window.is_measured(operation.intended)) return;
  late.record(operation.late);
  switch (answer.fate) {
    case Fate::kOk:
      outcomes.ok += answer.done;
      if (answer.refused > 0) outcomes.refused[answer.code] += answer.refused;
      if (answer.unknown > 0) outcomes.unknown[answer.code] += answer.unknown;
      break;
    case Fate::kMissing:
      outcomes.missing += answer.done;
      break;
    case Fate::kRefused:
      ++outcomes.refused[answer.code];
      break;
    case Fate::kUnknown:
      ++outcomes.unknown[answer.code];
      break;
  }
  if (went_well) latency[kind].record(took);
}

void Tally::delivered(const Window& window, Instant sent, Instant now) {
  if (window.is_measured(now)) ++done[kDeliveries];
  if (window.is_measured(sent)) latency[kDeliveries].record(now - sent);
}

void Tally::never_sent(Instant intended, Instant now) {
  unsent.record(now - intended);
}

void Tally::add(const Tally& other) {
  for (size_t i = 0; i < kOpKinds; ++i) {
    latency[i].add(other.latency[i]);
    done[i] += other.done[i];
  }
  outcomes.add(other.outcomes);
  for (size_t i = 0; i < slices.size(); ++i) {
    slices[i].done += other.slices[i].done;
    slices[i].latency.add(other.slices[i].latency);
  }
  late.add(other.late);
  unsent.add(other.unsent);
}

uint64_t Tally::done_in_all() const {
  return std::accumulate(done.begin(), done.begin() + kDeliveries, uint64_t{0});
}

Histogram Tally::latency_of_all() const {
  Histogram all = unsent;
  for (size_t i = 0; i < kDeliveries; ++i) all.add(latency[i]);
  return all;
}

}  // namespace holdfast::load
