// status and members: the cluster as its nodes see it.

#include <cstdio>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/cluster_survey.h"
#include "client/cli/command.h"
#include "client/cli/record.h"
#include "client/cli/terminal.h"

namespace holdfast::cli {
namespace {

using Align = Table::Align;

std::string known_or_dash(std::optional<uint64_t> number) {
  return number ? with_commas(*number) : "-";
}

std::string json_number(std::optional<uint64_t> number) {
  return number ? std::to_string(*number) : "null";
}

std::string json_text(std::string_view text) {
  return text.empty() ? "null" : json_quoted(text);
}

Color color_of(std::string_view role) {
  if (role == "leader") return Color::kGreen;
  if (role == "candidate") return Color::kYellow;
  return Color::kNone;
}

class StatusCommand final : public Command {
 public:
  explicit StatusCommand(CLI::App& root)
      : Command(root, "status", "Ask every node how it and its cluster are") {
    app().footer(
        "Examples:\n"
        "  holdfast status\n"
        "  holdfast --endpoint http://db1:4653,http://db2:4653 --json status\n\n"
        "Every node that the endpoints know of is asked itself. LAG and LAST CONTACT are what the\n"
        "leader knows of a node. Exit code 5: no node was reached, or none knows a leader.");
  }

  Exit run(const Session& session) override {
    const ClusterSurvey survey = survey_cluster(session);
    if (survey.nodes.empty()) return report(session, survey.nobody);
    session.is_json() ? print_json(survey) : print_text(survey);
    return survey.leader.empty() || !survey.has_quorum ? Exit::kUnavailable : Exit::kOk;
  }

 private:
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
                 {role, view.fenced.empty() ? color_of(view.role) : Color::kRed},
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
               json_text(survey.cluster_id), json_text(survey.leader), survey.term,
               survey.has_quorum, nodes);
  }

  static std::string json_of(const SurveyedNode& node) {
    const std::string known =
        fmt::format("\"name\":{},\"client_url\":{},\"lag_entries\":{},\"last_contact_ms\":{}",
                    json_text(node.name), json_text(node.client_url), json_number(node.lag_entries),
                    json_number(node.last_contact_ms));
    if (!node.view) {
      return fmt::format("{{{},\"reachable\":false,\"role\":null,\"error\":{}}}", known,
                         json_text(node.error));
    }
    const NodeView& view = *node.view;
    return fmt::format(
        "{{{},\"reachable\":true,\"role\":{},\"term\":{},\"commit_index\":{},\"applied_index\":{},"
        "\"durable_index\":{},\"revision\":{},\"state_hash\":{},\"state_hash_index\":{},"
        "\"fenced\":{}}}",
        known, json_text(view.role), view.term, view.commit_index, view.applied_index,
        view.durable_index, view.revision, json_text(view.state_hash), view.state_hash_index,
        json_text(view.fenced));
  }
};

class MembersCommand final : public Command {
 public:
  explicit MembersCommand(CLI::App& root)
      : Command(root, "members", "List the members of the cluster") {
    app().footer(
        "Examples:\n"
        "  holdfast members\n"
        "  holdfast --json members\n\n"
        "The list as the first node that answers knows it.");
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    const ReadOutcome<ClusterView> view = client.cluster();
    if (!view) return report(session, view.error());
    session.is_json() ? print_json(*view) : print_text(*view);
    return Exit::kOk;
  }

 private:
  static void print_text(const ClusterView& view) {
    Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft,
                 Align::kLeft});
    table.add({{"NAME"}, {"ID"}, {"ROLE"}, {"VOTER"}, {"HEALTHY"}, {"PEER"}, {"CLIENT URL"}});
    for (const Member& member : view.members) {
      const std::string healthy = !member.is_healthy ? "-" : *member.is_healthy ? "yes" : "NO";
      table.add({{member.name},
                 {member.id},
                 {member.role.empty() ? "-" : member.role, color_of(member.role)},
                 {member.is_voter ? "yes" : "no"},
                 {healthy, healthy == "NO" ? Color::kRed : Color::kNone},
                 {member.peer},
                 {member.client_url.empty() ? "-" : member.client_url}});
    }
    table.print(stdout);
  }

  static void print_json(const ClusterView& view) {
    std::string members;
    for (const Member& member : view.members) {
      if (!members.empty()) members += ",";
      members += fmt::format(
          "{{\"name\":{},\"id\":{},\"role\":{},\"voter\":{},\"healthy\":{},\"peer\":{},"
          "\"client_url\":{}}}",
          json_text(member.name), json_text(member.id), json_text(member.role), member.is_voter,
          !member.is_healthy   ? "null"
          : *member.is_healthy ? "true"
                               : "false",
          json_text(member.peer), json_text(member.client_url));
    }
    fmt::print("{{\"cluster_id\":{},\"leader\":{},\"members\":[{}]}}\n", json_text(view.cluster_id),
               json_text(view.leader), members);
  }
};

}  // namespace

std::unique_ptr<Command> make_status_command(CLI::App& root) {
  return std::make_unique<StatusCommand>(root);
}

std::unique_ptr<Command> make_members_command(CLI::App& root) {
  return std::make_unique<MembersCommand>(root);
}

}  // namespace holdfast::cli
