// txn: several operations at once, or none.

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/input.h"
#include "client/cli/options.h"
#include "client/cli/txn_text.h"

namespace holdfast::cli {
namespace {

class TxnCommand final : public Command {
 public:
  explicit TxnCommand(CLI::App& root)
      : Command(root, "txn", "Change several keys at once, or none") {
    app()
        .add_option("FILE", file_, "The transaction as JSON; '-' reads it from standard input")
        ->type_name("FILE");
    app()
        .add_option("--if", typed_.compares, "A compare: KEY TARGET OP VALUE; all must hold")
        ->type_name("COMPARE");
    app().add_option("--then", typed_.then, "What to do if they hold")->type_name("OPERATION");
    app()
        .add_option("--else", typed_.otherwise, "What to do if one does not")
        ->type_name("OPERATION");
    add_explain_option(app(), explains_);
    describe(
        "Operations: put KEY VALUE, get KEY, delete KEY, delete-prefix PREFIX, scan PREFIX.\n"
        "Targets: exists, value, version, create_revision, mod_revision, lease.\n"
        "Relations: ==, !=, <, <=, >, >=.\n\n"
        "Examples:\n"
        "  holdfast txn --if 'a mod_revision == 7' --then 'put a x' --then 'delete b' --else 'get "
        "a'\n"
        "  holdfast txn --if 'lock exists == false' --then 'put lock me'\n"
        "  holdfast txn transfer.json\n"
        "  echo '{\"then\":[{\"put\":{\"key\":\"a\",\"value\":\"x\"}}]}' | holdfast txn -\n\n"
        "Prints the answer as JSON. The exit code is 3 if a compare did not hold, also where the\n"
        "operations of 'else' were done.",
        {Exit::kPreconditionFailed, Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    const Result<std::string> json = body();
    if (!json) return report(session, json.error());
    KvClient client = session.client(explains_);
    const WriteOutcome<TxnAnswer> outcome = client.transact(*json);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    const auto& answer = std::get<TxnAnswer>(outcome);
    fmt::print("{}", answer.body);
    print_explanation(session, client);
    return answer.has_succeeded ? Exit::kOk : Exit::kPreconditionFailed;
  }

 private:
  Result<std::string> body() const {
    const bool is_typed =
        !typed_.compares.empty() || !typed_.then.empty() || !typed_.otherwise.empty();
    if (is_typed == !file_.empty()) {
      return fail(ErrorCode::kInvalid,
                  "give the transaction as FILE ('-': standard input), or by --if, --then, --else");
    }
    return is_typed ? json_of(typed_) : read_input(file_);
  }

  std::string file_;
  TypedTransaction typed_;
  bool explains_ = false;
};

}  // namespace

std::unique_ptr<Command> make_txn_command(CLI::App& root) {
  return std::make_unique<TxnCommand>(root);
}

}  // namespace holdfast::cli
