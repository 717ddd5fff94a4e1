#pragma once

// One command of the command line. Making it adds its name, options and help to the parser; it is
// run only if it was the one that was given.

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace CLI {
class App;
}

namespace holdfast::cli {

class Command {
 public:
  Command(CLI::App& root, const char* name, const char* purpose);
  virtual ~Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  bool was_given() const;
  virtual Exit run(const Session& session) = 0;

 protected:
  CLI::App& app() { return app_; }
  // What stands below the help, also below that of each subcommand that is there by then: examples,
  // what there is to know, and which ends there are besides kOk and kOther.
  void describe(std::string text, std::initializer_list<Exit> exits);
  // The same, with exit codes in the text.
  void describe_with_exits(const std::string& text);

 private:
  CLI::App& app_;
};

std::unique_ptr<Command> make_put_command(CLI::App& root);
std::unique_ptr<Command> make_get_command(CLI::App& root);
std::unique_ptr<Command> make_delete_command(CLI::App& root);
std::unique_ptr<Command> make_scan_command(CLI::App& root);
std::unique_ptr<Command> make_history_command(CLI::App& root);
std::unique_ptr<Command> make_watch_command(CLI::App& root);
std::unique_ptr<Command> make_events_command(CLI::App& root);
std::unique_ptr<Command> make_usage_command(CLI::App& root);
std::unique_ptr<Command> make_compact_command(CLI::App& root);
std::unique_ptr<Command> make_settings_command(CLI::App& root);
std::unique_ptr<Command> make_status_command(CLI::App& root);
std::unique_ptr<Command> make_members_command(CLI::App& root);
std::unique_ptr<Command> make_leader_command(CLI::App& root);
std::unique_ptr<Command> make_lease_command(CLI::App& root);
std::unique_ptr<Command> make_lock_command(CLI::App& root);
std::unique_ptr<Command> make_txn_command(CLI::App& root);
std::unique_ptr<Command> make_import_command(CLI::App& root);
std::unique_ptr<Command> make_export_command(CLI::App& root);
std::unique_ptr<Command> make_digest_command(CLI::App& root);
std::unique_ptr<Command> make_backup_command(CLI::App& root);
std::unique_ptr<Command> make_faults_command(CLI::App& root);
std::unique_ptr<Command> make_dev_command(CLI::App& root);
std::unique_ptr<Command> make_completion_command(CLI::App& root);
std::unique_ptr<Command> make_help_command(CLI::App& root);

// How the help of each command looks: before the commands are made.
void set_help_form(CLI::App& root);

}  // namespace holdfast::cli
