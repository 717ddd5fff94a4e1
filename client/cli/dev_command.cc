#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/cluster_survey.h"
#include "client/cli/command.h"
#include "client/cli/node_process.h"
#include "client/cli/signals.h"
#include "client/cli/terminal.h"

namespace holdfast::cli {
namespace {

constexpr Duration kLookPeriod = std::chrono::milliseconds(300);
constexpr Duration kStopPatience = std::chrono::seconds(10);
constexpr int kPortsPerNode = 10;

struct DevNode {
  std::string name;
  int client_port;
  std::string log_file;
  NodeProcess process;
};

sigset_t stop_signals() {
  return signal_set({SIGINT, SIGTERM, SIGHUP, SIGCHLD});
}

void say(Color color, std::string_view text) {
  fmt::print("{}  {}\n", painted(stdout, Color::kDim, clock_time(SystemClock().wall())),
             painted(stdout, color, text));
  std::fflush(stdout);
}

class DevCommand final : public Command {
 public:
  explicit DevCommand(CLI::App& root)
      : Command(root, "dev", "Run a cluster on this machine until Ctrl-C") {
    app()
        .add_option("--nodes", nodes_, "How many nodes")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(1, 9));
    app()
        .add_option("--dir", directory_, "Where the nodes keep their data and their logs")
        ->type_name("DIR")
        ->capture_default_str();
    app()
        .add_option("--client-port", first_port_,
                    "Of the first node; the next are 10 apart, peers one above")
        ->type_name("PORT")
        ->capture_default_str()
        ->check(CLI::Range(1, 65000));
    describe(
        "Examples:\n"
        "  holdfast dev\n"
        "  holdfast dev --nodes 5 --dir /tmp/five\n\n"
        "Says who leads and who died. Kill a node (its pid is shown) and watch. The data stays in\n"
        "DIR: the next `holdfast dev` there goes on with it.",
        {});
  }

  Exit run(const Session& session) override {
    Session cluster = session;
    cluster.endpoints.clear();
    for (int i = 0; i < nodes_; ++i) {
      cluster.endpoints.push_back(
          {.host = "127.0.0.1", .port = static_cast<uint16_t>(client_port(i))});
    }
    const sigset_t signals = stop_signals();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    std::vector<DevNode> nodes;
    const Result<> started = start_all(session, nodes);
    if (!started) {
      stop(nodes);
      return report(session, started.error());
    }
    fmt::print(
        "\n  export HOLDFAST_ENDPOINTS={}\n  holdfast status      Ctrl-C stops the nodes\n\n",
        joined_urls(cluster));
    const Exit exit = watch(cluster, nodes);
    stop(nodes);
    return exit;
  }

 private:
  int client_port(int node) const { return first_port_ + node * kPortsPerNode; }

  static std::string joined_urls(const Session& cluster) {
    std::string urls;
    for (const Endpoint& endpoint : cluster.endpoints) {
      urls += (urls.empty() ? "" : ",") + endpoint.url();
    }
    return urls;
  }

  std::string initial_cluster() const {
    std::string members;
    for (int i = 0; i < nodes_; ++i) {
      members += fmt::format("{}n{}=127.0.0.1:{}", i == 0 ? "" : ",", i + 1, client_port(i) + 1);
    }
    return members;
  }

  Result<> start_all(const Session& session, std::vector<DevNode>& nodes) const {
    const std::string program = session.binary_directory + "/holdfastd";
    if (::access(program.c_str(), X_OK) != 0) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("'{}' is not there: build it with `cmake --build "
                              "build --target holdfastd`",
                              program));
    }
    for (int i = 0; i < nodes_; ++i) {
      const std::string name = fmt::format("n{}", i + 1);
      const std::string directory = directory_ + "/" + name;
      std::error_code error;
      std::filesystem::create_directories(directory, error);
      if (error) {
        return fail(ErrorCode::kIo,
                    fmt::format("'{}' cannot be made: {}", directory, error.message()));
      }
      const int port = client_port(i);
      const std::string log_file = directory_ + "/" + name + ".log";
      HOLDFAST_ASSIGN(NodeProcess process,
                      NodeProcess::start({program, "--name", name, "--data-dir", directory,
                                          "--listen", fmt::format("127.0.0.1:{}", port),
                                          "--peer-listen", fmt::format("127.0.0.1:{}", port + 1),
                                          "--initial-cluster", initial_cluster()},
                                         log_file));
      say(Color::kNone, fmt::format("{}  http://127.0.0.1:{}  pid {}  log {}", name, port,
                                    process.pid(), log_file));
      nodes.push_back({name, port, log_file, std::move(process)});
    }
    return {};
  }

  // Until a signal to stop, or until no node is left.
  static Exit watch(const Session& cluster, std::vector<DevNode>& nodes) {
    std::map<std::string, std::string> roles;
    while (true) {
      const int signal = wait_for_signal(stop_signals(), kLookPeriod);
      if (signal != 0 && signal != SIGCHLD) return Exit::kOk;
      for (DevNode& node : nodes) {
        if (!node.process.has_just_ended()) continue;
        say(Color::kRed, fmt::format("{} died: {}; its last words are in {}", node.name,
                                     node.process.ending(), node.log_file));
        roles[node.name] = "dead";
      }
      if (std::ranges::none_of(nodes, [](const DevNode& n) { return n.process.is_running(); })) {
        say(Color::kRed, "no node is left");
        return Exit::kOther;
      }
      say_role_changes(cluster, roles);
    }
  }

  static void say_role_changes(const Session& cluster, std::map<std::string, std::string>& roles) {
    for (const SurveyedNode& node : survey_cluster(cluster, kLookPeriod).nodes) {
      if (!node.view) continue;
      std::string& known = roles[node.name];
      if (known == node.view->role) continue;
      known = node.view->role;
      say(known == "leader" ? Color::kGreen : Color::kNone,
          fmt::format("{} is {} in term {}", node.name, known, node.view->term));
    }
  }

  static void stop(std::vector<DevNode>& nodes) {
    for (const DevNode& node : nodes) node.process.signal(SIGTERM);
    const SystemClock clock;
    const Instant deadline = clock.now() + kStopPatience;
    while (count_running(nodes) > 0 && clock.now() < deadline) {
      wait_for_signal(stop_signals(), std::chrono::milliseconds(100));
    }
    for (DevNode& node : nodes) {
      if (!node.process.is_running()) continue;
      say(Color::kYellow, fmt::format("{} did not stop in 10 s and is killed", node.name));
      node.process.signal(SIGKILL);
    }
    if (!nodes.empty()) say(Color::kNone, "stopped");
  }

  static size_t count_running(std::vector<DevNode>& nodes) {
    size_t running = 0;
    for (DevNode& node : nodes) {
      node.process.has_just_ended();
      running += node.process.is_running() ? 1 : 0;
    }
    return running;
  }

  int nodes_ = 3;
  int first_port_ = 4653;
  std::string directory_ = "./holdfast-dev";
};

}  // namespace

std::unique_ptr<Command> make_dev_command(CLI::App& root) {
  return std::make_unique<DevCommand>(root);
}

}  // namespace holdfast::cli
