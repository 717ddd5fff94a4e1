#include "bench/load/report.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "client/cli/terminal.h"
#include "storage/base/check.h"
#include "storage/base/text.h"

namespace holdfast::load {
namespace {

using cli::Color;
using cli::Table;
using enum Table::Align;

std::string rate_text(double rate) {
  return with_commas(static_cast<uint64_t>(std::llround(rate))) + "/s";
}

std::string size_text(const SizeRange& size) {
  return size.least == size.most ? fmt::format("{} B", size.least)
                                 : fmt::format("{} to {} B", size.least, size.most);
}

std::string share_text(double share) {
  return fmt::format("{:.0f} %", 100 * share);
}

std::vector<Table::Cell> latency_cells(const Histogram& latency) {
  std::vector<Table::Cell> cells;
  for (const double share : {0.5, 0.9, 0.99, 0.999}) {
    cells.push_back({latency_text(latency.percentile(share))});
  }
  cells.push_back({latency_text(latency.longest())});
  return cells;
}

void print_runs(const Report& report, std::FILE* stream) {
  Table table({kLeft, kRight, kRight, kRight, kRight, kRight, kRight, kRight});
  table.add({{report.knee ? "ASKED" : "RUN"},
             {"RATE"},
             {"P50"},
             {"P90"},
             {"P99"},
             {"P99.9"},
             {"MAX"},
             {"GENERATOR"}});
  for (size_t i = 0; i < report.runs.size(); ++i) {
    const RunResult& run = report.runs[i];
    std::vector<Table::Cell> row{
        {report.knee ? rate_text(*run.asked) : std::to_string(i + 1)},
        run.has_rate() ? Table::Cell{rate_text(run.rate())} : Table::Cell{"not kept", Color::kRed}};
    for (Table::Cell& cell : latency_cells(run.tally.latency_of_all()))
      row.push_back(std::move(cell));
    row.push_back({share_text(run.cores()),
                   run.verdict() == Verdict::kGeneratorBehind ? Color::kRed : Color::kNone});
    table.add(std::move(row));
  }
  table.print(stream);
}

template <class Figure>
std::string spread_text(const Report& report, Figure figure, std::string (*text)(double)) {
  std::vector<double> values;
  for (const RunResult& run : report.runs) values.push_back(figure(run));
  const Spread spread = spread_of(std::move(values));
  return fmt::format("{} ({} to {})", text(spread.median), text(spread.least), text(spread.most));
}

std::string nanoseconds_text(double count) {
  return latency_text(Duration(static_cast<int64_t>(count)));
}

void print_spread(const Report& report, std::FILE* stream) {
  const auto percentile = [](double share) {
    return [share](const RunResult& run) {
      return static_cast<double>(run.tally.latency_of_all().percentile(share).count());
    };
  };
  const bool has_rate = std::ranges::all_of(report.runs, &RunResult::has_rate);
  const bool is_bound = std::ranges::any_of(
      report.runs, [](const RunResult& run) { return run.verdict() == Verdict::kGeneratorBehind; });
  fmt::print(stream, "\nmedian of {} (least to most)\n  rate  {}{}\n  p50   {}\n  p99   {}\n",
             counted(report.runs.size(), "run"), is_bound ? "at least " : "",
             has_rate ? spread_text(
                            report, [](const RunResult& run) { return run.rate(); }, rate_text)
                      : "not reported: it was not kept",
             spread_text(report, percentile(0.5), nanoseconds_text),
             spread_text(report, percentile(0.99), nanoseconds_text));
}

void print_operations(const Report& report, std::FILE* stream) {
  const RunResult& run = report.median_run();
  const auto kinds = std::ranges::count_if(
      run.tally.latency, [](const Histogram& latency) { return latency.count() > 0; });
  if (kinds < 2) return;
  Table table({kLeft, kRight, kRight, kRight, kRight, kRight, kRight});
  table.add({{"OPERATION"}, {"RATE"}, {"P50"}, {"P90"}, {"P99"}, {"P99.9"}, {"MAX"}});
  for (size_t i = 0; i < kOpKinds; ++i) {
    if (run.tally.latency[i].count() == 0) continue;
    std::vector<Table::Cell> row{
        {std::string(kOpNames[i])},
        {run.has_rate() ? rate_text(run.rate_of(static_cast<OpKind>(i))) : "not kept"}};
    for (Table::Cell& cell : latency_cells(run.tally.latency[i])) row.push_back(std::move(cell));
    table.add(std::move(row));
  }
  fmt::print(stream, "\n");
  table.print(stream);
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  CHECK(!values.empty());
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {.least = values.front(), .median = median, .most = values.back()};
}

bool Report::has_errors() const {
  return std::ranges::any_of(runs, &RunResult::has_errors);
}

bool Report::is_measured() const {
  if (knee) return *knee > 0;
  return std::ranges::all_of(runs, &RunResult::has_rate);
}

const RunResult& Report::median_run() const {
  std::vector<const RunResult*> ordered;
  for (const RunResult& run : runs) ordered.push_back(&run);
  std::ranges::sort(ordered, {}, [](const RunResult* run) { return run->rate(); });
  return *ordered[ordered.size() / 2];
}

std::string describe(const Report& report) {
  const Settings& settings = report.settings;
  std::string loop = "closed loop";
  if (report.knee) loop = "open loop at rising rates";
  if (settings.rate) loop = "open loop at " + rate_text(*settings.rate);
  std::string text =
      fmt::format("{} at {}: {}, {} × {} under way, {}, {}, {} keys {}", settings.workload.name,
                  name_of(settings.product), loop, counted(settings.connections, "connection"),
                  settings.depth, counted(settings.threads, "thread"), size_text(settings.value),
                  with_commas(settings.keys), name_of(settings.choice));
  if (settings.consistency == Consistency::kLocal) text += ", local reads";
  if (settings.watches()) text += ", " + counted(settings.watchers, "watcher");
  return text;
}

std::string latency_text(Duration duration) {
  const double us = std::chrono::duration<double, std::micro>(duration).count();
  if (us < 1'000) return fmt::format("{:.0f} µs", us);
  if (us < 10'000) return fmt::format("{:.2f} ms", us / 1'000);
  if (us < 1'000'000) return fmt::format("{:.1f} ms", us / 1'000);
  return fmt::format("{:.2f} s", us / 1'000'000);
}

void print_text(const Report& report, std::FILE* stream) {
  // What makes the numbers worth less comes before them.
  for (size_t i = 0; i < report.runs.size(); ++i) {
    const RunResult& run = report.runs[i];
    // Of a sweep, the rate at which it ends is not kept: that is what it looks for.
    if (report.knee && !run.has_errors()) continue;
    for (const std::string& warning : warnings(run)) {
      fmt::print(stream, "{}\n",
                 cli::painted(stream, Color::kRed, fmt::format("run {}: {}", i + 1, warning)));
    }
  }
  if (!report.has_errors()) fmt::print(stream, "no errors\n");
  fmt::print(stream, "{}\n{} of warm-up, then {} measured; load average {:.1f} as it began\n\n",
             describe(report), cli::spoken(report.settings.warmup),
             cli::spoken(report.settings.duration), report.load_average);
  print_runs(report, stream);
  if (report.knee) {
    fmt::print(stream, "\nknee  {}: the highest rate that was kept with a p99 of at most {}\n",
               *report.knee > 0 ? rate_text(*report.knee) : "none", cli::spoken(*report.p99_limit));
    return;
  }
  print_spread(report, stream);
  print_operations(report, stream);
}

}  // namespace holdfast::load
