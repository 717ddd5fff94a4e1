// The `holdfast` command: finds the command that was given and runs it.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/options.h"

namespace holdfast::cli {
namespace {

constexpr const char* kEndpointsVariable = "HOLDFAST_ENDPOINTS";

std::string directory_of_this_program() {
  std::string path(4096, '\0');
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return ".";
  path.resize(static_cast<size_t>(size));
  return path.substr(0, path.rfind('/'));
}

std::vector<std::unique_ptr<Command>> make_commands(CLI::App& root) {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto make :
       {make_put_command,     make_get_command,      make_delete_command,     make_scan_command,
        make_history_command, make_watch_command,    make_events_command,     make_usage_command,
        make_compact_command, make_settings_command, make_status_command,     make_members_command,
        make_leader_command,  make_lease_command,    make_lock_command,       make_txn_command,
        make_import_command,  make_export_command,   make_digest_command,     make_backup_command,
        make_faults_command,  make_dev_command,      make_completion_command, make_help_command}) {
    commands.push_back(make(root));
  }
  return commands;
}

bool is_command(const CLI::App& root, const std::string& name) {
  const std::vector<const CLI::App*> commands = root.get_subcommands({});
  return std::ranges::any_of(commands,
                             [&](const CLI::App* app) { return app->get_name() == name; });
}

// What stands before the command's name, and where the name stands.
struct Preamble {
  std::vector<std::string> passed_on;  // to a program that takes over
  size_t name_at = 0;
};

Preamble read_preamble(const std::vector<std::string>& arguments) {
  Preamble preamble;
  size_t& at = preamble.name_at;
  for (; at < arguments.size() && arguments[at].starts_with('-'); ++at) {
    const std::string& argument = arguments[at];
    if (argument == "--json") preamble.passed_on.push_back(argument);
    if (argument == "--endpoint" && at + 1 < arguments.size()) {
      ::setenv(kEndpointsVariable, arguments[++at].c_str(), /*overwrite=*/1);
    } else if (argument.starts_with("--endpoint=")) {
      ::setenv(kEndpointsVariable, argument.substr(argument.find('=') + 1).c_str(), 1);
    } else if (argument == "--timeout") {
      ++at;
    }
  }
  return preamble;
}

// `holdfast NAME …` where NAME is no command of ours: holdfast-NAME beside this program takes over,
// with everything that stands after NAME. Returns where NAME is ours, or says that there is none.
Result<> run_program_beside(const CLI::App& root, const Session& session,
                            const std::vector<std::string>& arguments) {
  auto [passed_on, at] = read_preamble(arguments);
  const bool asks_for_help = at + 1 < arguments.size() && arguments[at] == "help";
  if (asks_for_help) ++at;
  if (at >= arguments.size() || arguments[at].starts_with('-') || is_command(root, arguments[at]))
    return {};
  const std::string& name = arguments[at];
  std::string program = session.binary_directory + "/holdfast-" + name;
  if (name.find('/') != std::string::npos || ::access(program.c_str(), X_OK) != 0) {
    return fail(ErrorCode::kNotFound,
                fmt::format("there is no command '{}', and no program holdfast-{} in {}; see "
                            "holdfast --help",
                            name, name, session.binary_directory));
  }
  passed_on.insert(passed_on.begin(), program);
  passed_on.insert(passed_on.end(), arguments.begin() + static_cast<ptrdiff_t>(at) + 1,
                   arguments.end());
  if (asks_for_help) passed_on.emplace_back("--help");
  std::vector<char*> pointers;
  pointers.reserve(passed_on.size() + 1);
  for (std::string& argument : passed_on) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execv(program.c_str(), pointers.data());
  return fail(ErrorCode::kIo, fmt::format("'{}' cannot be run: {}", program,
                                          std::generic_category().message(errno)));
}

void add_common_options(CLI::App& root, Session& session) {
  root.add_option_function<std::string>(
          "--endpoint",
          [&session](const std::string& text) {
            Result<std::vector<Endpoint>> endpoints = parse_endpoints(text);
            if (!endpoints) throw CLI::ValidationError(endpoints.error().message);
            session.endpoints = *std::move(endpoints);
          },
          "Nodes to talk to, separated by commas (http://127.0.0.1:4653)")
      ->type_name("URL,URL…")
      ->envname(kEndpointsVariable);
  root.add_flag_function(
      "--json", [&session](int64_t) { session.format = OutputFormat::kJson; },
      "Print JSON, for scripts");
  add_duration_option(root, "--timeout", session.timeout,
                      "How long one call may take with all its tries (10s)");
}

int run(int count, char** values) {
  Session session{.endpoints = {Endpoint{.host = "127.0.0.1"}},
                  .binary_directory = directory_of_this_program()};
  CLI::App root("put, read, watch and run a replicated key-value database", "holdfast");
  root.set_version_flag("--version", "holdfast " HOLDFAST_VERSION);
  root.require_subcommand(1);
  set_help_form(root);
  add_common_options(root, session);
  root.footer(
      "Examples:\n"
      "  holdfast dev                     three nodes on this machine\n"
      "  holdfast put greeting hello\n"
      "  holdfast get greeting\n"
      "  holdfast status\n"
      "  holdfast backup monday.backup    the whole state; restore, verify, log and recover are\n"
      "                                   programs beside this one, for files: each has --help\n"
      "  holdfast help put                what --help says; of every command\n"
      "  holdfast NAME …                  runs holdfast-NAME, if that lies beside this program\n\n"
      "Exit codes: 0 done; 1 wrong usage or anything else; 2 not found; 3 a condition did not "
      "hold;\n"
      "4 unknown whether it happened; 5 certainly not done: no node, no leader, or out of time.");
  const std::vector<std::unique_ptr<Command>> commands = make_commands(root);

  const Result<> given_to_us =
      run_program_beside(root, session, std::vector<std::string>(values + 1, values + count));
  if (!given_to_us) return static_cast<int>(report(session, given_to_us.error()));
  try {
    root.parse(count, values);
  } catch (const CLI::ParseError& error) {
    return root.exit(error) == 0 ? 0 : static_cast<int>(Exit::kOther);
  }
  const auto given =
      std::ranges::find_if(commands, [](const auto& command) { return command->was_given(); });
  return static_cast<int>((*given)->run(session));
}

}  // namespace
}  // namespace holdfast::cli

int main(int count, char** values) {
  return holdfast::cli::run(count, values);
}
