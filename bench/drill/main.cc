// `holdfast drill …`: what was asked for, and how it ends.

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/drill/check_command.h"
#include "bench/drill/lecture.h"
#include "bench/drill/runner.h"
#include "client/cli/options.h"
#include "client/cli/terminal.h"
#include "storage/base/random.h"
#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

struct RunRequest {
  std::vector<std::string> names;
  RunPlan plan;
  std::string endpoints;
  std::string page;  // files; empty: not written
  std::string json;
};

std::string program_beside(const char* name) {
  std::string path(4096, '\0');
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return name;
  path.resize(static_cast<size_t>(size));
  return path.substr(0, path.rfind('/') + 1) + name;
}

Exit list_drills() {
  for (const Drill& drill : catalogue()) {
    fmt::print("{} {}\n",
               cli::painted(stdout, cli::Color::kBold, fmt::format("{:<16}", drill.name)),
               drill.purpose);
    const auto line = [](const std::string& text) {
      fmt::print("{:<16} {}\n", "", cli::painted(stdout, cli::Color::kDim, text));
    };
    line("made by: " + drill.here.how);
    if (!drill.there) line("not with --endpoints: " + drill.there.error());
    if (drill.there && drill.there->how != drill.here.how)
      line("with --endpoints: " + drill.there->how);
  }
  fmt::print(
      "\nWith --endpoints a drill is done to a cluster that runs already. All but switchover need "
      "its nodes\nto have --enable-faults then.\n");
  return Exit::kClean;
}

// `all` of a running cluster are those that can be done to one.
Result<std::vector<const Drill*>> chosen(const std::vector<std::string>& names, bool is_there) {
  std::vector<const Drill*> drills;
  for (const std::string& name : names) {
    if (name == "all") {
      for (const Drill& drill : catalogue())
        if (!is_there || drill.there) drills.push_back(&drill);
      continue;
    }
    const Drill* const drill = drill_named(name);
    if (drill == nullptr)
      return fail(ErrorCode::kNotFound,
                  fmt::format("there is no drill '{}'; `holdfast drill list` shows those that "
                              "there are",
                              name));
    drills.push_back(drill);
  }
  return drills;
}

// Before minutes of drills, whose results would have no place.
Result<> check_writable(const std::string& file) {
  if (file.empty() || std::ofstream(file, std::ios::app)) return {};
  return fail(ErrorCode::kIo, fmt::format("'{}' cannot be written: {}", file,
                                          std::generic_category().message(errno)));
}

Result<> write_file(const std::string& file, const std::string& text) {
  if (file.empty()) return {};
  std::ofstream out(file, std::ios::trunc);
  out << text;
  out.close();
  if (!out)
    return fail(ErrorCode::kIo, fmt::format("'{}' cannot be written: {}", file,
                                            std::generic_category().message(errno)));
  return {};
}

int complain(const Error& error) {
  fmt::print(stderr, "{}\n", error.message);
  return static_cast<int>(Exit::kUsage);
}

// In less nobody is asked often enough for an answer to tell anything.
Result<> check_length(const char* what, Duration given, Duration least) {
  if (given >= least) return {};
  return fail(ErrorCode::kInvalid,
              fmt::format("{} {} is too short to show anything: give {} at least", what,
                          duration_text(given), duration_text(least)));
}

int run_drills(RunRequest request) {
  if (const Result<> length =
          check_length("--duration", request.plan.duration, std::chrono::seconds(1));
      !length)
    return complain(length.error());
  const Result<std::vector<const Drill*>> drills =
      chosen(request.names, !request.endpoints.empty());
  if (!drills) return complain(drills.error());
  if (!request.endpoints.empty()) {
    Result<std::vector<Endpoint>> endpoints = parse_endpoints(request.endpoints);
    if (!endpoints) return complain(endpoints.error());
    request.plan.endpoints = *std::move(endpoints);
  }
  for (const std::string& file : {request.json, request.page})
    if (const Result<> writable = check_writable(file); !writable)
      return complain(writable.error());
  if (request.plan.seed == 0) request.plan.seed = random_from_system() % 1'000'000 + 1;
  request.plan.shows_progress = true;
  std::vector<Report> reports;
  int worst = 0;
  for (const Drill* const drill : *drills) {
    reports.push_back(run_drill(*drill, request.plan));
    if (reports.size() > 1) fmt::print("\n");
    print(reports.back());
    std::fflush(stdout);
    const Exit exit = reports.back().exit();
    // A violation goes before all else.
    if (worst != static_cast<int>(Exit::kViolation) && exit != Exit::kClean)
      worst = static_cast<int>(exit);
    if (exit == Exit::kViolation) worst = static_cast<int>(exit);
  }
  if (reports.size() > 1) {
    fmt::print("\n");
    for (const Report& report : reports) {
      const bool is_clean = report.exit() == Exit::kClean;
      fmt::print("{} {:<16} {}\n",
                 cli::painted(stdout, is_clean ? cli::Color::kGreen : cli::Color::kRed,
                              is_clean ? "✓" : "✗"),
                 report.drill, spoken(report));
    }
  }
  for (const auto& [file, text] :
       {std::pair{request.json, json_of(reports)}, std::pair{request.page, page_of(reports)}}) {
    const Result<> written = write_file(file, text);
    if (!written) fmt::print(stderr, "{}\n", written.error().message);
    if (!written && worst == 0) worst = static_cast<int>(Exit::kUsage);
  }
  return worst;
}

