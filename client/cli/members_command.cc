// members: who belongs to the cluster, and changes of that.

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/record.h"
#include "client/cli/terminal.h"

namespace holdfast::cli {
namespace {

using Align = Table::Align;

void print_warning(const std::string& warning) {
  if (!warning.empty()) fmt::print("{}\n", painted(stdout, Color::kYellow, warning));
}

class MembersCommand final : public Command {
 public:
  explicit MembersCommand(CLI::App& root)
      : Command(root, "members", "List the members of the cluster, or change them") {
    app().require_subcommand(0, 1);
    remove_ = app().add_subcommand("remove", "Take a member out of the cluster, for good");
    promote_ = app().add_subcommand("promote", "Give a learner a vote");
    for (CLI::App* const change : {remove_, promote_})
      change->fallthrough()
          ->add_option("name", name_, "The member's name")
          ->type_name("NAME")
          ->required();
    describe(
        "Examples:\n"
        "  holdfast members\n"
        "  holdfast --json members\n"
        "  holdfast members remove n3\n"
        "  holdfast members promote n4\n\n"
        "To add a member: start a node with an empty data folder, and tell it of any other node:\n"
        "  holdfastd --name n4 --listen 10.0.0.4:4653 --peer-listen 10.0.0.4:4654 \\\n"
        "            --join http://10.0.0.1:4653\n"
        "It joins as a learner, catches up, and gets a vote by itself; with --learner it never "
        "does.\n\n"
        "To replace a member, also a dead one: let the new one join, wait until it votes, then\n"
        "remove the old one. What would leave no healthy majority is refused.\n\n"
        "The list is as the first node that answers knows it.",
        {Exit::kNotFound, Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    if (remove_->parsed())
      return finish(session, client.remove_member(name_),
                    fmt::format("{} is no member any more", name_));
    if (promote_->parsed())
      return finish(session, client.promote_member(name_), fmt::format("{} has a vote", name_));
    const ReadOutcome<ClusterView> view = client.cluster();
    if (!view) return report(session, view.error());
    session.is_json() ? print_json(*view) : print_text(*view);
    return Exit::kOk;
  }

 private:
  static Exit finish(const Session& session, const WriteOutcome<MembersAnswer>& outcome,
                     const std::string& done) {
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    const auto& answer = std::get<MembersAnswer>(outcome);
    if (session.is_json()) {
      print_json(answer);
      return Exit::kOk;
    }
    std::string names;
    for (const Member& member : answer.members)
      names += fmt::format("{}{}{}", names.empty() ? "" : ", ", member.name,
                           member.is_voter ? "" : " (learner)");
    fmt::print("{}; the cluster now: {}\n", done, names);
    print_warning(answer.warning);
    return Exit::kOk;
  }

  static void print_text(const ClusterView& view) {
    Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft,
                 Align::kLeft});
    table.add({{"NAME"}, {"ID"}, {"ROLE"}, {"VOTER"}, {"HEALTHY"}, {"PEER"}, {"CLIENT URL"}});
    for (const Member& member : view.members) {
      const std::string healthy = !member.is_healthy ? "-" : *member.is_healthy ? "yes" : "NO";
      table.add({{member.name},
                 {member.id},
                 {member.role.empty() ? "-" : member.role, color_of_role(member.role)},
                 {member.is_voter ? "yes" : "no"},
                 {healthy, healthy == "NO" ? Color::kRed : Color::kNone},
                 {member.peer},
                 {member.client_url.empty() ? "-" : member.client_url}});
    }
    table.print(stdout);
    print_warning(view.warning);
  }

  static void print_json(const ClusterView& view) {
    std::string members;
    for (const Member& member : view.members) {
      if (!members.empty()) members += ",";
      members += fmt::format(
          "{{\"name\":{},\"id\":{},\"role\":{},\"voter\":{},\"healthy\":{},\"peer\":{},"
          "\"client_url\":{}}}",
          json_quoted_or_null(member.name), json_quoted_or_null(member.id),
          json_quoted_or_null(member.role), member.is_voter,
          !member.is_healthy   ? "null"
          : *member.is_healthy ? "true"
                               : "false",
          json_quoted_or_null(member.peer), json_quoted_or_null(member.client_url));
    }
    fmt::print("{{\"cluster_id\":{},\"leader\":{},\"members\":[{}],\"warning\":{}}}\n",
               json_quoted_or_null(view.cluster_id), json_quoted_or_null(view.leader), members,
               json_quoted_or_null(view.warning));
  }

  static void print_json(const MembersAnswer& answer) {
    std::string members;
    for (const Member& member : answer.members) {
      if (!members.empty()) members += ",";
      members += fmt::format("{{\"name\":{},\"id\":{},\"voter\":{},\"peer\":{}}}",
                             json_quoted_or_null(member.name), json_quoted_or_null(member.id),
                             member.is_voter, json_quoted_or_null(member.peer));
    }
    fmt::print("{{\"cluster_id\":{},\"members\":[{}],\"warning\":{}}}\n",
               json_quoted_or_null(answer.cluster_id), members,
               json_quoted_or_null(answer.warning));
  }

  CLI::App* remove_;
  CLI::App* promote_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Command> make_members_command(CLI::App& root) {
  return std::make_unique<MembersCommand>(root);
}

}  // namespace holdfast::cli
