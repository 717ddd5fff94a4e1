#include "bench/load/source.h"

namespace holdfast::load {
namespace {

constexpr uint64_t kFailuresMax = 1'000;

uint32_t draw_size(const SizeRange& range, Random& random) {
  if (range.least == range.most) return range.least;
  return static_cast<uint32_t>(random.between(uint64_t{range.least}, uint64_t{range.most}));
}

}  // namespace

WorkloadSource::WorkloadSource(const Settings& settings, KeySpace& keys, Random random)
    : settings_(settings), keys_(keys), random_(random), chooser_(settings.choice, keys.there()) {}

OpKind WorkloadSource::draw_kind() {
  const Mix& mix = settings_.workload.mix;
  double left = static_cast<double>(random_.next() >> 11) * 0x1p-53;
  size_t last = 0;
  for (size_t i = 0; i < kOpKinds; ++i) {
    if (mix[i] == 0) continue;
    last = i;
    if (left < mix[i]) break;
    left -= mix[i];
  }
  return static_cast<OpKind>(last);
}

std::optional<Operation> WorkloadSource::draw() {
  Operation operation{.kind = draw_kind(), .keys = keys_.there()};
  const bool adds = operation.kind == OpKind::kInsert;
  operation.key = adds ? keys_.claim() : chooser_.choose(random_, operation.keys);
  if (operation.changes()) operation.value_size = draw_size(settings_.value, random_);
  if (operation.kind == OpKind::kTxn) operation.count = settings_.txn_operations;
  if (operation.kind == OpKind::kBulk) operation.count = settings_.bulk_lines;
  if (operation.kind == OpKind::kScan) {
    // YCSB's scans are of 1 to 100 items, each length as likely.
    const bool is_ycsb = settings_.workload.name == "ycsb-e";
    operation.count =
        is_ycsb
            ? static_cast<uint32_t>(random_.between(uint64_t{1}, uint64_t{settings_.scan_items}))
            : settings_.scan_items;
  }
  return operation;
}

void WorkloadSource::settle(const Operation& operation, Fate) {
  if (operation.kind == OpKind::kInsert) keys_.settle(operation.key);
}

PreloadSource::PreloadSource(const Settings& settings, uint64_t first, uint64_t step, Random random)
    : settings_(settings), step_(step), next_(first), random_(random) {}

std::optional<Operation> PreloadSource::draw() {
  if (failed()) return std::nullopt;
  uint64_t key = next_;
  if (!again_.empty()) {
    key = again_.back();
    again_.pop_back();
  } else if (next_ < settings_.keys) {
    next_ += step_;
  } else {
    return std::nullopt;
  }
  ++under_way_;
  return Operation{.kind = OpKind::kPut,
                   .key = key,
                   .keys = settings_.keys,
                   .value_size = draw_size(settings_.value, random_)};
}

void PreloadSource::settle(const Operation& operation, Fate fate) {
  --under_way_;
  if (fate == Fate::kOk) return;
  ++failures_;
  again_.push_back(operation.key);
}

bool PreloadSource::failed() const {
  return failures_ > kFailuresMax;
}

bool PreloadSource::finished() const {
  return next_ >= settings_.keys && again_.empty() && under_way_ == 0;
}

}  // namespace holdfast::load
