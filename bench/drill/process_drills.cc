// Drills in which processes end, stop, or find their files damaged.

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "bench/drill/catalogue.h"
#include "bench/drill/log_tail.h"

namespace holdfast::drill {
namespace {

Result<> kill_and_restart(Stage& stage, const std::string& name, const char* role) {
  stage.fault(fmt::format("SIGKILL to {}, {}", name, role));
  stage.cluster.end(name, SIGKILL);
  stage.wait(0.8);
  HOLDFAST_TRY(stage.cluster.restart(name));
  stage.over(fmt::format("{} is started again", name));
  stage.wait(0.2);
  return {};
}

Result<> kill_primary(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  return kill_and_restart(stage, leader, "the primary");
}

Result<> kill_backup(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string backup, stage.backup());
  return kill_and_restart(stage, backup, "a backup");
}

Result<> behind_backup(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  HOLDFAST_ASSIGN(const std::string behind, stage.backup());
  stage.fault(fmt::format("SIGKILL to {}, a backup", behind));
  stage.cluster.end(behind, SIGKILL);
  stage.wait(0.3);
  stage.fault(fmt::format("SIGKILL to {}, the primary", leader));
  stage.cluster.end(leader, SIGKILL);
  HOLDFAST_TRY(stage.cluster.restart(behind));
  stage.note(fmt::format("{} is started again, and lacks what the other has", behind));
  stage.wait(0.5);
  HOLDFAST_TRY(stage.cluster.restart(leader));
  stage.over(fmt::format("{} is started again", leader));
  stage.wait(0.2);
  return {};
}

Result<> kill_all(Stage& stage) {
  stage.fault("SIGKILL to all nodes at once");
  std::vector<std::string> names;
  for (const auto& node : stage.cluster.nodes()) names.push_back(node->name);
  stage.cluster.end_all(SIGKILL);
  stage.wait(0.3);
  for (const std::string& name : names) HOLDFAST_TRY(stage.cluster.restart(name));
  stage.note("all are started again");
  HOLDFAST_TRY(stage.cluster.wait_ready());
  stage.over("all nodes serve");
  stage.wait(0.5);
  return {};
}

Result<> pause_primary(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  stage.fault(fmt::format("SIGSTOP to {}, the primary", leader));
  stage.cluster.pause(leader);
  stage.wait(0.8);
  stage.cluster.resume(leader);
  stage.over(fmt::format("SIGCONT: {} goes on, and takes itself for the primary", leader));
  stage.wait(0.2);
  return {};
}

Result<> rolling_restart(Stage& stage) {
  std::vector<std::string> names;
  for (const auto& node : stage.cluster.nodes()) names.push_back(node->name);
  for (const std::string& name : names) {
    stage.fault(fmt::format("SIGTERM to {}", name));
    stage.cluster.end(name, SIGTERM);
    HOLDFAST_TRY(stage.cluster.restart(name));
    HOLDFAST_TRY(stage.cluster.wait_ready());
    stage.over(fmt::format("{} serves again", name));
    stage.wait(0.8 / static_cast<double>(names.size()));
  }
  return {};
}

// Changes a byte in the middle of what the log holds.
Result<std::string> flip_byte(const std::string& directory) {
  std::filesystem::path largest;
  uint64_t used_most = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (!entry.is_regular_file() || entry.path().filename().string().starts_with("spare")) continue;
    const uint64_t used = used_bytes(entry.path());
    if (used <= used_most) continue;
    largest = entry.path();
    used_most = used;
  }
  if (used_most < 2) return fail(ErrorCode::kIo, fmt::format("no log is found in '{}'", directory));
  std::fstream file(largest, std::ios::binary | std::ios::in | std::ios::out);
  const auto place = static_cast<std::streamoff>(used_most / 2);
  file.seekg(place);
  const int byte = file.get();
  file.seekp(place);
  file.put(static_cast<char>(byte ^ 0x10));
  file.close();
  if (!file) return fail(ErrorCode::kIo, fmt::format("'{}' cannot be changed", largest.string()));
  return fmt::format("byte {} of {}", used_most / 2, largest.filename().string());
}

Result<> corrupt_log(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string backup, stage.backup());
  stage.fault(fmt::format("SIGKILL to {}, a backup", backup));
  stage.cluster.end(backup, SIGKILL);
  HOLDFAST_ASSIGN(const std::string what,
                  flip_byte(fmt::format("{}/{}/groups/1/log", stage.cluster.directory(), backup)));
  stage.fault(fmt::format("{}'s log is damaged: {}", backup, what));
  stage.wait(0.3);
  HOLDFAST_TRY(stage.cluster.restart(backup));
  HOLDFAST_TRY(stage.cluster.wait_ready());
  stage.over(fmt::format("{} serves again, its log mended from the others", backup));
  stage.wait(0.5);
  return {};
}

}  // namespace

std::vector<Drill> process_drills() {
  const std::unexpected<std::string> no_signals(
      "signals reach only processes that the drill has started, and could start again");
  return {
      {"kill-primary",
       "The primary's process dies, and comes back later",
       {"SIGKILL"},
       no_signals,
       0,
       kill_primary},
      {"kill-backup",
       "A backup's process dies, and comes back later",
       {"SIGKILL"},
       no_signals,
       0,
       kill_backup},
      {"behind-backup",
       "The primary dies while a backup is behind: only the other may take over",
       {"SIGKILL"},
       no_signals,
       0,
       behind_backup},
      {"kill-all",
       "All processes die at once, as in a power cut, and are started again",
       {"SIGKILL to all; what the kernel holds of their files stays, unlike in a real power cut"},
       no_signals,
       0,
       kill_all},
      {"pause-primary",
       "The primary falls silent, and goes on later as if nothing had been",
       {"SIGSTOP, then SIGCONT"},
       no_signals,
       0,
       pause_primary},
      {"rolling-restart",
       "All nodes are restarted, one after the other",
       {"SIGTERM"},
       no_signals,
       0,
       rolling_restart},
      {"corrupt-log",
       "A byte of a backup's log is damaged while it is down",
       {"SIGKILL, and one byte of a file changed"},
       std::unexpected("it changes a node's files, and kills and starts its process"),
       0,
       corrupt_log},
  };
}

}  // namespace holdfast::drill
