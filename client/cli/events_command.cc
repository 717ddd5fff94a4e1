// events: what happens to nodes, as each tells it.

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/terminal.h"

namespace holdfast::cli {
namespace {

void print_event(const Session& session, const NodeEvent& event) {
  if (session.is_json()) {
    fmt::print("{}\n", event.body);
  } else {
    const Color color = event.level == "error"     ? Color::kRed
                        : event.level == "warning" ? Color::kYellow
                                                   : Color::kNone;
    fmt::print("{}  {}  term {}  {:<10}  {}\n", event.time, event.node, event.term, event.kind,
               painted(stdout, color, printable(event.text)));
  }
  // Who reads it wants it now.
  std::fflush(stdout);
}

// Follows each of several nodes on a thread of its own.
class Followers {
 public:
  Followers(const Session& session, EventsPlace begin, uint64_t count)
      : session_(session), begin_(std::move(begin)), count_(count) {}

  // Until enough was printed, or none of the nodes is there. A node that is gone is asked again as
  // long as another one is there.
  Exit run() {
    std::vector<std::thread> threads;
    for (const Endpoint& endpoint : session_.endpoints)
      threads.emplace_back([this, &endpoint] { follow(endpoint); });
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return exit_.has_value(); });
    // Those that still wait for their nodes would, for as long as nothing happens there.
    std::fflush(stdout);
    std::_Exit(static_cast<int>(*exit_));
  }

 private:
  void follow(const Endpoint& endpoint) {
    KvClientOptions options = session_.client_options();
    options.endpoints = {endpoint};
    KvClient client = make_kv_client(std::move(options));
    EventsPlace place = begin_;
    for (;;) {
      const ReadOutcome<void> outcome = client.follow_events(
          place, [&](const NodeEvent* event) { return take(endpoint, event); });
      if (outcome || !goes_on_without(endpoint, outcome.error())) return;
    }
  }

  bool take(const Endpoint& endpoint, const NodeEvent* event) {
    const std::lock_guard lock(mutex_);
    if (exit_) return false;
    lost_.erase(endpoint.url());
    if (event == nullptr) return true;
    print_event(session_, *event);
    if (count_ == 0 || ++printed_ < count_) return true;
    end(Exit::kOk);
    return false;
  }

  bool goes_on_without(const Endpoint& endpoint, const Refusal& refusal) {
    const std::lock_guard lock(mutex_);
    if (exit_) return false;
    const bool is_news = lost_.insert(endpoint.url()).second;
    const bool is_last = lost_.size() == session_.endpoints.size();
    if (is_news || is_last || !refusal.retryable) {
      const Exit exit = report(session_, refusal);
      if (is_last || !refusal.retryable) end(exit);
    }
    return !exit_;
  }

  void end(Exit exit) {
    exit_ = exit;
    ended_.notify_all();
  }

  const Session& session_;
  const EventsPlace begin_;
  const uint64_t count_;

  std::mutex mutex_;
  std::condition_variable ended_;
  // Guarded by mutex_.
  std::set<std::string> lost_;  // nodes that were not there when they were last asked
  uint64_t printed_ = 0;
  std::optional<Exit> exit_;
};

class EventsCommand final : public Command {
 public:
  explicit EventsCommand(CLI::App& root)
      : Command(root, "events", "Print what happens to nodes: elections, members, disks") {
    app()
        .add_option("--last", begin_.most, "Begin with the newest N that each node keeps; 0: none")
        ->type_name("N")
        ->check(CLI::Range(uint64_t{0}, uint64_t{1024}));
    app()
        .add_option("--count", count_, "End after N events")
        ->type_name("N")
        ->check(CLI::Range(uint64_t{1}, UINT64_MAX));
    describe(
        "Examples:\n"
        "  holdfast events                        of one node: what it keeps, and what comes\n"
        "  holdfast --endpoint http://127.0.0.1:4653,http://127.0.0.1:4663 events --last 0\n"
        "  holdfast --json events | jq 'select(.kind == \"handover\") | .fields'\n\n"
        "Each node tells what it sees itself, and keeps its newest 1,024 events while its process\n"
        "lives; all nodes of --endpoint are followed. Lines are TIME, NODE, TERM, KIND and what\n"
        "happened; of kind reset is a line that says that a node's events begin anew. Ends with\n"
        "exit code 5 when no node is there for --timeout.",
        {Exit::kUnavailable});
  }

  Exit run(const Session& session) override { return Followers(session, begin_, count_).run(); }

 private:
  EventsPlace begin_;
  uint64_t count_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_events_command(CLI::App& root) {
  return std::make_unique<EventsCommand>(root);
}

}  // namespace holdfast::cli
