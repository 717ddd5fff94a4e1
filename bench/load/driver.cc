#include "bench/load/driver.h"

#include <algorithm>
#include <cmath>

namespace holdfast::load {
namespace {

constexpr double kNanosecondsPerSecond = 1e9;

}  // namespace

Pace pace_of(double rate, uint32_t thread, uint32_t threads, Instant begin) {
  const double turn = kNanosecondsPerSecond / rate;
  return {.first = begin + Duration(std::llround(turn * thread)),
          .gap = Duration(std::max<int64_t>(1, std::llround(turn * threads)))};
}

Driver::Driver(Source& source, Tally& tally, const Window& window, std::optional<Pace> pace)
    : source_(source), tally_(tally), window_(window), pace_(pace) {}

Instant Driver::due() const {
  return pace_->first + sent_ * pace_->gap;
}

std::optional<Operation> Driver::next(Instant now, Instant room_since) {
  if (is_at_end(now)) return std::nullopt;
  const Instant intended = pace_ ? due() : std::max(now, window_.begin);
  if (intended > now) return std::nullopt;
  std::optional<Operation> operation = source_.draw();
  source_ended_ = !operation;
  if (!operation) return std::nullopt;
  ++sent_;
  operation->intended = intended;
  operation->late = now - std::max(intended, std::min(room_since, now));
  return operation;
}

Instant Driver::due_at(Instant now) const {
  if (is_at_end(now)) return kNever;
  if (pace_) return due();
  return now < window_.begin ? window_.begin : kNever;
}

std::optional<Operation> Driver::answered(const Operation& operation, const Answer& answer,
                                          Instant now) {
  const bool was_read = answer.fate == Fate::kOk || answer.fate == Fate::kMissing;
  if (operation.kind == OpKind::kReadModifyWrite && !operation.has_read && was_read) {
    Operation write = operation;
    write.has_read = true;
    return write;
  }
  source_.settle(operation, answer.fate);
  source_ended_ = false;  // what failed may be drawn again
  tally_.answered(window_, operation, answer, now);
  return std::nullopt;
}

void Driver::lost(const Operation& operation, Instant now) {
  source_.settle(operation, Fate::kUnknown);
  source_ended_ = false;
  tally_.answered(window_, operation, {.fate = Fate::kUnknown, .code = "no_answer"}, now);
}

void Driver::finish(Instant now) {
  if (!pace_) return;
  for (; due() < window_.measured_until; ++sent_) {
    if (due() >= window_.measured_from) tally_.never_sent(due(), now);
  }
}

bool Driver::is_at_end(Instant now) const {
  if (source_ended_ || now >= window_.drained_until) return true;
  return pace_ ? due() >= window_.measured_until : now >= window_.measured_until;
}

}  // namespace holdfast::load
