#pragma once

// Two reports beside each other: how many times the one is the other, and whether that is more than
// the runs of each differ among themselves.

#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/report.h"
#include "storage/base/result.h"

namespace holdfast::load {

// What is compared of a report: the figures of each of its runs.
struct Measured {
  std::string label;
  std::map<std::string, std::string> settings;         // as JSON
  std::map<std::string, std::vector<double>> figures;  // "rate", "p50", …: one for each run
  bool has_errors = false;
};

// kCorrupt names what is missing in `json`; `name` stands where the report has no label.
Result<Measured> parse_report(const std::string& json, const std::string& name);

struct Ratio {
  double median = 0;
  // Between which it lies, whichever runs of the two are compared.
  double least = 0;
  double most = 0;

  // Of one there is a single run: how much chance there is in it cannot be known.
  bool is_single = true;
  // Some run of the one was as good as some run of the other.
  bool is_within_noise = true;
};

// b as a multiple of a.
Ratio ratio_of(const std::vector<double>& a, const std::vector<double>& b);

struct ComparedFigure {
  std::string name;
  Spread a;
  Spread b;
  Ratio ratio;
};

struct Comparison {
  std::vector<std::string> warnings;  // settings that differ, errors, too few runs
  std::vector<ComparedFigure> figures;
};

Comparison compare(const Measured& a, const Measured& b);
void print_text(const Measured& a, const Measured& b, const Comparison& comparison,
                std::FILE* stream);
std::string to_json(const Measured& a, const Measured& b, const Comparison& comparison);

}  // namespace holdfast::load
