#pragma once

// The command line of the load generator.

#include <optional>
#include <string>
#include <vector>

#include "bench/load/workload.h"
#include "storage/base/result.h"

namespace CLI {
class App;
}

namespace holdfast::load {

struct Options {
  std::string workload;
  Settings settings;
  bool is_sweep = false;
  double sweep_from = 1'000;
  double sweep_factor = 1.5;
  uint32_t sweep_halvings = 3;
  Duration p99_limit = std::chrono::milliseconds(50);
  std::string label;
  bool as_json = false;
  std::string out_file;
  std::string html_file;
  std::vector<std::string> compared;  // two files, where reports are compared

  // What settle_options() puts into the settings.
  std::optional<std::string> choice;
  std::optional<std::string> value_size;
  std::string product = "holdfast";
  std::string endpoints;
  std::optional<double> read_share;
  bool no_preload = false;
};

void add_options(CLI::App& app, Options& options);
// What the workload has by default, unless it was given. kInvalid where options do not go together.
Result<> settle_options(Options& options);

}  // namespace holdfast::load
