// faults: what one node does wrong on purpose, for drills.

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/input.h"

namespace holdfast::cli {
namespace {

class FaultsCommand final : public Command {
 public:
  explicit FaultsCommand(CLI::App& root)
      : Command(root, "faults", "Break one node on purpose, for drills") {
    app().require_subcommand(1);
    app().add_subcommand("show", "What is set there")->fallthrough();
    set_ = app().add_subcommand("set", "Set these, in the place of all that are set");
    set_->fallthrough()
        ->add_option("JSON", json_, "The faults; '-' reads them from standard input")
        ->required();
    clear_ = app().add_subcommand("clear", "End all of them");
    clear_->fallthrough();
    describe(
        "Examples, at a node that was started with --enable-faults, and named alone:\n"
        "  holdfast --endpoint http://127.0.0.1:4653 faults set "
        "'{\"links\":[{\"peer\":\"n2\",\"cut\":true}]}'\n"
        "  holdfast faults set "
        "'{\"links\":[{\"peer\":\"n2\",\"direction\":\"out\",\"delay\":\"50ms\",\"loss\":0.1}]}'\n"
        "  holdfast faults set '{\"disk\":{\"stall\":true}}'      or delay, fail_sync, full\n"
        "  holdfast faults set '{\"clock\":{\"wall_jump\":\"-1h\",\"rate\":1.5}}'\n"
        "  holdfast faults show\n"
        "  holdfast faults clear\n\n"
        "They are gone when the node is started again.",
        {Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    if (session.endpoints.size() != 1)
      return report(session, Error{ErrorCode::kInvalid,
                                   "faults are of one node: name it alone with --endpoint"});
    KvClient client = session.client();
    if (set_->parsed()) {
      const Result<std::string> json = json_ == "-" ? read_input(json_) : json_;
      if (!json) return report(session, json.error());
      return finish(session, client.set_faults(*json));
    }
    if (clear_->parsed()) return finish(session, client.set_faults("{}"));
    const ReadOutcome<FaultsView> faults = client.faults();
    if (!faults) return report(session, faults.error());
    return show(session, *faults);
  }

 private:
  static Exit finish(const Session& session, const WriteOutcome<FaultsView>& outcome) {
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    return show(session, std::get<FaultsView>(outcome));
  }

  static Exit show(const Session& session, const FaultsView& faults) {
    if (session.is_json()) {
      fmt::print("{}", faults.body);
    } else if (faults.warning.empty()) {
      fmt::print("no faults are set\n");
    } else {
      fmt::print("since {}: {}\n", faults.since, faults.warning);
    }
    return Exit::kOk;
  }

  CLI::App* set_;
  CLI::App* clear_;
  std::string json_;
};

}  // namespace

std::unique_ptr<Command> make_faults_command(CLI::App& root) {
  return std::make_unique<FaultsCommand>(root);
}

}  // namespace holdfast::cli
