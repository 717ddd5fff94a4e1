#include "server/recover/survey.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>

#include <fmt/core.h>

#include "replication/node/recovery.h"
#include "server/rebuild.h"
#include "server/rejoin.h"
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
  Recovered& on_disk = opened->recovered;
  std::optional<std::string> why;
  if (quarantine) {
    why = quarantine->why;
    // A start writes it to the log, where that has not been done.
    if (quarantine->hard_state.term > on_disk.hard_state.term)
      on_disk.hard_state = quarantine->hard_state;
  }
  const Lost lost{.entries = quarantine.has_value()};
  HOLDFAST_ASSIGN(const std::optional<LogPosition> begin, restart_needed(on_disk, machine, lost));
  if (begin) {
    HOLDFAST_ASSIGN(raft::Members installed, raft::decode_members(machine.members_payload()));
    return Contents{.hard_state = on_disk.hard_state,
                    .before = *begin,
                    .last = *begin,
                    .log_restarts = true,
                    .members = std::move(installed),
                    .torn_tail = on_disk.torn_tail,
                    .quarantine = std::move(why)};
  }
  HOLDFAST_ASSIGN(const raft::Recovered recovered,
                  recover_replica(on_disk, *opened->log, machine, {}, lost));
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
                  .torn_tail = on_disk.torn_tail,
                  .quarantine = std::move(why)};
}

Result<> read_group(FileSystem& fs, const Place& place, Finding& finding) {
  HOLDFAST_ASSIGN(const std::optional<RebuildNote> rebuild,
                  read_rebuild_note(fs, group_directory(place.data_dir, kFirstGroup)));
  const bool is_to_be_dropped = rebuild && !rebuild->dropped;
  MemoryEngine engine;
  const Result<> read = read_state(fs, place, engine);
  if (!read && !is_to_be_dropped) return read;
  HOLDFAST_ASSIGN(std::unique_ptr<KvStateMachine> machine, KvStateMachine::open(engine));
  finding.state = machine->summary();
  if (!is_to_be_dropped) {
    HOLDFAST_ASSIGN(finding.contents, read_log(fs, place, *machine));
    return {};
  }
  // As a start would have it: by the log alone.
  MemoryEngine none;
  HOLDFAST_ASSIGN(machine, KvStateMachine::open(none));
  Result<Contents> contents = read_log(fs, place, *machine);
  if (!contents)
    return fail(contents.error().code,
                fmt::format("its state was found damaged ({}), and cannot be made anew from its "
                            "log: {}",
                            rebuild->why, contents.error().message));
  finding.contents = *std::move(contents);
  return {};
}

bool is_there(const FileSystem& fs, const std::string& path) {
  return fs.exists(path).value_or(false);
}

void remark_on_log(const FileSystem& fs, const Place& place, Finding& finding) {
  const Result<std::vector<std::string>> names = fs.list(place.log_path());
  if (!names) return;
  const auto files = std::ranges::count_if(
      *names, [](const std::string& name) { return name.ends_with(".damaged"); });
  if (files == 0) return;
  const bool is_sound = finding.is_whole();
  finding.remarks.push_back(
      {.path = place.log_path() + "/*.damaged",
       .meaning = is_sound ? fmt::format("{} files, of earlier damage: what they held is in its "
                                         "state, or was sent by a leader since",
                                         files)
                           : fmt::format("{} files, of its log: entries that it had acknowledged "
                                         "may be there, and nowhere else. Nothing reads them back",
                                         files),
       .may_hold_acknowledged = !is_sound});
}

void remark_on_state(FileSystem& fs, const Place& place, Finding& finding) {
  const std::string group = group_directory(place.data_dir, kFirstGroup);
  const Result<std::optional<RebuildNote>> rebuild = read_rebuild_note(fs, group);
  if (rebuild && *rebuild)
    finding.remarks.push_back(
        {.path = group + "/REBUILD",
         .meaning = fmt::format("its state was found damaged ({}): {}", (*rebuild)->why,
                                (*rebuild)->dropped
                                    ? "it is being made anew"
                                    : "a start drops it, and makes it anew from the log")});
  if (is_there(fs, damaged_state_path(group)))
    finding.remarks.push_back({.path = damaged_state_path(group),
                               .meaning = "the damaged state. All that it was made from was "
                                          "committed, and is in the logs and states of others"});
}

void remark_on_earlier_id(const FileSystem& fs, const Place& place, Finding& finding) {
  for (const std::string& directory : {place.data_dir, place.log_dir}) {
    if (directory.empty() || !is_there(fs, groups_aside(directory))) continue;
    finding.remarks.push_back(
        {.path = groups_aside(directory),
         .meaning = "what this node had under an earlier id, with a damaged log: entries that it "
                    "had acknowledged may be there, and nowhere else. Nothing reads them back",
         .may_hold_acknowledged = true});
  }
}

// Its vote may be lost: whatever is there, it is not that node any more.
void note_rejoin_begun(FileSystem& fs, const Place& place, Finding& finding) {
  const Result<std::optional<RejoinNote>> note = read_rejoin_note(fs, place.data_dir);
  if (!note) {
    finding.problem = problem_of(note.error());
  } else if (*note && (*note)->old_id == finding.identity->node) {
    finding.problem = {Trouble::kDamaged,
                       fmt::format("what it promised in elections may be lost, and it was about to "
                                   "come back as another node: {}",
                                   (*note)->why)};
  }
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
  remark_on_earlier_id(fs, place, finding);
  if (!finding.identity->cluster) {
    finding.problem = {
        Trouble::kNoCluster,
        finding.remarks.empty()
            ? fmt::format("{} never was in a cluster: it holds nothing", finding.identity->name)
            : fmt::format("{} has joined no cluster under its new id yet", finding.identity->name)};
    return finding;
  }
  if (const Result<> read = read_group(fs, place, finding); !read)
    finding.problem = problem_of(read.error());
  note_rejoin_begun(fs, place, finding);
  remark_on_log(fs, place, finding);
  remark_on_state(fs, place, finding);
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
