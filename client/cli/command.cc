#include "client/cli/command.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace holdfast::cli {
namespace {

std::string_view meaning(Exit exit) {
  switch (exit) {
    case Exit::kOk:
      return "done";
    case Exit::kOther:
      return "wrong usage, or anything that is not below";
    case Exit::kNotFound:
      return "not found";
    case Exit::kPreconditionFailed:
      return "a condition did not hold";
    case Exit::kUnknownOutcome:
      return "unknown whether it happened: look before you repeat it";
    case Exit::kUnavailable:
      return "certainly not done, and may work later: no node, no leader, or out of time";
  }
  return "";
}

std::string exit_line(Exit exit) {
  return fmt::format("\n  {}  {}", static_cast<int>(exit), meaning(exit));
}

}  // namespace

// Falling through lets the options that all commands share stand after the command's name too.
Command::Command(CLI::App& root, const char* name, const char* purpose)
    : app_(*root.add_subcommand(name, purpose)->fallthrough()) {}

void Command::describe(std::string text, std::initializer_list<Exit> exits) {
  text += "\n\nExit codes:" + exit_line(Exit::kOk) + exit_line(Exit::kOther);
  for (const Exit exit : exits) text += exit_line(exit);
  describe_with_exits(text);
}

// A subcommand takes the footer that its parent had when it was made: that of the whole program.
void Command::describe_with_exits(const std::string& text) {
  app_.footer(text);
  for (CLI::App* const one : app_.get_subcommands({})) one->footer(text);
}

bool Command::was_given() const {
  return app_.parsed();
}

}  // namespace holdfast::cli
