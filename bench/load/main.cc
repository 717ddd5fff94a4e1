// `holdfast bench`: loads, measured.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/load/comparison.h"
#include "bench/load/generator.h"
#include "bench/load/options.h"
#include "bench/load/report.h"
#include "bench/load/sweep.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::load {
namespace {

enum class Exit { kMeasured = 0, kOther = 1, kErrors = 2, kNotKept = 3, kUnreachable = 5 };

Exit report_error(const Error& error) {
  fmt::print(stderr, "holdfast bench: {}\n", error.message);
  return error.code == ErrorCode::kUnavailable ? Exit::kUnreachable : Exit::kOther;
}

Result<> write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return {};
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return {};
  return fail(ErrorCode::kIo, fmt::format("'{}' cannot be written", path));
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return fail(ErrorCode::kNotFound, fmt::format("'{}' cannot be read", path));
  return text.str();
}

// Where people wait at a terminal, they are told for what.
void say_progress(const std::string& what) {
  if (cli::is_terminal(stderr)) fmt::print(stderr, "\r\x1b[K{}", what);
}

void run_sweep(const Options& options, Generator& generator, Report& report) {
  Sweep sweep(options.sweep_from, options.sweep_factor, options.sweep_halvings);
  while (const std::optional<double> rate = sweep.next()) {
    say_progress(fmt::format("{:.0f}/s …", *rate));
    RunResult run = generator.run(rate);
    sweep.tell(run.has_rate() && !run.has_errors() &&
               run.tally.latency_of_all().percentile(0.99) <= options.p99_limit);
    report.runs.push_back(std::move(run));
  }
  report.knee = sweep.knee().value_or(0);
  report.p99_limit = options.p99_limit;
}

Exit measure(const Options& options) {
  const SystemClock clock;
  const Settings& settings = options.settings;
  Generator generator(settings, clock);
  if (const Result<> connected = generator.connect(); !connected) {
    return report_error(connected.error());
  }
  say_progress("storing the keys …");
  if (const Result<> loaded = generator.preload(); !loaded) return report_error(loaded.error());
  Report report{.label = options.label, .when = time_text(clock.wall()), .settings = settings};
  ::getloadavg(&report.load_average, 1);
  if (options.is_sweep) {
    run_sweep(options, generator, report);
  } else {
    for (uint32_t i = 0; i < settings.runs; ++i) {
      say_progress(fmt::format("run {} of {} …", i + 1, settings.runs));
      report.runs.push_back(generator.run(settings.rate));
    }
  }
  say_progress("");
  const std::string json = to_json(report);
  if (options.as_json) {
    fmt::print("{}\n", json);
  } else {
    print_text(report, stdout);
  }
  if (const Result<> saved = write_file(options.out_file, json + "\n"); !saved) {
    return report_error(saved.error());
  }
  if (const Result<> saved =
          write_file(options.html_file, options.html_file.empty() ? "" : to_html(report));
      !saved) {
    return report_error(saved.error());
  }
  if (report.has_errors()) return Exit::kErrors;
  return report.is_measured() ? Exit::kMeasured : Exit::kNotKept;
}

Result<Measured> read_report(const std::string& path) {
  HOLDFAST_ASSIGN(const std::string text, read_file(path));
  return parse_report(text, path);
}

Exit compare_files(const Options& options) {
  const Result<Measured> a = read_report(options.compared[0]);
  if (!a) return report_error(a.error());
  const Result<Measured> b = read_report(options.compared[1]);
  if (!b) return report_error(b.error());
  const Comparison comparison = compare(*a, *b);
  if (options.as_json) {
    fmt::print("{}\n", to_json(*a, *b, comparison));
  } else {
    print_text(*a, *b, comparison, stdout);
  }
  return Exit::kMeasured;
}

int run(int count, char** values) {
  CLI::App app("holdfast bench: how fast, told honestly.", "holdfast bench");
  Options options;
  add_options(app, options);
  try {
    app.parse(count, values);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : static_cast<int>(Exit::kOther);
  }
  if (const Result<> settled = settle_options(options); !settled) {
    return static_cast<int>(report_error(settled.error()));
  }
  const Exit exit = options.compared.empty() ? measure(options) : compare_files(options);
  return std::fflush(stdout) == 0 ? static_cast<int>(exit) : static_cast<int>(Exit::kOther);
}

}  // namespace
}  // namespace holdfast::load

int main(int count, char** values) {
  return holdfast::load::run(count, values);
}
