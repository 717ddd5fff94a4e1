// leader: who leads, and a planned change of it.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/record.h"

namespace holdfast::cli {
namespace {

class LeaderCommand final : public Command {
 public:
  explicit LeaderCommand(CLI::App& root)
      : Command(root, "leader", "Show the leader, or hand the leadership over") {
    app().add_option("--to", to_, "Hand the leadership to the member NAME")->type_name("NAME");
    app().add_flag("--move", moves_, "Hand it to another member, the most up-to-date");
    describe(
        "Examples:\n"
        "  holdfast leader\n"
        "  holdfast leader --to n2\n"
        "  holdfast leader --move      before work on the leader's machine\n\n"
        "Requests that arrive meanwhile wait a few milliseconds; none fails. A node that is\n"
        "stopped with SIGTERM hands its leadership over by itself.",
        {Exit::kNotFound, Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    return moves_ || !to_.empty() ? move(session, client) : show(session, client);
  }

 private:
  static Exit show(const Session& session, KvClient& client) {
    const ReadOutcome<ClusterView> view = client.cluster();
    if (!view) return report(session, view.error());
    if (session.is_json()) {
      fmt::print("{{\"leader\":{},\"term\":{}}}\n", json_quoted_or_null(view->leader), view->term);
    } else if (!view->leader.empty()) {
      fmt::print("{} leads in term {}\n", view->leader, view->term);
    } else {
      fmt::print("no leader is known in term {}\n", view->term);
    }
    return view->leader.empty() ? Exit::kUnavailable : Exit::kOk;
  }

  Exit move(const Session& session, KvClient& client) const {
    const WriteOutcome<LeaderAnswer> outcome = client.move_leader(to_);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    const auto& answer = std::get<LeaderAnswer>(outcome);
    if (session.is_json()) {
      fmt::print("{{\"leader\":{},\"term\":{}}}\n", json_quoted(answer.leader), answer.term);
    } else {
      fmt::print("{} leads in term {}\n", answer.leader, answer.term);
    }
    return Exit::kOk;
  }

  std::string to_;
  bool moves_ = false;
};

}  // namespace

std::unique_ptr<Command> make_leader_command(CLI::App& root) {
  return std::make_unique<LeaderCommand>(root);
}

}  // namespace holdfast::cli
