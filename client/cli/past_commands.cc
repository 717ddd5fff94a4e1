// history, usage, compact and settings: the past, and how much of it is kept.

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/options.h"
#include "client/cli/record.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

class HistoryCommand final : public Command {
 public:
  explicit HistoryCommand(CLI::App& root)
      : Command(root, "history", "List the kept versions of a key, the newest first") {
    app().add_option("KEY", key_, "The key")->required();
    app()
        .add_option("--limit", limit_, "At most N versions (100)")
        ->type_name("N")
        ->check(CLI::Range(uint64_t{1}, uint64_t{1000}));
    add_moment_options(app(), moment_);
    describe(
        "Examples:\n"
        "  holdfast history greeting\n"
        "  holdfast history --limit 5 greeting\n"
        "  holdfast history --revision 41 greeting     from there on back\n\n"
        "Lines are REVISION, a tab, VALUE or nothing where it was deleted. Where there are older\n"
        "ones, the last line says --revision to go on at; with --json its \"next\" does. How long\n"
        "the past is kept: holdfast settings.",
        {Exit::kNotFound, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    const ReadOutcome<KeyHistory> history = client.history(key_, moment_, limit_);
    if (!history) return report(session, history.error());
    for (const KeyVersion& version : history->versions)
      session.is_json() ? print_json(version) : print_line(version);
    if (session.is_json()) {
      fmt::print("{{\"compact_revision\":{},\"count\":{}{}}}\n", history->compact_revision,
                 history->versions.size(),
                 history->next > 0 ? fmt::format(",\"next\":{}", history->next) : "");
    } else if (history->next > 0) {
      fmt::print(stderr, "older ones: --revision {}\n", history->next);
    }
    return Exit::kOk;
  }

 private:
  static void print_json(const KeyVersion& version) {
    if (version.is_delete) {
      fmt::print("{{\"type\":\"delete\",\"mod_revision\":{}}}\n", version.mod_revision);
      return;
    }
    fmt::print(
        "{{\"type\":\"put\",\"mod_revision\":{},\"create_revision\":{},\"version\":{},{}}}\n",
        version.mod_revision, version.create_revision, version.version,
        json_member("value", version.value));
  }

  static void print_line(const KeyVersion& version) {
    std::string value = version.is_delete ? "" : printable(version.value);
    if (is_terminal(stdout)) {
      constexpr size_t kRevisionColumns = 20;
      const size_t width = terminal_width(stdout);
      value = version.is_delete
                  ? "(deleted)"
                  : shortened(value, width > 2 * kRevisionColumns ? width - kRevisionColumns
                                                                  : kRevisionColumns);
    }
    fmt::print("{}\t{}\n", version.mod_revision, value);
  }

  std::string key_;
  uint64_t limit_ = 0;
  Moment moment_;
};

class UsageCommand final : public Command {
 public:
  explicit UsageCommand(CLI::App& root)
      : Command(root, "usage", "Say about how many keys there are, and how much they take") {
    app().add_option("--prefix", prefix_, "Of keys that begin with PREFIX")->type_name("PREFIX");
    describe(
        "Examples:\n"
        "  holdfast usage\n"
        "  holdfast usage --prefix photos/\n\n"
        "Up to 10,000 keys are counted; more are estimated by the sizes of ranges on disk.",
        {Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    const ReadOutcome<UsageView> usage = client.usage(prefix_);
    if (!usage) return report(session, usage.error());
    if (session.is_json()) {
      fmt::print("{{\"keys\":{},\"bytes\":{},\"stored_bytes\":{},\"exact\":{}}}\n", usage->keys,
                 usage->bytes, usage->stored_bytes, usage->is_exact);
    } else {
      fmt::print("{}{}, {} bytes of keys and values; with the past {} bytes on each node\n",
                 usage->is_exact ? "" : "about ", counted(usage->keys, "key"),
                 with_commas(usage->bytes), with_commas(usage->stored_bytes));
    }
    return Exit::kOk;
  }

 private:
  std::string prefix_;
};

class CompactCommand final : public Command {
 public:
  explicit CompactCommand(CLI::App& root)
      : Command(root, "compact", "Forget what is older than a revision") {
    app()
        .add_option("REVISION", revision_, "The oldest revision to keep")
        ->required()
        ->check(CLI::Range(uint64_t{1}, uint64_t{UINT64_MAX}));
    describe(
        "Examples:\n"
        "  holdfast compact 41\n"
        "  holdfast --json compact 41 | jq .compact_revision\n\n"
        "Reads of older revisions are refused at once; space is given back in time. What is older\n"
        "than the setting keep_history is forgotten anyway: see holdfast settings.",
        {Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    const WriteOutcome<CompactAnswer> outcome = client.compact(revision_);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    const uint64_t oldest = std::get<CompactAnswer>(outcome).compact_revision;
    if (session.is_json()) {
      fmt::print("{{\"compact_revision\":{}}}\n", oldest);
    } else {
      fmt::print("the oldest revision is {}\n", oldest);
    }
    return Exit::kOk;
  }

 private:
  uint64_t revision_ = 0;
};

class SettingsCommand final : public Command {
 public:
  explicit SettingsCommand(CLI::App& root)
      : Command(root, "settings", "Show or change what holds for the whole cluster") {
    app()
        .add_option("--keep-history", change_.keep_history, "How long the past is kept")
        ->type_name("TIME");
    describe(
        "Examples:\n"
        "  holdfast settings\n"
        "  holdfast settings --keep-history 24h\n\n"
        "Settings lie in the log, so that all nodes decide alike.",
        {Exit::kUnknownOutcome, Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    if (change_.keep_history.empty()) {
      const ReadOutcome<SettingsView> settings = client.settings();
      if (!settings) return report(session, settings.error());
      return show(session, *settings);
    }
    const WriteOutcome<SettingsView> outcome = client.change_settings(change_);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    return show(session, std::get<SettingsView>(outcome));
  }

 private:
  static Exit show(const Session& session, const SettingsView& settings) {
    if (session.is_json()) {
      fmt::print("{{\"keep_history\":{}}}\n", json_quoted(settings.keep_history));
    } else {
      fmt::print("keep_history {}\n", settings.keep_history);
    }
    return Exit::kOk;
  }

  SettingsView change_;
};

}  // namespace

std::unique_ptr<Command> make_history_command(CLI::App& root) {
  return std::make_unique<HistoryCommand>(root);
}

std::unique_ptr<Command> make_usage_command(CLI::App& root) {
  return std::make_unique<UsageCommand>(root);
}

std::unique_ptr<Command> make_compact_command(CLI::App& root) {
  return std::make_unique<CompactCommand>(root);
}

std::unique_ptr<Command> make_settings_command(CLI::App& root) {
  return std::make_unique<SettingsCommand>(root);
}

}  // namespace holdfast::cli
