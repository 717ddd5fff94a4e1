#pragma once

// What a whole benchmark says: its settings and its runs, as text, JSON and a page.

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/run_result.h"
#include "bench/load/workload.h"

namespace holdfast::load {

// Of all runs of one figure.
struct Spread {
  double least = 0;
  double median = 0;
  double most = 0;
};
Spread spread_of(std::vector<double> values);  // at least one

struct Report {
  std::string label;        // what people call it
  std::string when;         // RFC 3339
  double load_average = 0;  // of the machine, as it began
  Settings settings;
  std::vector<RunResult> runs;
  // Of a sweep, whose runs have rates that rise: the highest that was good. Zero: none was.
  std::optional<double> knee;
  std::optional<Duration> p99_limit;  // of the sweep

  bool has_errors() const;
  // Every run measured what it was asked to; of a sweep: there is a knee.
  bool is_measured() const;
  const RunResult& median_run() const;  // by rate, else by p99
};

// The load in a line: "put at holdfast: closed loop, 64 connections …".
std::string describe(const Report& report);
// "376 µs", "1.85 ms", "1.2 s".
std::string latency_text(Duration duration);

void print_text(const Report& report, std::FILE* stream);
// One object; the form stands in the README.
std::string to_json(const Report& report);
// A page that needs nothing else.
std::string to_html(const Report& report);

}  // namespace holdfast::load
