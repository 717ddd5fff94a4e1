// lock: runs a command that nobody else shall run at the same time.

#include <algorithm>
#include <csignal>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/guarded_process.h"
#include "client/cli/options.h"
#include "client/cli/record.h"
#include "client/cli/signals.h"
#include "client/cli/terminal.h"
#include "client/lock.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

using std::chrono::milliseconds;

// Ends of our own, beside the command's. Part of the command line's contract.
constexpr Exit kLost{123};
constexpr Exit kNotHad{124};
constexpr Exit kNotBegun{125};

constexpr Duration kLookAtLockPeriod = milliseconds(100);

sigset_t handled_signals() {
  return signal_set({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD, SIGTTOU});
}

std::string default_owner() {
  std::string host(256, '\0');
  ::gethostname(host.data(), host.size() - 1);
  host.resize(host.find('\0'));
  return fmt::format("{}:{}", host.substr(0, 200), ::getpid());
}

std::string spoken_left(uint64_t ms) {
  return spoken(milliseconds(ms));
}

class LockCommand final : public Command {
 public:
  explicit LockCommand(CLI::App& root)
      : Command(root, "lock", "Run a command while holding a lock; look at locks") {
    app().require_subcommand(0, 1);
    app().add_option("NAME", name_, "The lock")->type_name("NAME");
    app().add_option("COMMAND", words_, "What to run, behind --")->type_name("COMMAND…");
    add_duration_option(app(), "--ttl", ttl_, "It ends so long after this program was last heard");
    app()
        .add_option_function<std::string>(
            "--wait", [this](const std::string& text) { set_wait(text); },
            "How long to wait for it; 0s: not at all (for ever)")
        ->type_name("TIME");
    app()
        .add_option("--owner", owner_, "What others see as its holder (HOST:PID)")
        ->type_name("TEXT");
    show_ = app().add_subcommand("show", "Who has a lock")->fallthrough();
    add_consistency_option(*show_, consistency_);
    release_ = app().add_subcommand("release", "Take a lock from its holder")->fallthrough();
    release_->add_option("--token", token_, "As show says it")->type_name("N")->required();
    for (CLI::App* const one : {show_, release_})
      one->add_option("NAME", shown_, "The lock")->type_name("NAME")->required();
    describe_with_exits(
        "Examples:\n"
        "  holdfast lock nightly -- ./backup.sh --full\n"
        "  holdfast lock --wait 0s nightly -- ./backup.sh     not where another runs it\n"
        "  holdfast lock show nightly\n"
        "  holdfast lock release --token 42 nightly           its holder is told, and ends\n"
        "  holdfast lock -- show ./backup.sh                  the lock named show\n\n"
        "The command has HOLDFAST_LOCK_NAME and HOLDFAST_LOCK_TOKEN in its environment: the token\n"
        "only ever grows, so whoever is changed by the command can refuse an older one's changes.\n"
        "Signals are passed on to it. While it runs the lock is kept alive, each third of --ttl.\n"
        "Where that is not confirmed in time, or the lock is not held any more, the command and "
        "its\n"
        "process group get TERM, a third of --ttl before the lock may be another's, and KILL then\n"
        "(where it was taken from us, a third of --ttl later).\n"
        "\n"
        "Exit codes: the command's own, or 128 + N where signal N ended it; and\n"
        "  123  the lock was lost, and the command ended\n"
        "  124  the lock was not had within --wait\n"
        "  125  the command was not begun, for what is said\n"
        "  126  it cannot be run; 127: it is not there\n"
        "show and release end as every other command: 2 where nobody has the lock.");
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    if (show_->parsed()) return show(session, client);
    if (release_->parsed()) return release(session, client);
    if (words_.empty()) {
      report(session, Error{ErrorCode::kInvalid,
                            "say what to run: holdfast lock NAME -- COMMAND…; or show NAME"});
      return Exit::kOther;
    }
    return run_under_lock(session);
  }

 private:
  void set_wait(const std::string& text) {
    wait_ = parse_duration(text);
    if (!wait_)
      throw CLI::ValidationError("'" + text +
                                 "' is not a duration: write 0s, 250ms, 30s, 5m or 2h");
  }

