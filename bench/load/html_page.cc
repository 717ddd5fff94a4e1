#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "bench/load/report.h"
#include "bench/load/svg_chart.h"
#include "storage/base/text.h"

namespace holdfast::load {
namespace {

constexpr std::string_view kStyle = R"(
:root { --ink: #1d2733; --dim: #66727f; --paper: #fff; --rule: #dde3e9; --bad: #b3261e;
  --c0: #1f6feb; --c1: #c2540a; --c2: #1a7f37; --c3: #8250df; --c4: #bf3989; --c5: #57606a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e2e8ee; --dim: #93a1b0; --paper: #12171d; --rule: #2b343e; --bad: #ff8a80;
    --c0: #6cb0ff; --c1: #ffa45c; --c2: #5ed17c; --c3: #c4a1ff; --c4: #ff8fcf; --c5: #a8b3bf; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 800px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); } .bad { color: var(--bad); font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; } th { color: var(--dim); font-weight: 500; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--dim); }
.grid { stroke: var(--rule); } .line { fill: none; stroke-width: 1.8; } .dashed { stroke-dasharray: 5 4; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); }
.c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); }
)";

double exact_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::string name_of_run(const Report& report, size_t i) {
  if (report.knee) return fmt::format("{:.0f}/s", *report.runs[i].asked);
  return fmt::format("run {}", i + 1);
}

std::string row_of(const std::string& name, const std::string& rate, const Histogram& latency,
                   const std::string& last) {
  std::string row = fmt::format("<tr><td>{}</td><td>{}</td>", escaped(name), rate);
  for (const double share : {0.5, 0.9, 0.99, 0.999}) {
    row += fmt::format("<td>{}</td>", latency_text(latency.percentile(share)));
  }
  return row + fmt::format("<td>{}</td><td>{}</td></tr>\n", latency_text(latency.longest()), last);
}

std::string table_of(const Report& report) {
  std::string rows =
      "<table><tr><th></th><th>rate</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th>"
      "<th>max</th><th>generator, cores</th></tr>\n";
  for (size_t i = 0; i < report.runs.size(); ++i) {
    const RunResult& run = report.runs[i];
    const std::string rate = run.has_rate() ? with_commas(static_cast<uint64_t>(run.rate())) + "/s"
                                            : std::string(R"(<span class="bad">not kept</span>)");
    rows += row_of(name_of_run(report, i), rate, run.tally.latency_of_all(),
                   fmt::format("{:.2f}", run.cores()));
  }
  return rows + "</table>\n";
}

std::string operations_of(const Report& report) {
  const RunResult& run = report.median_run();
  std::string rows;
  size_t kinds = 0;
  for (size_t i = 0; i < kOpKinds; ++i) {
    if (run.tally.latency[i].count() == 0) continue;
    ++kinds;
    rows +=
        row_of(std::string(kOpNames[i]),
               run.has_rate()
                   ? with_commas(static_cast<uint64_t>(run.rate_of(static_cast<OpKind>(i)))) + "/s"
                   : std::string("–"),
               run.tally.latency[i], "");
  }
  if (kinds < 2) return {};
  return "<h2>By operation</h2>\n<table><tr><th></th><th>rate</th><th>p50</th><th>p90</th>"
         "<th>p99</th><th>p99.9</th><th>max</th><th></th></tr>\n" +
         rows + "</table>\n";
}

std::string rates_over_time(const Report& report) {
  std::vector<Line> lines;
  for (size_t i = 0; i < report.runs.size(); ++i) {
    const Tally& tally = report.runs[i].tally;
    const double seconds = std::chrono::duration<double>(tally.slice_length()).count();
    Line line{.name = name_of_run(report, i), .color = static_cast<int>(i)};
    for (size_t at = 0; at < tally.slices.size(); ++at) {
      line.points.emplace_back(static_cast<double>(at) * seconds,
                               static_cast<double>(tally.slices[at].done) / seconds);
    }
    lines.push_back(std::move(line));
  }
  return svg_chart({.name = "seconds"}, {.name = "operations a second"}, lines);
}

