// status: the cluster as its nodes see it, once or as it goes on.

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/cluster_survey.h"
#include "client/cli/command.h"
#include "client/cli/options.h"
#include "client/cli/record.h"
#include "client/cli/signals.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

using Align = Table::Align;

std::string known_or_dash(std::optional<uint64_t> number) {
  return number ? with_commas(*number) : "-";
}

std::string json_number(std::optional<uint64_t> number) {
  return number ? std::to_string(*number) : "null";
}

class StatusCommand final : public Command {
 public:
  explicit StatusCommand(CLI::App& root)
      : Command(root, "status", "Ask every node how it and its cluster are") {
    describe(
        "Examples:\n"
        "  holdfast status\n"
        "  holdfast status --watch\n"
        "  holdfast --endpoint http://db1:4653,http://db2:4653 --json status\n\n"
        "Every node that the endpoints know of is asked itself. LAG and LAST CONTACT are what the\n"
        "leader knows of a node. Exit code 5: no node was reached, or none knows a leader.\n"
        "--watch draws the table anew until Ctrl-C; where it is no terminal it goes on below, and\n"
        "with --json each look is a line.",
        {Exit::kUnavailable});
    CLI::Option* const watch = app().add_flag("--watch", is_watching_, "Look again and again");
    add_duration_option(app(), "--every", every_, "How often, with --watch (1s)")->needs(watch);
    app()
        .add_option("--count", looks_max_, "End after N looks, with --watch")
        ->type_name("N")
        ->check(CLI::Range(uint64_t{1}, UINT64_MAX))
        ->needs(watch);
  }

  Exit run(const Session& session) override {
    if (is_watching_) return watch(session);
    const ClusterSurvey survey = survey_cluster(session);
    if (survey.nodes.empty()) return report(session, survey.nobody);
    session.is_json() ? print_json(survey) : print_text(survey);
    return survey.leader.empty() || !survey.has_quorum ? Exit::kUnavailable : Exit::kOk;
  }

 private:
  // A cluster that does not answer is what somebody watches for: no reason to end.
  Exit watch(const Session& session) {
    // Also in the middle of a survey, but not of a line.
    const sigset_t ends = signal_set({SIGINT, SIGTERM});
    for (const int number : {SIGINT, SIGTERM})
      std::signal(number, [](int) { ::_exit(static_cast<int>(Exit::kOk)); });
    const SystemClock clock;
    for (uint64_t looks = 1;; ++looks) {
      const Instant begun = clock.now();
      const ClusterSurvey survey = survey_cluster(session);
      ::sigprocmask(SIG_BLOCK, &ends, nullptr);
      if (session.is_json()) {
        print_json(survey);
      } else {
        print_look(survey, begun, clock.wall());
      }
      std::fflush(stdout);
      ::sigprocmask(SIG_UNBLOCK, &ends, nullptr);
      if (looks == looks_max_) return Exit::kOk;
      std::this_thread::sleep_for(begun + every_ - clock.now());
    }
  }

  void print_look(const ClusterSurvey& survey, Instant at, WallTime wall) {
    constexpr const char* kHomeAndClear = "\x1b[H\x1b[2J";
    fmt::print("{}{}   {}\n", is_terminal(stdout) ? kHomeAndClear : "", clock_time(wall),
               growth(survey, at));
    if (survey.nodes.empty()) {
      fmt::print("{}\n\n", painted(stdout, Color::kRed, survey.nobody.message));
      return;
    }
    print_text(survey);
    fmt::print("\n");
  }

  // By the newest revision that any node has.
  std::string growth(const ClusterSurvey& survey, Instant at) {
    uint64_t revision = 0;
    for (const SurveyedNode& node : survey.nodes)
      if (node.view) revision = std::max(revision, node.view->revision);
    if (revision == 0) return "revision -";
    std::string text = "revision " + with_commas(revision);
    if (before_ && revision >= before_->revision) {
      const double seconds = std::chrono::duration<double>(at - before_->at).count();
      text += fmt::format("   {} changes/s",
                          with_commas(static_cast<uint64_t>(std::llround(
                              static_cast<double>(revision - before_->revision) / seconds))));
    }
    before_ = Look{at, revision};
    return text;
  }

