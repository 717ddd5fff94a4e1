// watch: what happens to keys, as it happens.

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/terminal.h"

namespace holdfast::cli {
namespace {

class WatchCommand final : public Command {
 public:
  explicit WatchCommand(CLI::App& root)
      : Command(root, "watch", "Print changes of keys as they happen") {
    CLI::Option* const key = app().add_option("KEY", query_.key, "The key");
    app()
        .add_option("--prefix", query_.prefix, "All keys that begin with PREFIX; '' means all")
        ->type_name("PREFIX")
        ->excludes(key);
    app()
        .add_option("--from", query_.from, "Begin with revision N, instead of now")
        ->type_name("N")
        ->check(CLI::Range(uint64_t{1}, UINT64_MAX));
    app()
        .add_option("--only", query_.filter, "put or delete")
        ->check(CLI::IsMember({"put", "delete"}));
    app().add_flag("--prev", query_.has_prev, "With --json: also what each change replaced");
    app()
        .add_option("--count", count_, "End after N revisions")
        ->type_name("N")
        ->check(CLI::Range(uint64_t{1}, UINT64_MAX));
    describe(
        "Examples:\n"
        "  holdfast watch greeting\n"
        "  holdfast watch --prefix jobs/ --only put\n"
        "  holdfast watch --prefix '' --from 1200     what happened since, and goes on\n"
        "  holdfast --json watch --prefix jobs/ --count 1 | jq .events\n\n"
        "Lines are REVISION, put or delete, KEY, and VALUE, with tabs between them; with --json\n"
        "one line holds all of a revision. When a node ends another goes on, and nothing is "
        "missed\n"
        "or printed twice. Ends with exit code 5 when no node lets it go on for --timeout, and\n"
        "with 1 when what follows is not kept any more (holdfast settings).",
        {Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    if (query_.key.empty() && app().count("--prefix") == 0)
      return report(session,
                    Error{ErrorCode::kInvalid, "say what to watch: a KEY, or --prefix PREFIX"});
    KvClient client = session.client();
    const ReadOutcome<void> outcome = client.watch(query_, [&](const WatchedRevision& change) {
      print(session, change);
      return count_ == 0 || ++printed_ < count_;
    });
    return outcome ? Exit::kOk : report(session, outcome.error());
  }

 private:
  static void print(const Session& session, const WatchedRevision& change) {
    if (session.is_json()) {
      fmt::print("{}\n", change.body);
    } else {
      for (const WatchedRevision::Event& event : change.events) print_line(change.revision, event);
    }
    // Who reads it wants it now.
    std::fflush(stdout);
  }

  static void print_line(uint64_t revision, const WatchedRevision::Event& event) {
    if (event.is_delete) {
      fmt::print("{}\tdelete\t{}\n", revision, printable(event.key));
      return;
    }
    std::string value = printable(event.value);
    if (is_terminal(stdout)) {
      const size_t columns = terminal_width(stdout);
      const size_t before = event.key.size() + 32;
      value = shortened(value, columns > 2 * before ? columns - before : before);
    }
    fmt::print("{}\tput\t{}\t{}\n", revision, printable(event.key), value);
  }

  WatchQuery query_;
  uint64_t count_ = 0;
  uint64_t printed_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_watch_command(CLI::App& root) {
  return std::make_unique<WatchCommand>(root);
}

}  // namespace holdfast::cli
