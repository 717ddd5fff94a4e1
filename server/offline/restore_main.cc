// `holdfast restore`: a new cluster from a backup.

#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/member_name.h"
#include "server/offline/progress_line.h"
#include "server/offline/restore.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/fs/posix.h"

namespace holdfast::offline {
namespace {

enum class Exit { kDone = 0, kOther = 1, kDamaged = 2 };

constexpr const char* kFooter =
    R"(Examples:
  holdfast restore monday.backup --data-dir ./restored
  holdfastd --data-dir ./restored                            starts it
  holdfastd --data-dir ./n2 --join http://127.0.0.1:4653     makes it two, and so on

The cluster is a new one with one member, this node; both have new ids, and the members of the old
one are forgotten. Keys, the history that was kept, leases and settings are those of the backup.
Revisions go on far above the backup's, so that none which the old cluster gave out since comes
again. The folder must be empty or not there. Where it fails nothing is left in it; where it is
interrupted, the same command begins anew.

Exit codes: 0 done; 1 wrong usage, or it failed (see the message); 2 the backup is damaged.)";

void say(const RestoreOrder& order, const Restored& restored, bool as_json) {
  if (as_json) {
    const nlohmann::json said = {
        {"data_dir", order.data_dir},
        {"name", restored.identity.name},
        {"node_id", fmt::format("{:016x}", restored.identity.node.value)},
        {"cluster_id", fmt::format("{:016x}", restored.identity.cluster.value)},
        {"backup_cluster_id", fmt::format("{:016x}", restored.head.cluster.value)},
        {"backup_revision", restored.head.revision.value},
        {"revision", restored.revision.value}};
    fmt::print("{}\n", said.dump());
    return;
  }
  fmt::print(
      "{} holds a new cluster, {:016x}, of one node, {}: the state of cluster {:016x} at revision "
      "{}.\nThe next change is revision {}.\n\n"
      "Start it:              holdfastd --data-dir {}\n"
      "Then let others join:  holdfastd --data-dir EMPTY-FOLDER --join http://HOST:4653\n",
      order.data_dir, restored.identity.cluster.value, restored.identity.name,
      restored.head.cluster.value, restored.head.revision.value, restored.revision.value + 1,
      order.data_dir);
}

int run(int argc, char** argv) {
  RestoreOrder order{.file = {},
                     .data_dir = {},
                     .name = "n1",
                     .peer_address = "127.0.0.1:4654",
                     .node = {random_from_system()},
                     .cluster = {random_from_system()},
                     .now_ms = wall_ms(SystemClock())};
  bool as_json = false;
  CLI::App app("holdfast restore: a new cluster from a backup.", "holdfast restore");
  app.set_version_flag("--version", "holdfast-restore " HOLDFAST_VERSION);
  app.add_option("FILE", order.file, "What `holdfast backup` has stored")->required();
  app.add_option("--data-dir", order.data_dir,
                 "An empty folder, or none: the node's data directory")
      ->type_name("DIR")
      ->required();
  app.add_option("--name", order.name, "The node's name (n1)")
      ->type_name("NAME")
      ->check([](const std::string& name) {
        return is_member_name(name) ? std::string() : std::string(kMemberNameRule);
      });
  app.add_flag("--json", as_json, "Print JSON, for scripts");
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : static_cast<int>(Exit::kOther);
  }
  PosixFileSystem fs;
  const Result<Restored> restored = restore(fs, order, show_progress);
  if (!restored) {
    fmt::print(stderr, "holdfast restore: {}\n", restored.error().message);
    const bool damaged = restored.error().code == ErrorCode::kCorrupt;
    return static_cast<int>(damaged ? Exit::kDamaged : Exit::kOther);
  }
  say(order, *restored, as_json);
  return static_cast<int>(Exit::kDone);
}

}  // namespace
}  // namespace holdfast::offline

int main(int argc, char** argv) {
  return holdfast::offline::run(argc, argv);
}