CLI::App* add_run(CLI::App& root, RunRequest& request) {
  CLI::App* const running = root.add_subcommand("run", "Run drills, one after the other");
  running->add_option("NAME", request.names, "Which: see `list`; all: all of them")->required();
  running->add_option("--nodes", request.plan.nodes, "How many nodes the drill starts")
      ->check(CLI::IsMember({3, 5}))
      ->capture_default_str();
  running->add_option("--clients", request.plan.clients, "How many clients read and write")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  cli::add_duration_option(*running, "--duration", request.plan.duration,
                           "How long the clients work: before, during and after the fault (12s)");
  running->add_option("--seed", request.plan.seed, "What chance decides; 0: drawn, and told")
      ->capture_default_str();
  running
      ->add_option(
          "--endpoints", request.endpoints,
          "A running cluster, of which the drill leaves no key and no fault behind; `list` says "
          "which drills can be done to one. All but switchover need nodes with --enable-faults")
      ->type_name("URL,URL…");
  running->add_option("--report", request.page, "Write a page for a browser")
      ->type_name("FILE.html");
  running->add_option("--json", request.json, "Write all that was measured")
      ->type_name("FILE.json");
  running->footer(
      "Examples:\n"
      "  holdfast drill run kill-primary\n"
      "  holdfast drill run all --duration 20s --report drills.html\n"
      "  holdfast drill run switchover --endpoints http://127.0.0.1:4653");
  return running;
}

int run(int count, char** values) {
  CLI::App root(
      "Failover drills: what a cluster does when something breaks, and whether its data "
      "is right.",
      "holdfast drill");
  root.require_subcommand(0, 1);
  bool is_json = false;
  root.add_flag("--json", is_json, "Print JSON, for scripts: check");
  CLI::App* const listing = root.add_subcommand("list", "The drills that there are");

  RunRequest request;
  request.plan.holdfastd = program_beside("holdfastd");
  CLI::App* const running = add_run(root, request);

  CLI::App* const checking =
      root.add_subcommand("check", "Look for violations in a recorded history");
  std::string history;
  checking->add_option("HISTORY", history, "NDJSON, as described in bench/drill/README.md")
      ->required();
  checking->add_flag("--json", is_json, "Print JSON");

  CLI::App* const lecturing = root.add_subcommand(
      "lecture", "Why there are distributed systems, shown and measured, and what they cost");
  LecturePlan lecture{.holdfastd = request.plan.holdfastd};
  cli::add_duration_option(*lecturing, "--part", lecture.part, "How long each measurement is (4s)");
  root.footer(
      "Exit codes: 0 no violation found; 1 wrong usage, or a file that cannot be read or written;\n"
      "6 a violation; 7 the check gave up, which is no pass; 8 the drill could not be carried out, "
      "or the\ncluster did not come back.");
  try {
    root.parse(count, values);
  } catch (const CLI::ParseError& error) {
    return root.exit(error) == 0 ? 0 : static_cast<int>(Exit::kUsage);
  }
  if (*listing) return static_cast<int>(list_drills());
  if (*checking) return static_cast<int>(check_file(history, is_json ? Form::kJson : Form::kText));
  if (*lecturing) {
    const Result<> length = check_length("--part", lecture.part, std::chrono::milliseconds(500));
    return length ? static_cast<int>(give_lecture(lecture)) : complain(length.error());
  }
  if (!*running)
    return complain({ErrorCode::kInvalid,
                     "say what to do: list, run, check or lecture; see holdfast drill --help"});
  if (running->count("--nodes") > 0 && !request.endpoints.empty())
    return complain({ErrorCode::kInvalid,
                     "--nodes is for the nodes that a drill starts: with --endpoints it starts "
                     "none"});
  return run_drills(std::move(request));
}

}  // namespace
}  // namespace holdfast::drill

int main(int count, char** values) {
  return holdfast::drill::run(count, values);
}
