#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/load/report.h"
#include "storage/base/text.h"

namespace holdfast::load {
namespace {

using Json = nlohmann::ordered_json;

double rounded_ms(Duration duration) {
  // To the microsecond: more would be noise.
  return std::round(std::chrono::duration<double, std::micro>(duration).count()) / 1'000;
}

Json latency_of(const Histogram& latency) {
  return {{"count", latency.count()},
          {"mean_ms", rounded_ms(latency.mean())},
          {"min_ms", rounded_ms(latency.shortest())},
          {"p50_ms", rounded_ms(latency.percentile(0.5))},
          {"p90_ms", rounded_ms(latency.percentile(0.9))},
          {"p99_ms", rounded_ms(latency.percentile(0.99))},
          {"p999_ms", rounded_ms(latency.percentile(0.999))},
          {"max_ms", rounded_ms(latency.longest())}};
}

Json settings_of(const Settings& settings) {
  Json endpoints = Json::array();
  for (const Endpoint& endpoint : settings.endpoints) endpoints.push_back(endpoint.url());
  return {{"product", name_of(settings.product)},
          {"workload", settings.workload.name},
          {"endpoints", endpoints},
          {"choice", name_of(settings.choice)},
          {"keys", settings.keys},
          {"value_bytes", {settings.value.least, settings.value.most}},
          {"consistency", settings.consistency == Consistency::kLocal ? "local" : "linearizable"},
          {"connections", settings.connections},
          {"depth", settings.depth},
          {"threads", settings.threads},
          {"rate", settings.rate ? Json(*settings.rate) : Json(nullptr)},
          {"warmup", duration_text(settings.warmup)},
          {"duration", duration_text(settings.duration)},
          {"mix",
           [&] {
             Json mix = Json::object();
             for (size_t i = 0; i < kOpKinds; ++i) {
               if (settings.workload.mix[i] > 0)
                 mix[std::string(kOpNames[i])] = settings.workload.mix[i];
             }
             return mix;
           }()},
          {"scan_items", settings.scan_items},
          {"txn_operations", settings.txn_operations},
          {"bulk_lines", settings.bulk_lines},
          {"watchers", settings.watches() ? settings.watchers : 0},
          {"seed", settings.seed}};
}

Json timeline_of(const RunResult& run) {
  Json timeline = Json::array();
  const double seconds = std::chrono::duration<double>(run.tally.slice_length()).count();
  for (size_t i = 0; i < run.tally.slices.size(); ++i) {
    const Slice& slice = run.tally.slices[i];
    timeline.push_back({{"at_s", static_cast<double>(i) * seconds},
                        {"rate", std::round(static_cast<double>(slice.done) / seconds)},
                        {"p50_ms", rounded_ms(slice.latency.percentile(0.5))},
                        {"p99_ms", rounded_ms(slice.latency.percentile(0.99))}});
  }
  return timeline;
}

Json run_of(const RunResult& run) {
  const Outcomes& outcomes = run.tally.outcomes;
  Json operations = Json::object();
  for (size_t i = 0; i < kOpKinds; ++i) {
    if (run.tally.latency[i].count() == 0) continue;
    const std::string name(kOpNames[i]);
    operations[name] = latency_of(run.tally.latency[i]);
    operations[name]["rate"] =
        run.has_rate() ? Json(run.rate_of(static_cast<OpKind>(i))) : Json(nullptr);
  }
  Json threads = Json::array();
  for (const CpuUse& use : run.cpu) threads.push_back(std::round(1'000 * use.share()) / 1'000);
  return {{"rate", run.has_rate() ? Json(run.rate()) : Json(nullptr)},
          {"asked", run.asked ? Json(*run.asked) : Json(nullptr)},
          {"kept", run.has_rate()},
          {"answered_per_second", run.rate()},
          {"never_sent", run.tally.unsent.count()},
          {"outcomes",
           {{"ok", outcomes.ok},
            {"missing", outcomes.missing},
            {"refused", outcomes.refused},
            {"unknown", outcomes.unknown},
            {"not_connected", outcomes.not_connected},
            {"not_delivered", run.undelivered}}},
          {"latency", latency_of(run.tally.latency_of_all())},
          {"operations", operations},
          {"generator",
           {{"cores", std::round(1'000 * run.cores()) / 1'000},
            {"threads", threads},
            {"was_the_limit", run.verdict() == Verdict::kGeneratorBehind},
            {"late_p99_ms", rounded_ms(run.tally.late.percentile(0.99))}}},
          {"timeline", timeline_of(run)}};
}

}  // namespace

std::string to_json(const Report& report) {
  Json runs = Json::array();
  for (const RunResult& run : report.runs) runs.push_back(run_of(run));
  Json whole{{"label", report.label},
             {"version", HOLDFAST_VERSION},
             {"when", report.when},
             {"load_average", report.load_average},
             {"errors", report.has_errors()},
             {"measured", report.is_measured()},
             {"settings", settings_of(report.settings)}};
  if (report.knee) whole["knee"] = *report.knee > 0 ? Json(*report.knee) : Json(nullptr);
  whole["runs"] = runs;
  return whole.dump(2);
}

}  // namespace holdfast::load
