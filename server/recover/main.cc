// `holdfast recover`: what is left of a cluster whose majority is gone, and a new cluster from it.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "replication/transport/tcp_transport.h"
#include "server/recover/report.h"
#include "storage/base/random.h"
#include "storage/fs/posix.h"

namespace holdfast::recover {
namespace {

enum class Exit {
  kDone = 0,
  kOther = 1,
  kNothingUsable = 2,
  kNotNeeded = 3,
};

constexpr const char* kDescription =
    R"(holdfast recover: when more than half of a cluster's disks are gone for good.

Reads the data directories that are left (of stopped nodes), says which log is the longest safe one
and what may be lost, and with --apply makes a new cluster of one node from it. If a majority of the
nodes can be started, start them instead: no recovery is needed, and none is made.)";

constexpr const char* kFooter =
    R"(Examples:
  holdfast recover --plan /mnt/n1 /mnt/n2        changes nothing
  holdfast recover --apply /mnt/n1 /mnt/n2       makes a new cluster from /mnt/n1, if its log is the
                                                 longest; /mnt/n2 stays as it is
  holdfast recover --plan n1 --log-dir n1=/fast  a node that ran with --log-dir /fast

--apply names the directory that will be changed, which the plan has named; it is judged again before.
Nothing is ever taken away: its log gets an entry that makes it the only member, under a new id, and
IDENTITY a new cluster. If it is interrupted, the same command brings it to its end.

Exit codes: 0 a recovery can be made, or was made; 1 wrong usage, or it failed (see the message);
2 no directory can be used; 3 not done: no recovery is needed, or another directory holds more.)";

struct Request {
  bool plan = false;
  std::string chosen;  // empty: only look
  bool json = false;
  std::string peer_address;
  std::vector<Place> places;  // `chosen` among them
};

bool same_directory(const std::string& a, const std::string& b) {
  std::error_code code;
  return a == b || std::filesystem::equivalent(a, b, code);
}

Place* find_place(std::vector<Place>& places, const std::string& directory) {
  const auto found = std::ranges::find_if(
      places, [&](const Place& place) { return same_directory(place.data_dir, directory); });
  return found == places.end() ? nullptr : &*found;
}

// Names each directory once, the chosen one by the name that --apply gave it.
void set_places(Request& request, const std::vector<std::string>& directories,
                const std::vector<std::string>& log_dirs) {
  std::vector<std::string> named = directories;
  if (!request.chosen.empty()) named.insert(named.begin(), request.chosen);
  for (const std::string& directory : named)
    if (find_place(request.places, directory) == nullptr) request.places.push_back({directory, {}});
  for (const std::string& text : log_dirs) {
    const size_t equals = text.find('=');
    Place* place =
        equals == std::string::npos ? nullptr : find_place(request.places, text.substr(0, equals));
    if (place == nullptr)
      throw CLI::ValidationError("--log-dir: '" + text +
                                 "' is not DIR=LOG-DIR with one of the directories named");
    place->log_dir = text.substr(equals + 1);
  }
  if (request.places.empty()) throw CLI::RequiredError("DIR");
}

Exit exit_for(const Judgement& judgement, const Outcome& outcome) {
  if (judgement.verdict == Verdict::kNothingUsable) return Exit::kNothingUsable;
  if (judgement.verdict == Verdict::kMajorityHere || !outcome.refused.empty())
    return Exit::kNotNeeded;
  return Exit::kDone;
}

void say(const Request& request, const Judgement& judgement, const Outcome& outcome) {
  if (request.json) {
    fmt::print("{}\n", as_json(judgement, outcome));
    return;
  }
  if (outcome.revived) {
    fmt::print("{}", revived_text(*outcome.revived, request.places.front()));
    return;
  }
  fmt::print("{}", plan_text(judgement, request.places));
  if (!outcome.refused.empty()) fmt::print(stderr, "Not applied: {}.\n", outcome.refused);
}

Exit run(const Request& request) {
  PosixReader reader;
  std::vector<DirectoryLock> locks;  // until the end: what is judged must not change meanwhile
  std::vector<Finding> findings;
  for (const Place& place : request.places) {
    Result<DirectoryLock> lock = place.data_dir == request.chosen
                                     ? DirectoryLock::take(place.data_dir)
                                     : DirectoryLock::take_to_read(place.data_dir);
    findings.push_back(lock ? look_at(reader, place) : look_at_locked(reader, place, lock.error()));
    if (lock) locks.push_back(*std::move(lock));
  }
  const Judgement judgement = judge(std::move(findings));
  Outcome outcome;
  if (!request.chosen.empty()) {
    outcome.refused = objection(judgement, request.chosen).value_or("");
    if (outcome.refused.empty()) {
      PosixFileSystem fs;
      Result<Revived> revived = revive(fs, request.places.front(), judgement,
                                       NodeId{random_from_system()}, request.peer_address);
      if (!revived) {
        fmt::print(stderr, "holdfast recover: {}\n", revived.error().message);
        return Exit::kOther;
      }
      outcome.revived = *std::move(revived);
    }
  }
  say(request, judgement, outcome);
  return exit_for(judgement, outcome);
}

std::string check_address(const std::string& text) {
  const Result<HostPort> parsed = parse_host_port(text);
  return parsed ? std::string() : parsed.error().message;
}

int run(int argc, char** argv) {
  Request request;
  std::vector<std::string> directories;
  std::vector<std::string> log_dirs;
  CLI::App app(kDescription, "holdfast recover");
  app.set_version_flag("--version", "holdfast-recover " HOLDFAST_VERSION);
  app.footer(kFooter);
  CLI::Option* const plan =
      app.add_flag("--plan", request.plan, "only look, and say what could be done");
  app.add_option("--apply", request.chosen, "make a new cluster from this directory")
      ->type_name("DIR")
      ->excludes(plan);
  app.add_option("--log-dir", log_dirs, "DIR's log lies in LOG-DIR, as the node's --log-dir said")
      ->type_name("DIR=LOG-DIR")
      ->allow_extra_args(false);
  app.add_option("--peer-address", request.peer_address,
                 "HOST:PORT where others will reach the node (default: as before)")
      ->check(check_address);
  app.add_flag("--json", request.json, "print JSON, for scripts");
  app.add_option("directories", directories, "data directories of stopped nodes of one cluster")
      ->type_name("DIR…");
  try {
    app.parse(argc, argv);
    if (request.plan != request.chosen.empty())
      throw CLI::ValidationError(
          "say --plan to look, or --apply DIR to make a new cluster from DIR");
    set_places(request, directories, log_dirs);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : static_cast<int>(Exit::kOther);
  }
  return static_cast<int>(run(request));
}

}  // namespace
}  // namespace holdfast::recover

int main(int argc, char** argv) {
  return holdfast::recover::run(argc, argv);
}
