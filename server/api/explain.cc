#include "server/api/explain.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/api/parameters.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 5> kStageNames = {"queue", "log", "quorum", "apply", "read"};

double ms_of(Duration took) {
  return std::chrono::duration<double, std::milli>(took).count();
}

}  // namespace

void Explain::add(Stage stage, Duration took) {
  std::optional<Duration>& sum = took_.at(stage);
  sum = sum.value_or(Duration::zero()) + std::max(took, Duration::zero());
}

void Explain::note_change(const std::optional<raft::Trace>& trace, Instant now) {
  if (!trace) return add(kQueue, now - began_);
  add(kQueue, trace->given - began_);
  if (trace->persisted) add(kLog, *trace->persisted - trace->given);
  add(kQuorum, trace->settled - trace->persisted.value_or(trace->given));
  add(kApply, now - trace->settled);
}

void Explain::note_confirmed(const std::optional<raft::Trace>& trace, Instant now) {
  read_ = "linearizable";
  staleness_ = "0";
  if (!trace) return add(kQueue, now - began_);
  read_ += trace->is_elsewhere ? "; confirmed=leader" : "; confirmed=here";
  add(kQueue, trace->given - began_);
  add(kQuorum, trace->settled - trace->given);
  add(kApply, now - trace->settled);
}

void Explain::note_local(std::optional<Duration> staleness) {
  read_ = "local";
  staleness_ = staleness ? fmt::format("{:.0f}", ms_of(*staleness)) : "unknown";
}

void Explain::note_read(Source source, Duration took) {
  source_ = source;
  add(kRead, took);
}

void Explain::add_to(http::Response& response) const {
  std::string timing;
  for (size_t stage = 0; stage < took_.size(); ++stage) {
    if (!took_.at(stage)) continue;
    timing += fmt::format("{}{};dur={:.3f}", timing.empty() ? "" : ", ", kStageNames.at(stage),
                          ms_of(*took_.at(stage)));
  }
  if (!timing.empty()) response.add_header("Server-Timing", timing);
  if (!source_) return;
  response.add_header("Holdfast-Read",
                      fmt::format("{}; served={}; stale-ms={}", read_,
                                  *source_ == Source::kMemory ? "memory" : "reader", staleness_));
}

std::expected<Explained, http::Problem> take_explain(http::Query& query, Instant now) {
  bool is_wanted = false;
  HOLDFAST_ASSIGN(is_wanted, take_flag(query, "explain"));
  return is_wanted ? std::make_shared<Explain>(now) : nullptr;
}

}  // namespace holdfast