  static void print_text(const ClusterSurvey& survey) {
    const std::string leader = survey.leader.empty()
                                   ? painted(stdout, Color::kRed, "no leader")
                                   : "leader " + painted(stdout, Color::kGreen, survey.leader);
    fmt::print("cluster {}   {}   term {}   quorum {}\n\n", survey.cluster_id, leader, survey.term,
               survey.has_quorum ? "yes" : painted(stdout, Color::kRed, "NO"));
    Table table({Align::kLeft, Align::kLeft, Align::kRight, Align::kRight, Align::kRight,
                 Align::kRight, Align::kRight, Align::kLeft});
    table.add({{"NAME"},
               {"ROLE"},
               {"TERM"},
               {"COMMIT"},
               {"APPLIED"},
               {"LAG"},
               {"LAST CONTACT"},
               {"CLIENT URL"}});
    for (const SurveyedNode& node : survey.nodes) {
      const std::string contact =
          node.last_contact_ms ? fmt::format("{} ms ago", *node.last_contact_ms) : "-";
      if (!node.view) {
        table.add({{node.name},
                   {"unreachable", Color::kRed},
                   {"-"},
                   {"-"},
                   {"-"},
                   {known_or_dash(node.lag_entries)},
                   {contact},
                   {node.client_url}});
        continue;
      }
      const NodeView& view = *node.view;
      const std::string role = view.fenced.empty() ? view.role : view.role + " (fenced)";
      table.add({{node.name},
                 {role, view.fenced.empty() ? color_of_role(view.role) : Color::kRed},
                 {std::to_string(view.term)},
                 {with_commas(view.commit_index)},
                 {with_commas(view.applied_index)},
                 {known_or_dash(node.lag_entries)},
                 {contact},
                 {node.client_url}});
    }
    table.print(stdout);
    for (const SurveyedNode& node : survey.nodes) {
      if (!node.error.empty()) fmt::print("{}: {}\n", node.name, node.error);
      if (node.view && !node.view->fenced.empty()) {
        fmt::print("{} does not take part: {}\n", node.name, node.view->fenced);
      }
    }
  }

  static void print_json(const ClusterSurvey& survey) {
    std::string nodes;
    for (const SurveyedNode& node : survey.nodes) {
      if (!nodes.empty()) nodes += ",";
      nodes += json_of(node);
    }
    fmt::print("{{\"cluster_id\":{},\"leader\":{},\"term\":{},\"quorum\":{},\"nodes\":[{}]}}\n",
               json_quoted_or_null(survey.cluster_id), json_quoted_or_null(survey.leader),
               survey.term, survey.has_quorum, nodes);
  }

  static std::string json_of(const SurveyedNode& node) {
    const std::string known =
        fmt::format("\"name\":{},\"client_url\":{},\"lag_entries\":{},\"last_contact_ms\":{}",
                    json_quoted_or_null(node.name), json_quoted_or_null(node.client_url),
                    json_number(node.lag_entries), json_number(node.last_contact_ms));
    if (!node.view) {
      return fmt::format("{{{},\"reachable\":false,\"role\":null,\"error\":{}}}", known,
                         json_quoted_or_null(node.error));
    }
    const NodeView& view = *node.view;
    return fmt::format(
        "{{{},\"reachable\":true,\"role\":{},\"term\":{},\"commit_index\":{},\"applied_index\":{},"
        "\"durable_index\":{},\"revision\":{},\"state_hash\":{},\"state_hash_index\":{},"
        "\"fenced\":{}}}",
        known, json_quoted_or_null(view.role), view.term, view.commit_index, view.applied_index,
        view.durable_index, view.revision, json_quoted_or_null(view.state_hash),
        view.state_hash_index, json_quoted_or_null(view.fenced));
  }

  struct Look {
    Instant at;
    uint64_t revision;
  };
  bool is_watching_ = false;
  Duration every_ = std::chrono::seconds(1);
  uint64_t looks_max_ = 0;  // none
  std::optional<Look> before_;
};

}  // namespace

std::unique_ptr<Command> make_status_command(CLI::App& root) {
  return std::make_unique<StatusCommand>(root);
}

}  // namespace holdfast::cli