  Exit run_under_lock(const Session& session) {
    auto outcome = Lock::acquire({.cluster = session.client_options(),
                                  .name = name_,
                                  .owner = owner_.empty() ? default_owner() : owner_,
                                  .ttl = ttl_,
                                  .wait = wait_});
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
      report(session, *refusal);
      return refusal->code == "conflict" ? kNotHad : kNotBegun;
    }
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) {
      report(session, *unknown);
      return kNotBegun;
    }
    const auto lock = std::get<std::unique_ptr<Lock>>(std::move(outcome));
    // Not before: until here they end us as ever.
    const sigset_t signals = handled_signals();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    GuardedProcess process(words_, {{"HOLDFAST_LOCK_NAME", name_},
                                    {"HOLDFAST_LOCK_TOKEN", std::to_string(lock->token())}});
    return watch_over(session, process, *lock);
  }

  Exit watch_over(const Session& session, GuardedProcess& process, const Lock& lock) const {
    const SystemClock clock;
    const sigset_t signals = handled_signals();
    std::optional<Instant> killed_at;
    while (true) {
      const int signal = wait_for_signal(signals, kLookAtLockPeriod);
      if (signal != 0 && signal != SIGCHLD && signal != SIGTTOU) process.signal(signal);
      const std::optional<int> code = process.look();
      if (code && !killed_at) return static_cast<Exit>(*code);
      if (code && !process.has_members()) return kLost;
      const Instant now = clock.now();
      if (!killed_at && (!lock.is_held() || lock.held_until() - now <= ttl_ / 3)) {
        killed_at = std::clamp(lock.held_until(), now, now + ttl_ / 3);
        say_lost(session);
        process.signal(SIGTERM);
        process.signal(SIGCONT);
      }
      if (!killed_at || now < *killed_at) continue;
      process.signal(SIGKILL);
      if (code) return kLost;
    }
  }

  void say_lost(const Session& session) const {
    report(session, Refusal{.code = "lock_lost",
                            .message = fmt::format(
                                "the lock '{}' is lost, or was not confirmed in time: the "
                                "command is ended",
                                printable(name_))});
  }

  Exit show(const Session& session, KvClient& client) const {
    const ReadOutcome<LockView> lock = client.lock(shown_, consistency_);
    if (!lock) return report(session, lock.error());
    if (session.is_json()) {
      fmt::print("{{{},\"token\":{},\"lease\":{},{},\"ttl_ms\":{},\"remaining_ms\":{}}}\n",
                 json_member("name", lock->name), lock->token, json_quoted(lock->lease),
                 json_member("owner", lock->owner), lock->ttl_ms, lock->remaining_ms);
    } else {
      fmt::print("held by {} under token {}, lease {}; {} of {} left\n",
                 lock->owner.empty() ? "somebody" : printable(lock->owner), lock->token,
                 lock->lease, spoken_left(lock->remaining_ms), spoken_left(lock->ttl_ms));
    }
    return Exit::kOk;
  }

  Exit release(const Session& session, KvClient& client) const {
    const WriteOutcome<RevokeAnswer> outcome = client.release_lock(shown_, token_);
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) return report(session, *refusal);
    if (const auto* unknown = std::get_if<Unknown>(&outcome)) return report(session, *unknown);
    const auto& answer = std::get<RevokeAnswer>(outcome);
    if (session.is_json()) {
      fmt::print("{{\"revision\":{},\"deleted\":{},\"finished\":{}}}\n", answer.revision,
                 answer.deleted, answer.is_finished);
    } else {
      fmt::print("released\n");
    }
    return Exit::kOk;
  }

  CLI::App* show_;
  CLI::App* release_;
  std::string name_;
  std::string shown_;
  std::vector<std::string> words_;
  std::string owner_;
  uint64_t token_ = 0;
  Duration ttl_ = std::chrono::seconds(15);
  std::optional<Duration> wait_;  // nothing: for ever
  Consistency consistency_ = Consistency::kLinearizable;
};

}  // namespace

std::unique_ptr<Command> make_lock_command(CLI::App& root) {
  return std::make_unique<LockCommand>(root);
}

}  // namespace holdfast::cli
