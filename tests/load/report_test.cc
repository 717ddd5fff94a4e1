// What is said of runs, and of two reports beside each other.

#include "bench/load/report.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bench/load/comparison.h"
#include "bench/load/svg_chart.h"

namespace holdfast::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// `rate` operations a second, each of `latency`.
RunResult run_of(int rate, Duration latency) {
  RunResult run(seconds(2));
  for (int i = 0; i < 2 * rate; ++i) run.tally.latency[0].record(latency);
  run.tally.done[0] = 2 * static_cast<uint64_t>(rate);
  run.tally.outcomes.ok = run.tally.done[0];
  run.cpu = {{.busy = milliseconds(300), .elapsed = seconds(1)}};
  return run;
}

Report report_of(std::vector<RunResult> runs) {
  Report report{.label = "a <label>"};
  report.settings.endpoints = {{.host = "127.0.0.1"}};
  report.settings.workload = *find_workload("put");
  report.runs = std::move(runs);
  return report;
}

std::string text_of(const Report& report) {
  char* bytes = nullptr;
  size_t size = 0;
  std::FILE* const stream = ::open_memstream(&bytes, &size);
  print_text(report, stream);
  std::fclose(stream);
  const std::string text(bytes, size);
  std::free(bytes);
  return text;
}

TEST(ReportTest, SpreadsAreOfAllRuns) {
  const Spread odd = spread_of({3, 1, 2});
  EXPECT_EQ(odd.least, 1);
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.most, 3);
  EXPECT_EQ(spread_of({4, 1}).median, 2.5);
}

TEST(ReportTest, TextHasTheMedianAndTheSpread) {
  const Report report = report_of({run_of(1'000, milliseconds(2)), run_of(1'500, milliseconds(1)),
                                   run_of(1'200, milliseconds(3))});
  const std::string text = text_of(report);
  EXPECT_TRUE(text.starts_with("no errors\n")) << text;
  EXPECT_NE(text.find("rate  1,200/s (1,000/s to 1,500/s)"), std::string::npos) << text;
  EXPECT_NE(text.find("30 %"), std::string::npos) << text;
}

TEST(ReportTest, ErrorsComeFirst) {
  RunResult run = run_of(1'000, milliseconds(2));
  run.tally.outcomes.refused["overloaded"] = 12;
  const std::string text = text_of(report_of({std::move(run)}));
  EXPECT_TRUE(text.starts_with("run 1: ERRORS: 12 refused (overloaded ×12)\n")) << text;
  EXPECT_EQ(text.find("no errors"), std::string::npos);
}

TEST(ReportTest, ARateThatWasNotKeptStandsNowhere) {
  RunResult run = run_of(1'000, milliseconds(2));
  run.asked = 5'000;
  const Report report = report_of({std::move(run)});
  const std::string text = text_of(report);
  EXPECT_NE(text.find("not reported: it was not kept"), std::string::npos) << text;
  EXPECT_EQ(text.find("rate  1,000/s"), std::string::npos) << text;
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_TRUE(json["runs"][0]["rate"].is_null());
  EXPECT_FALSE(json["measured"].get<bool>());
  EXPECT_EQ(json["runs"][0]["kept"], false);
}

TEST(ReportTest, JsonIsReadByCompare) {
  const Report report = report_of({run_of(1'000, milliseconds(2)), run_of(1'100, milliseconds(1))});
  const Result<Measured> measured = parse_report(to_json(report), "a.json");
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_EQ(measured->label, "a <label>");
  EXPECT_FALSE(measured->has_errors);
  EXPECT_EQ(measured->figures.at("rate /s"), (std::vector<double>{1'000, 1'100}));
  EXPECT_NEAR(measured->figures.at("p50 ms")[0], 2, 0.01);
  EXPECT_EQ(measured->settings.at("connections"), "64");
}

TEST(ReportTest, WhatIsNoReportIsRefused) {
  for (const char* const text :
       {"", "{", "[]", "{}", R"({"label":"","errors":false,"settings":{},"runs":[]})"}) {
    const Result<Measured> measured = parse_report(text, "a.json");
    ASSERT_FALSE(measured) << text;
    EXPECT_NE(measured.error().message.find("a.json"), std::string::npos);
  }
}

TEST(ReportTest, ThePageNeedsNothingElse) {
  const std::string page = to_html(report_of({run_of(1'000, milliseconds(2))}));
  EXPECT_NE(page.find("a &lt;label&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<label>"), std::string::npos);
  for (const char* const outside : {"src=", "href=", "@import", "url("}) {
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  }
  EXPECT_NE(page.find("<svg"), std::string::npos);
  EXPECT_EQ(page.find("nan"), std::string::npos);
  EXPECT_EQ(page.find("inf\""), std::string::npos);
}

TEST(ReportTest, AChartOfNothingIsAChart) {
  const std::string svg =
      svg_chart({.name = "x"}, {.name = "y", .scale = Scale::kLogarithmic}, {{.name = "none"}});
  EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
}

TEST(ComparisonTest, ARatioLiesBetweenTheFurthestRuns) {
  const Ratio ratio = ratio_of({100, 110, 120}, {220, 230, 240});
  EXPECT_NEAR(ratio.median, 230.0 / 110, 1e-9);
  EXPECT_NEAR(ratio.least, 220.0 / 120, 1e-9);
  EXPECT_NEAR(ratio.most, 240.0 / 100, 1e-9);
  EXPECT_FALSE(ratio.is_within_noise);
}

TEST(ComparisonTest, RunsThatOverlapDifferByNoise) {
  // The medians differ by a fifth; but the runs of each differ as much.
  EXPECT_TRUE(ratio_of({100, 110, 130}, {125, 132, 140}).is_within_noise);
  EXPECT_TRUE(ratio_of({125, 132, 140}, {100, 110, 130}).is_within_noise);
  EXPECT_FALSE(ratio_of({100, 110, 124}, {125, 132, 140}).is_within_noise);
  EXPECT_FALSE(ratio_of({100, 110}, {125, 132}).is_single);
  // One run tells nothing of the noise.
  EXPECT_TRUE(ratio_of({100}, {200, 210}).is_single);
  EXPECT_EQ(ratio_of({0, 0}, {1, 2}).median, 0);
}

TEST(ComparisonTest, WhatMakesThemIncomparableIsSaid) {
  const Measured a = *parse_report(to_json(report_of({run_of(1'000, milliseconds(2))})), "a.json");
  Report other = report_of({run_of(2'000, milliseconds(2)), run_of(2'000, milliseconds(2))});
  other.settings.connections = 32;
  other.settings.seed = 9;
  other.runs[0].tally.outcomes.unknown["timeout"] = 1;
  const Measured b = *parse_report(to_json(other), "b.json");
  const Comparison comparison = compare(a, b);
  ASSERT_EQ(comparison.warnings.size(), 3U);
  EXPECT_NE(comparison.warnings[0].find("one run"), std::string::npos);
  EXPECT_NE(comparison.warnings[1].find("ERRORS"), std::string::npos);
  EXPECT_EQ(comparison.warnings[2], "connections differs: 64 and 32");
  EXPECT_EQ(comparison.figures.front().name, "rate /s");
  EXPECT_DOUBLE_EQ(comparison.figures.front().ratio.median, 2);
  EXPECT_TRUE(nlohmann::json::accept(to_json(a, b, comparison)));
}

}  // namespace
}  // namespace holdfast::load
