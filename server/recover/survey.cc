#include "server/recover/survey.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>

#include <fmt/core.h>

#include "replication/node/recovery.h"
#include "storage/kv/memory_engine.h"
#include "storage/kv/rocks_engine.h"
#include "storage/kv/state_directory.h"
#include "storage/log/quarantine.h"

namespace holdfast::recover {
namespace {

Problem problem_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalid:
      return {Trouble::kNewerFormat, error.message};
    case ErrorCode::kCorrupt:
    case ErrorCode::kVoteLost:
      return {Trouble::kDamaged, error.message};
    default:
      return {Trouble::kUnreadable, error.message};
  }
}

// For people only: a folder that cannot be listed is of no date.
void note_newest(const std::string& directory, std::optional<WallTime>& newest) {
  namespace files = std::filesystem;
  std::error_code code;
  files::recursive_directory_iterator entry(directory, code);
  for (; !code && entry != files::recursive_directory_iterator(); entry.increment(code)) {
    std::error_code unknown;
    if (!entry->is_regular_file(unknown) || unknown) continue;
    const files::file_time_type time = entry->last_write_time(unknown);
    if (unknown) continue;
    const auto wall = std::chrono::time_point_cast<Duration>(std::chrono::file_clock::to_sys(time));
    newest = std::max(newest.value_or(WallTime::min()), wall);
  }
}

Result<Identity> identity_of(FileSystem& fs, const Place& place) {
  Result<Identity> identity = read_identity(fs, place.data_dir);
  if (identity || identity.error().code != ErrorCode::kNotFound) return identity;
  return fail(
      ErrorCode::kNotFound,
      fmt::format("{} is no node's data directory: there is no IDENTITY in it", place.data_dir));
}

// What the state says of itself; its rows stay on the disk, unread.
Result<> read_state(FileSystem& fs, const Place& place, Engine& engine) {
  const Result<StateDirectory> states =
      StateDirectory::open(group_directory(place.data_dir, kFirstGroup) + "/state");
  if (!states && states.error().code == ErrorCode::kNotFound) return {};
  if (!states) return std::unexpected(states.error());
  const std::string directory = states->active();
  HOLDFAST_ASSIGN(const bool there, fs.exists(directory + "/CURRENT"));
  // A node that ended before its first write to the state: it starts from the log's first entry.
  if (!there && states->may_be_missing()) return {};
  EngineBatch words;
  HOLDFAST_ASSIGN(const NamedValues named, RocksEngine::read_named_values(directory));
  words.meta.assign(named.begin(), named.end());
  engine.write(words);
  return {};
}

Result<raft::Members> newest_members(const raft::Recovered& recovered) {
  if (recovered.newer_members.empty()) return recovered.members;
  return raft::decode_members(recovered.newer_members.back()->payload.view());
}

Result<Contents> read_log(FileSystem& fs, const Place& place, const KvStateMachine& machine) {
  Result<SegmentedLog::Opened> opened = SegmentedLog::open_to_read(fs, place.log_path());
  if (!opened && opened.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("there is no log in {}. Was it kept elsewhere? Then name that place: "
                            "--log-dir {}=LOG-DIR",
                            place.log_path(), place.data_dir));
  }
  if (!opened) return std::unexpected(opened.error());
  HOLDFAST_ASSIGN(const std::optional<Quarantine> quarantine,
                  read_quarantine(fs, place.log_path()));
  if (quarantine) {
    return fail(
        ErrorCode::kCorrupt,
        "its log lost entries that it had acknowledged, and no leader has filled it again: " +
            quarantine->why);
  }
  const Recovered& on_disk = opened->recovered;
  HOLDFAST_ASSIGN(const std::optional<LogPosition> begin, restart_needed(on_disk, machine));
  if (begin) {
    HOLDFAST_ASSIGN(raft::Members installed, raft::decode_members(machine.members_payload()));
    return Contents{.hard_state = on_disk.hard_state,
                    .before = *begin,
                    .last = *begin,
                    .log_restarts = true,
                    .members = std::move(installed),
                    .torn_tail = on_disk.torn_tail};
  }
  HOLDFAST_ASSIGN(const raft::Recovered recovered,
                  recover_replica(on_disk, *opened->log, machine, {}));
  HOLDFAST_ASSIGN(raft::Members members, newest_members(recovered));
  if (!on_disk.last.index || members.voters().empty()) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("the log in {} holds nothing to recover from: nothing was ever "
                            "replicated to this node, or its log is not the one it had",
                            place.log_path()));
  }
  return Contents{.hard_state = on_disk.hard_state,
                  .before = on_disk.before,
                  .last = on_disk.last,
                  .members = std::move(members),
                  .torn_tail = on_disk.torn_tail};
}

Result<> read_group(FileSystem& fs, const Place& place, Finding& finding) {
  MemoryEngine engine;
  HOLDFAST_TRY(read_state(fs, place, engine));
  HOLDFAST_ASSIGN(const std::unique_ptr<KvStateMachine> machine, KvStateMachine::open(engine));
  finding.state = machine->summary();
  HOLDFAST_ASSIGN(finding.contents, read_log(fs, place, *machine));
  return {};
}

}  // namespace

std::string Place::log_path() const {
  return group_directory(log_dir.empty() ? data_dir : log_dir, kFirstGroup) + "/log";
}

Finding look_at(FileSystem& fs, const Place& place) {
  Finding finding{.path = place.data_dir};
  note_newest(group_directory(place.data_dir, kFirstGroup), finding.last_written);
  if (!place.log_dir.empty()) note_newest(place.log_path(), finding.last_written);
  Result<Identity> identity = identity_of(fs, place);
  if (!identity) {
    finding.problem = identity.error().code == ErrorCode::kNotFound
                          ? Problem{Trouble::kNoNode, identity.error().message}
                          : problem_of(identity.error());
    return finding;
  }
  finding.identity = *std::move(identity);
  if (!finding.identity->cluster) {
    finding.problem = {
        Trouble::kNoCluster,
        fmt::format("{} never was in a cluster: it holds nothing", finding.identity->name)};
    return finding;
  }
  if (const Result<> read = read_group(fs, place, finding); !read)
    finding.problem = problem_of(read.error());
  return finding;
}

Finding look_at_locked(FileSystem& fs, const Place& place, const Error& refusal) {
  Finding finding{.path = place.data_dir};
  if (Result<Identity> identity = identity_of(fs, place)) finding.identity = *std::move(identity);
  finding.problem = refusal.code == ErrorCode::kInvalid
                        ? Problem{Trouble::kInUse,
                                  "a process uses it: this node runs. If it does so with a "
                                  "majority, the cluster is not lost; else stop it first"}
                        : problem_of(refusal);
  return finding;
}

}  // namespace holdfast::recover
