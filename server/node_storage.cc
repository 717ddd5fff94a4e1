#include "server/node_storage.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/members_note.h"
#include "server/rebuild.h"
#include "server/rejoin.h"
#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/restart.h"
#include "storage/log/quarantine.h"

namespace holdfast {
namespace {

// As the state says, or what is known without it.
Result<raft::Members> newest_members(const KvStateMachine& machine, const raft::Members& known,
                                     Suspicion& suspicion) {
  const std::string newest = machine.members_payload();
  if (newest.empty()) return known;
  HOLDFAST_ASSIGN(raft::Members members, raft::decode_members(newest));
  suspicion.follow(members);
  return members;
}

// Drops the state first where that is noted, and where it cannot even be opened.
Result<std::unique_ptr<RocksEngine>> open_state(FileSystem& fs, const std::string& group,
                                                bool others_have_it, Suspicion& suspicion,
                                                RocksEngine::Options options,
                                                std::optional<RebuildNote>& rebuild) {
  options.directory = group + "/state";
  options.on_damage = [&suspicion](const std::string& what) { suspicion.state_is_damaged(what); };
  if (rebuild && !rebuild->dropped) HOLDFAST_TRY(drop_damaged_state(fs, group, *rebuild));
  Result<std::unique_ptr<RocksEngine>> engine = RocksEngine::open(options);
  if (engine || engine.error().code != ErrorCode::kCorrupt || !others_have_it) return engine;
  HOLDFAST_ASSIGN(rebuild, note_damaged_state(fs, group, engine.error().message));
  HOLDFAST_TRY(drop_damaged_state(fs, group, *rebuild));
  return RocksEngine::open(options);
}

// Nobody else has the entries: nothing of those that are needed is touched.
Result<MendedLog> open_only_copy(FileSystem& fs, const std::string& path,
                                 const SegmentedLog::Options& options, LogIndex durable) {
  Result<MendedLog> opened = open_needed_log(fs, path, options, durable);
  if (opened || opened.error().code != ErrorCode::kCorrupt) return opened;
  return fail(ErrorCode::kCorrupt,
              opened.error().message +
                  ". Nothing that is needed was changed: at most, files of what is in the state "
                  "too were put aside as *.damaged. No other node has the entries: restore a "
                  "backup, or look at what is whole with holdfast recover");
}

// Returns where nobody can be asked; else starts the process anew.
Error come_back_as_another(FileSystem& fs, const Identity& identity, const StoragePlaces& places,
                           const raft::Members& members, const KvStateMachine& machine,
                           Error lost) {
  const raft::Member* const own = members.find(identity.node);
  RejoinNote note{.old_id = identity.node,
                  .cluster = identity.cluster,
                  .stays_learner = own != nullptr && own->stays_learner,
                  .urls = {},
                  .why = lost.message};
  for (const auto& [id, url] : *machine.client_urls())
    if (id != identity.node) note.urls.push_back(url);
  if (note.urls.empty()) note.urls = noted_urls(fs, places.group);
  if (note.urls.empty()) {
    lost.message +=
        ". Where to ask the others is not known here: remove its data folder, remove it from the "
        "cluster (holdfast members remove NAME), and start it with --join URL. If a majority "
        "is damaged: holdfast recover";
    return lost;
  }
  if (Result<> noted = note_rejoin(fs, places.data, note); !noted) return std::move(noted).error();
  log_error(
      "{}. It comes back as another node, by itself, through {}. If a majority is damaged: "
      "holdfast recover",
      lost.message, fmt::join(note.urls, ", "));
  restart_process();
}

Result<MendedLog> open_log(FileSystem& fs, const std::string& path,
                           const SegmentedLog::Options& options, LogIndex durable,
                           bool others_have_it, const Suspicion& suspicion) {
  HOLDFAST_ASSIGN(MendedLog mended, others_have_it ? open_and_mend(fs, path, options, durable)
                                                   : open_only_copy(fs, path, options, durable));
  if (!mended.needless_damage.empty())
    suspicion.tell(
        EventKind::kRebuild, "mended",
        fmt::format("{}. All that was there is in the state, and it was put aside as *.damaged: "
                    "the log goes back to entry {} now",
                    mended.needless_damage, mended.opened.recovered.before.index.value + 1));
  if (mended.quarantine)
    suspicion.tell(
        EventKind::kQuarantine, "begins",
        fmt::format("{}. This node goes on from entry {}, fetches what follows from the leader, "
                    "and does not vote until it has it; what was there is kept as *.damaged. If no "
                    "leader comes, a majority may be damaged: stop all nodes and look at them with "
                    "holdfast recover",
                    mended.quarantine->why, mended.opened.recovered.last.index.value));
  return mended;
}

void say_what_was_dropped(const Recovered& recovered) {
  if (recovered.torn_tail)
    log_warning(
        "{}: the last batch was not whole when the node stopped; {} bytes at {} that had "
        "not been acknowledged were dropped",
        recovered.torn_tail->file, recovered.torn_tail->bytes, recovered.torn_tail->offset);
}

}  // namespace

Result<NodeStorage> open_node_storage(FileSystem& fs, const Identity& identity,
                                      const StoragePlaces& places,
                                      const SegmentedLog::Options& options, Suspicion& suspicion,
                                      RocksEngine::Options state) {
  NodeStorage storage;
  HOLDFAST_ASSIGN(std::optional<RebuildNote> rebuild, read_rebuild_note(fs, places.group));
  HOLDFAST_ASSIGN(const std::optional<raft::Members> noted, noted_members(fs, places.group));
  const raft::Members known = noted.value_or(identity.first_members);
  suspicion.assume(known);
  HOLDFAST_ASSIGN(storage.engine, open_state(fs, places.group, has_peers(known, identity.node),
                                             suspicion, std::move(state), rebuild));
  HOLDFAST_ASSIGN(storage.machine, KvStateMachine::open(*storage.engine));
  HOLDFAST_ASSIGN(const raft::Members members, newest_members(*storage.machine, known, suspicion));
  const bool others_have_it = has_peers(members, identity.node);
  const auto rejoin_if_lost = [&](Error error) -> std::unexpected<Error> {
    if (error.code != ErrorCode::kVoteLost || !others_have_it) return std::unexpected(error);
    return std::unexpected(
        come_back_as_another(fs, identity, places, members, *storage.machine, std::move(error)));
  };
  Result<MendedLog> opened = open_log(fs, places.log, options, storage.machine->applied().index,
                                      others_have_it, suspicion);
  if (!opened) return rejoin_if_lost(std::move(opened).error());
  MendedLog mended = *std::move(opened);
  const Recovered& on_disk = mended.opened.recovered;
  say_what_was_dropped(on_disk);
  if (!was_begun(on_disk))
    return fail(
        ErrorCode::kCorrupt,
        fmt::format("{} is empty, but this node is a member of a cluster and has had a log: "
                    "what it voted for and acknowledged is gone. Put the log back (is a "
                    "disk not mounted?), or remove the node's data folder and let it join "
                    "anew (--join)",
                    places.log));
  Result<raft::Recovered> recovered =
      recover_replica(on_disk, *mended.opened.log, *storage.machine, known,
                      {.entries = mended.quarantine.has_value(),
                       .state = rebuild.has_value(),
                       .members = !noted.has_value()});
  if (!recovered) return rejoin_if_lost(std::move(recovered).error());
  storage.recovered = *std::move(recovered);
  if (storage.recovered.lacks_state) {
    suspicion.tell(
        EventKind::kRebuild, "begins",
        fmt::format("the state of this node was damaged: {}. A peer is asked for its own; what was "
                    "dropped is kept as damaged-state. If no leader comes, a majority may be "
                    "damaged: stop all nodes and look at them with holdfast recover",
                    rebuild->why));
  } else if (rebuild) {
    suspicion.state_is_new();
  } else {
    HOLDFAST_TRY(remove_damaged_state(places.group));
  }
  storage.log = std::move(mended.opened.log);
  log_info("log up to {}, state up to {}", storage.recovered.last.value,
           storage.recovered.applied.value);
  return storage;
}

void Repairs::begin_quarantine(const raft::Status& status) {
  const std::string why = fmt::format(
      "the log in {} ends at entry {}, and the leader knows that it held others, or more: the "
      "disk has forgotten what it had synced",
      places_.log, status.last.index.value);
  const Result<> noted =
      holdfast::begin_quarantine(fs_, places_.log, {status.term, status.vote}, why);
  // A start that does not know of it would vote with what is left.
  if (!noted) fatal(fmt::format("{}; and that could not be noted: {}", why, noted.error().message));
  quarantined_ = true;
  suspicion_.tell(
      EventKind::kQuarantine, "begins",
      fmt::format("{}. This node fetches it from the leader, and does not vote until it has it",
                  why));
}

void Repairs::settle(const raft::Status& status, LogWriter& log) {
  if (quarantined_ && !status.quarantined) {
    const Result<std::vector<std::string>> files = left_of_quarantine(fs_, places_.log);
    if (!files) return log_warning("the log is whole again, but: {}", files.error().message);
    quarantined_ = false;
    log.remove(*files);
    suspicion_.tell(EventKind::kQuarantine, "ends", "the log is whole again: this node votes");
  }
  if (lacks_state_ && !status.awaits_state) {
    lacks_state_ = false;
    suspicion_.state_is_new();
    suspicion_.tell(EventKind::kRebuild, "ends", "the state is whole again: this node serves");
  }
}

}  // namespace holdfast
