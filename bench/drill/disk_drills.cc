// Drills in which disks stall, are slow, full or broken, or lose their power.

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bench/drill/catalogue.h"
#include "bench/drill/log_tail.h"

namespace holdfast::drill {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Means kByFaults = {"PUT /v1/faults at the primary", true};

// `json` at the primary for most of the time.
Result<> afflict_primary(Stage& stage, const char* json, const char* what, Duration at_least) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  stage.fault(fmt::format("{}, the primary: {}", leader, what));
  HOLDFAST_TRY(stage.cluster.set_faults(leader, json));
  stage.pass(std::max(std::chrono::duration_cast<Duration>(stage.length * 0.8), at_least));
  HOLDFAST_TRY(stage.cluster.set_faults(leader, ""));
  stage.over(fmt::format("{}: its disk is well again", leader));
  stage.wait(0.2);
  return {};
}

Result<> stall_disk(Stage& stage) {
  // A disk may hesitate for a second before its node says that it stalls.
  return afflict_primary(stage, R"({"disk":{"stall":true}})", "no write to its disk ends",
                         seconds(2));
}

Result<> slow_disk(Stage& stage) {
  return afflict_primary(stage, R"({"disk":{"delay":"60ms"}})", "each sync takes 60 ms longer", {});
}

Result<> fill_disk(Stage& stage) {
  return afflict_primary(stage, R"({"disk":{"full":true}})", "its disk is full", {});
}

Result<> break_disk(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  stage.fault(fmt::format("{}, the primary: its next sync fails", leader));
  // It may end before it can answer: that it ends is what tells.
  std::ignore = stage.cluster.set_faults(leader, R"({"disk":{"fail_sync":true}})");
  HOLDFAST_ASSIGN(const std::string ending, stage.cluster.await_end(leader, "disk.fail_sync"));
  stage.note(fmt::format("{} has ended by itself, as it must, and said why ({})", leader, ending));
  stage.wait(0.7);
  HOLDFAST_TRY(stage.cluster.restart(leader));
  stage.over(fmt::format("{} is started again", leader));
  stage.wait(0.2);
  return {};
}

// A node of which no sync ends any more: what its log is given from now on does not outlast a power
// cut.
struct Unsynced {
  std::string name;
  LogTail tail;
};

// The log takes one write at a time. While the disk stalls, its files stay as they are, so there is
// time to look; the write that waits for that is the one whose sync does not end then. Where it is
// a sync that waits, what it is for has been seen, and nothing follows it: then it is tried again.
Result<Unsynced> hold_syncs(Stage& stage, const std::string& name) {
  constexpr int kTries = 20;
  const std::string log = fmt::format("{}/{}/groups/1/log", stage.cluster.directory(), name);
  for (int tries = 1;; ++tries) {
    HOLDFAST_ASSIGN(LogTail tail, LogTail::find(log));
    HOLDFAST_TRY(stage.cluster.set_faults(name, R"({"disk":{"stall":true}})"));
    tail.remember();
    HOLDFAST_TRY(stage.cluster.set_faults(name, R"({"disk":{"delay":"1m"}})"));
    for (int looks = 0; looks < 50 && !tail.is_written(); ++looks) stage.pass(milliseconds(10));
    if (tail.is_written() || tries == kTries) return Unsynced{name, std::move(tail)};
    HOLDFAST_TRY(stage.cluster.set_faults(name, ""));
    stage.pass(milliseconds(stage.random.between(1, 10)));
  }
}

// Of nodes a majority, which the seed draws: the others may have on their disks what these have
// not. The primary is the last of them, or there would be nothing to write.
Result<std::vector<std::string>> majority(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  std::vector<std::string> names;
  for (const auto& node : stage.cluster.nodes()) names.push_back(node->name);
  stage.random.shuffle(names);
  names.resize(names.size() / 2 + 1);
  std::ranges::partition(names, [&](const std::string& name) { return name != leader; });
  return names;
}

Result<> power_cut(Stage& stage) {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, majority(stage));
  stage.fault(fmt::format("from now on no sync ends on {}", fmt::join(names, ", ")));
  std::vector<Unsynced> held;
  for (const std::string& name : names) {
    HOLDFAST_ASSIGN(Unsynced node, hold_syncs(stage, name));
    held.push_back(std::move(node));
  }
  stage.pass(milliseconds(400));
  stage.fault("the power is cut: SIGKILL to all nodes at once");
  stage.cluster.end_all(SIGKILL);
  std::vector<std::string> lost;
  size_t least = SIZE_MAX;
  for (Unsynced& node : held) {
    HOLDFAST_ASSIGN(const size_t blocks, node.tail.take_back(stage.random));
    least = std::min(least, blocks);
    lost.push_back(fmt::format("{} of {}", blocks, node.name));
  }
  stage.note(fmt::format("blocks of the logs that are gone, as no sync had ended: {}",
                         fmt::join(lost, ", ")));
  stage.wait(0.2);
  // Those that lack something may agree among themselves, before the others are asked.
  for (const Unsynced& node : held) HOLDFAST_TRY(stage.cluster.restart(node.name));
  HOLDFAST_TRY(stage.cluster.leader());
  for (const auto& node : stage.cluster.nodes())
    if (!node->process) HOLDFAST_TRY(stage.cluster.restart(node->name));
  HOLDFAST_TRY(stage.cluster.wait_ready());
  stage.over("all nodes serve");
  stage.wait(0.5);
  return check_loss(least);
}

}  // namespace

std::vector<Drill> disk_drills() {
  return {
      {"stall-disk", "The primary's disk stalls", kByFaults, kByFaults, 0, stall_disk},
      {"slow-disk", "The primary's disk is slow", kByFaults, kByFaults, 0, slow_disk},
      {"fill-disk", "The primary's disk is full", kByFaults, kByFaults, 0, fill_disk},
      {"break-disk", "A sync of the primary's disk fails, and its process ends by its own rule",
       kByFaults,
       std::unexpected("the primary's process ends of it, and the drill could not start it again"),
       0, break_disk},
      {"power-cut",
       "All nodes lose their power, and a majority what it has written but not synced",
       {"PUT /v1/faults, so that no sync ends; SIGKILL to all; what came to the logs in between is "
        "taken out of their files",
        true},
       std::unexpected("it kills all processes, changes their files and starts them again"),
       0,
       power_cut},
  };
}

}  // namespace holdfast::drill
