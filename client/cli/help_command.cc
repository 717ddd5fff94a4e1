// help: what --help says of a command; and how it looks.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"

namespace holdfast::cli {
namespace {

// "holdfast lease grant"
std::string full_name(const CLI::App& app) {
  const CLI::App* const parent = app.get_parent();
  return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

// As a page of a manual: the name and what it is for, how it is called, its options, what there is
// to know of it.
class HelpForm : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return fmt::format("{} - {}\n\n", full_name(*app), app->get_description());
  }
  std::string make_footer(const CLI::App* app) const override {
    constexpr const char* kCommon =
        "Also, here or before the command: --endpoint URL,URL…, --json, --timeout TIME; see\n"
        "holdfast --help.\n\n";
    const std::string footer = CLI::Formatter::make_footer(app);
    return app->get_parent() == nullptr ? footer : kCommon + footer;
  }
};

class HelpCommand final : public Command {
 public:
  explicit HelpCommand(CLI::App& root)
      : Command(root, "help", "Say what a command does"), root_(root) {
    app().add_option("COMMAND", words_, "The command, and its subcommand")->type_name("COMMAND…");
    describe(
        "Examples:\n"
        "  holdfast help put\n"
        "  holdfast help lease grant\n"
        "  holdfast help              what commands there are\n\n"
        "Says what `holdfast COMMAND --help` does, also of programs beside this one.",
        {});
  }

  Exit run(const Session& session) override {
    const CLI::App* at = &root_;
    for (const std::string& word : words_) {
      const std::vector<const CLI::App*> commands = at->get_subcommands({});
      const auto found = std::ranges::find(commands, word, &CLI::App::get_name);
      if (found == commands.end())
        return report(session, Error{ErrorCode::kInvalid,
                                     fmt::format("there is no command '{}' of {}; see {} --help",
                                                 word, full_name(*at), full_name(*at))});
      at = *found;
    }
    const std::string text =
        root_.get_formatter()->make_help(at, full_name(*at), CLI::AppFormatMode::Normal);
    fmt::print("{}", text);
    return Exit::kOk;
  }

 private:
  const CLI::App& root_;
  std::vector<std::string> words_;
};

}  // namespace

std::unique_ptr<Command> make_help_command(CLI::App& root) {
  return std::make_unique<HelpCommand>(root);
}

void set_help_form(CLI::App& root) {
  root.formatter(std::make_shared<HelpForm>());
}

}  // namespace holdfast::cli