std::string latencies_over_time(const Report& report) {
  std::vector<Line> lines;
  for (size_t i = 0; i < report.runs.size(); ++i) {
    const Tally& tally = report.runs[i].tally;
    const double seconds = std::chrono::duration<double>(tally.slice_length()).count();
    for (const double share : {0.5, 0.99}) {
      // Of a sweep there are too many for both.
      if (report.knee && share < 0.99) continue;
      Line line{.name = fmt::format("{} p{:.0f}", name_of_run(report, i), 100 * share),
                .color = static_cast<int>(i),
                .is_dashed = share > 0.5 && !report.knee};
      for (size_t at = 0; at < tally.slices.size(); ++at) {
        line.points.emplace_back(static_cast<double>(at) * seconds,
                                 exact_ms(tally.slices[at].latency.percentile(share)));
      }
      lines.push_back(std::move(line));
    }
  }
  return svg_chart({.name = "seconds"}, {.name = "milliseconds", .scale = Scale::kLogarithmic},
                   lines);
}

// Along the x axis each nine takes as much room as the one before it.
std::string percentile_curves(const Report& report) {
  std::vector<Line> lines;
  for (size_t i = 0; i < report.runs.size(); ++i) {
    const Histogram latency = report.runs[i].tally.latency_of_all();
    Line line{.name = name_of_run(report, i), .color = static_cast<int>(i)};
    const double nines_most =
        std::log10(static_cast<double>(std::max<uint64_t>(10, latency.count())));
    for (double nines = 0; nines <= nines_most; nines += 0.05) {
      line.points.emplace_back(nines, exact_ms(latency.percentile(1 - std::pow(10, -nines))));
    }
    lines.push_back(std::move(line));
  }
  return svg_chart({.name = "share of the operations that took no longer",
                    .ticks = {{0, "0"},
                              {std::log10(2), "50 %"},
                              {1, "90 %"},
                              {2, "99 %"},
                              {3, "99.9 %"},
                              {4, "99.99 %"},
                              {5, "99.999 %"},
                              {6, "99.9999 %"}}},
                   {.name = "milliseconds", .scale = Scale::kLogarithmic}, lines);
}

std::string sweep_chart(const Report& report) {
  std::vector<Line> lines{{.name = "p50", .color = 0}, {.name = "p99", .color = 1}};
  std::vector<const RunResult*> ordered;
  for (const RunResult& run : report.runs) ordered.push_back(&run);
  std::ranges::sort(ordered, {}, [](const RunResult* run) { return *run->asked; });
  for (const RunResult* const run : ordered) {
    const Histogram latency = run->tally.latency_of_all();
    lines[0].points.emplace_back(*run->asked, exact_ms(latency.percentile(0.5)));
    lines[1].points.emplace_back(*run->asked, exact_ms(latency.percentile(0.99)));
  }
  return svg_chart({.name = "asked, a second"},
                   {.name = "milliseconds", .scale = Scale::kLogarithmic}, lines);
}

}  // namespace

std::string to_html(const Report& report) {
  const std::string title =
      report.label.empty()
          ? fmt::format("{} at {}", report.settings.workload.name, name_of(report.settings.product))
          : report.label;
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>{}</title>\n<style>{}</style>\n<h1>{}</h1>\n",
      escaped(title), kStyle, escaped(title));
  page += fmt::format(
      "<p class=\"dim\">{}<br>{} of warm-up, then {} measured; {}; load average "
      "{:.1f}</p>\n",
      escaped(describe(report)), duration_text(report.settings.warmup),
      duration_text(report.settings.duration), report.when, report.load_average);
  for (size_t i = 0; i < report.runs.size(); ++i) {
    if (report.knee && !report.runs[i].has_errors()) continue;
    for (const std::string& warning : warnings(report.runs[i])) {
      page += fmt::format("<p class=\"bad\">run {}: {}</p>\n", i + 1, escaped(warning));
    }
  }
  if (!report.has_errors()) page += "<p>No errors.</p>\n";
  if (report.knee) {
    page += fmt::format(
        "<p>The knee: <b>{:.0f}/s</b>, the highest rate that was kept with a p99 of "
        "at most {}.</p>\n<h2>Latency by rate</h2>\n{}\n",
        *report.knee, duration_text(*report.p99_limit), sweep_chart(report));
  }
  page += table_of(report) + operations_of(report);
  page += "<h2>Throughput over time</h2>\n" + rates_over_time(report);
  page += "\n<h2>Latency over time</h2>\n" + latencies_over_time(report);
  page += "\n<h2>Latency by percentile</h2>\n" + percentile_curves(report);
  return page + "\n</html>\n";
}

}  // namespace holdfast::load
