#include "server/entrance.h"

#include <utility>

#include "replication/node/recovery.h"
#include "server/addresses.h"
#include "server/newcomer.h"
#include "storage/base/log.h"

namespace holdfast {

Hello hello_of(const Config& config, const Identity& identity) {
  return {kPeerProtocol, identity.cluster, identity.node, identity.name,
          peer_address_of(config, identity.name)};
}

StoragePlaces places_of(const Config& config, const DataDirectory& directory) {
  const std::string& logs = config.log_dir.empty() ? config.data_dir : config.log_dir;
  return {.data = config.data_dir,
          .group = directory.group_path(kFirstGroup),
          .log = group_directory(logs, kFirstGroup) + "/log"};
}

Result<> make_folders(FileSystem& fs, const StoragePlaces& places) {
  HOLDFAST_TRY(fs.create_directories(places.log));
  return fs.create_directories(places.group);
}

Result<> remove_what_lies_aside(const Config& config) {
  HOLDFAST_TRY(remove_groups_aside(config.data_dir));
  if (config.log_dir.empty()) return {};
  return remove_groups_aside(config.log_dir);
}

Entrance::Entrance(const Config& config, SegmentedLog::Options log, Seams seams, Random random)
    : config_(config),
      log_(std::move(log)),
      seams_(seams),
      random_(random),
      join_urls_(config.join),
      stays_learner_(config.learner) {}

Result<bool> Entrance::pass() {
  HOLDFAST_ASSIGN(const bool goes_on, rejoin());
  if (!goes_on) return false;
  if (!seams_.directory.identity().cluster) return become_member();
  HOLDFAST_TRY(check_join());
  return true;
}

// False: a signal came.
Result<bool> Entrance::rejoin() {
  HOLDFAST_ASSIGN(const std::optional<RejoinNote> due,
                  read_rejoin_note(seams_.fs, config_.data_dir));
  if (!due) {
    // What was put aside has had its time. Nothing depends on its being gone.
    if (const Result<> removed = remove_what_lies_aside(config_); !removed)
      log_warning("what this node had before it came back as another one takes room still: {}",
                  removed.error().message);
    return true;
  }
  const Identity& identity = seams_.directory.identity();
  join_urls_ = due->urls;
  rejoins_ = due->cluster;
  stays_learner_ = due->stays_learner;
  if (identity.node == due->old_id) {
    tell_change("leaves", LogLevel::kError,
                fmt::format("{} comes back as another node: {}", identity.name, due->why));
    HOLDFAST_ASSIGN(const bool has_left, leave(*due));
    if (!has_left) return false;
  }
  if (!identity.cluster) {
    HOLDFAST_ASSIGN(const bool is_member, become_member());
    if (!is_member) return false;
  }
  HOLDFAST_TRY(end_rejoin(seams_.fs, config_.data_dir));
  tell_change("returns", LogLevel::kInfo,
              fmt::format("{} is node {:016x} now", identity.name, identity.node.value));
  return true;
}

void Entrance::tell_change(const char* change, LogLevel level, std::string text) const {
  const Identity& identity = seams_.directory.identity();
  seams_.tell({.kind = EventKind::kMembership,
               .level = level,
               .text = std::move(text),
               .fields = {{"change", change},
                          {"member", identity.name},
                          {"id", fmt::format("{:016x}", identity.node.value)}}});
}

// The new id last: until it is on the disk, a start begins with the old one again. Who was removed
// while it was down, and not because it asked for that, stays out.
Result<bool> Entrance::leave(RejoinNote note) {
  const bool had_asked = std::exchange(note.asked, true);
  const Departure departure{.old_id = note.old_id, .cluster = note.cluster, .about_to_ask = [&] {
                              return note_rejoin(seams_.fs, config_.data_dir, note);
                            }};
  HOLDFAST_ASSIGN(const Removal removal,
                  Newcomer(seams_.loop, seams_.transport, seams_.clock, random_.fork())
                      .remove(join_urls_, departure));
  if (removal == Removal::kStopped) return false;
  if (removal == Removal::kWasNoMember && !had_asked) {
    HOLDFAST_TRY(seams_.directory.note_removal(seams_.fs));
    return false;
  }
  HOLDFAST_TRY(put_groups_aside(seams_.fs, config_.data_dir));
  if (!config_.log_dir.empty()) HOLDFAST_TRY(put_groups_aside(seams_.fs, config_.log_dir));
  HOLDFAST_TRY(seams_.directory.become(seams_.fs, NodeId{random_from_system()}));
  seams_.transport.introduce(hello_of(config_, seams_.directory.identity()));
  return true;
}

// Nothing: a signal ended it.
Result<std::optional<Entered>> Entrance::ask_others() {
  Newcomer newcomer(seams_.loop, seams_.transport, seams_.clock, random_.fork());
  const Hello self = hello_of(config_, seams_.directory.identity());
  if (join_urls_.empty()) return newcomer.form(config_.initial_cluster, self);
  return newcomer.join(join_urls_, {.node = self.node,
                                    .name = self.name,
                                    .peer_address = self.peer_address,
                                    .client_url = client_url_of(config_),
                                    .stays_learner = stays_learner_,
                                    .cluster = rejoins_});
}

// False: a signal came before it was one.
Result<bool> Entrance::become_member() {
  HOLDFAST_ASSIGN(std::optional<Entered> entered, ask_others());
  if (!entered) return false;
  log_info("cluster {:016x} {} with {} members", entered->cluster.value,
           join_urls_.empty() ? "has formed" : "takes this node in,", entered->members.list.size());
  HOLDFAST_TRY(begin_log(entered->members));
  // The identity last: a crash before it begins anew. From it on an empty log is a lost one.
  HOLDFAST_TRY(seams_.directory.enter(seams_.fs, *std::move(entered)));
  seams_.transport.introduce(hello_of(config_, seams_.directory.identity()));
  return true;
}

// All first members of a cluster begin their logs with the list of them; who joins is sent it.
Result<> Entrance::begin_log(const raft::Members& members) {
  const StoragePlaces places = places_of(config_, seams_.directory);
  HOLDFAST_TRY(make_folders(seams_.fs, places));
  HOLDFAST_ASSIGN(const SegmentedLog::Opened opened,
                  SegmentedLog::open(seams_.fs, places.log, log_));
  if (join_urls_.empty()) return write_first_entry(opened.recovered, *opened.log, members);
  return write_first_hard_state(opened.recovered, *opened.log);
}

// A member that is told to join, as its service file may say for ever, is one already.
Result<> Entrance::check_join() const {
  const Identity& identity = seams_.directory.identity();
  if (config_.join.empty()) return {};
  const std::optional<ClusterId> there = cluster_at(config_.join, seams_.clock);
  if (there && *there != identity.cluster)
    return fail(ErrorCode::kInvalid,
                fmt::format("{} belongs to a member of cluster {:016x}, and --join names a node of "
                            "cluster {:016x}: start it without --join to go on in its own, or give "
                            "it an empty --data-dir to join the other",
                            config_.data_dir, identity.cluster.value, there->value));
  log_info("--join: {} is a member of cluster {:016x} already", identity.name,
           identity.cluster.value);
  return {};
}

}  // namespace holdfast
