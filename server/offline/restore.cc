#include "server/offline/restore.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "replication/node/recovery.h"
#include "storage/kv/rocks_engine.h"
#include "storage/kv/state_directory.h"
#include "storage/log/segmented_log.h"

namespace holdfast::offline {
namespace {

// Many times what a group can do.
constexpr uint64_t kRevisionsPerMs = 1000;
// For calendars that disagree.
constexpr uint64_t kRevisionsMore = 1'000'000'000;

std::string group_path(const RestoreOrder& order) {
  return group_directory(order.data_dir, kFirstGroup);
}

Result<> remove_made(FileSystem& fs, const std::string& directory) {
  HOLDFAST_TRY(remove_tree(directory + "/groups"));
  HOLDFAST_TRY(remove_tree(directory + "/IDENTITY"));
  return fs.sync_directory(directory);
}

Result<> remove_mark(FileSystem& fs, const std::string& directory) {
  HOLDFAST_TRY(fs.remove(directory + "/" + kRestoring));
  return fs.sync_directory(directory);
}

// What a restore makes, and nothing else of a folder that it was ended in, is made anew.
Result<> make_empty(FileSystem& fs, const std::string& directory) {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs.list(directory));
  const bool is_ours = std::ranges::find(names, kRestoring) != names.end();
  for (const std::string& name : names) {
    const bool may_stay = name == "LOCK" || name.starts_with(kRestoring) || name == "lost+found";
    if (may_stay) continue;
    const bool is_made_here = name == "groups" || name.starts_with("IDENTITY");
    if (!is_ours || !is_made_here)
      return fail(
          ErrorCode::kInvalid,
          fmt::format("{} is not empty ('{}' is in it): a restore makes a new node, give it "
                      "an empty folder",
                      directory, name));
  }
  return is_ours ? remove_made(fs, directory) : Result<>();
}

Result<> make_state(FileSystem& fs, const RestoreOrder& order, const std::string& copy,
                    const Beginning& beginning) {
  HOLDFAST_ASSIGN(const std::unique_ptr<RocksEngine> engine,
                  RocksEngine::open({.directory = group_path(order) + "/state"}));
  HOLDFAST_ASSIGN(const std::unique_ptr<KvStateMachine> machine, KvStateMachine::open(*engine));
  HOLDFAST_TRY(machine->install_as_new(copy, beginning));
  // The log begins behind it. A node would do this at its start; here it shows that it can.
  const std::string log_path = group_path(order) + "/log";
  HOLDFAST_TRY(fs.create_directories(log_path));
  HOLDFAST_ASSIGN(const SegmentedLog::Opened opened,
                  SegmentedLog::open(fs, log_path, {.salt = order.cluster.value}));
  HOLDFAST_TRY(recover_replica(opened.recovered, *opened.log, *machine, {}));
  return {};
}

}  // namespace

Revision revision_to_go_on_from(const backup::Head& head, uint64_t now_ms) {
  const uint64_t age_ms = now_ms > head.taken_ms ? now_ms - head.taken_ms : 0;
  return head.revision + kRevisionsMore + age_ms * kRevisionsPerMs;
}

namespace {

Result<Restored> make_node(FileSystem& fs, const RestoreOrder& order, const Progress& progress) {
  const std::string copy = group_path(order) + "/restored";
  HOLDFAST_TRY(fs.create_directories(copy));
  HOLDFAST_ASSIGN(const Unpacked unpacked, unpack(fs, order.file, copy, progress));
  const raft::Members members{.list = {{order.node, order.name, order.peer_address, true}},
                              .removed = {}};
  const Revision revision = revision_to_go_on_from(unpacked.head, order.now_ms);
  HOLDFAST_TRY(
      make_state(fs, order, copy, {std::string(raft::encode_members(members).view()), revision}));

  const Identity identity{
      .node = order.node, .name = order.name, .cluster = order.cluster, .first_members = members};
  HOLDFAST_TRY(write_identity(fs, order.data_dir, identity));
  return Restored{unpacked.head, identity, revision};
}

}  // namespace

Result<Restored> restore(FileSystem& fs, const RestoreOrder& order, const Progress& progress) {
  HOLDFAST_TRY(fs.create_directories(order.data_dir));
  HOLDFAST_ASSIGN(const DirectoryLock lock, DirectoryLock::take(order.data_dir));
  HOLDFAST_TRY(make_empty(fs, order.data_dir));
  HOLDFAST_TRY(replace_file(fs, order.data_dir + "/" + kRestoring, order.file + "\n"));
  Result<Restored> restored = make_node(fs, order, progress);
  if (!restored) {
    // A folder that is empty again says more than one that is half made.
    if (const Result<> removed = remove_made(fs, order.data_dir); !removed) {
      restored.error().message += "; and then: " + removed.error().message;
      return restored;
    }
  }
  // Last: from here on it is a node's folder, or an empty one.
  HOLDFAST_TRY(remove_mark(fs, order.data_dir));
  return restored;
}

}  // namespace holdfast::offline
