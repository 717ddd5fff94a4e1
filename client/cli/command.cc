#include "client/cli/command.h"

#include <CLI/CLI.hpp>

namespace holdfast::cli {

// Falling through lets the options that all commands share stand after the command's name too.
Command::Command(CLI::App& root, const char* name, const char* purpose)
    : app_(*root.add_subcommand(name, purpose)->fallthrough()) {}

// A subcommand takes the footer that its parent had when it was made: that of the whole program.
void Command::set_footer(const char* text) {
  app_.footer(text);
  for (CLI::App* const one : app_.get_subcommands({})) one->footer(text);
}

bool Command::was_given() const {
  return app_.parsed();
}

}  // namespace holdfast::cli
