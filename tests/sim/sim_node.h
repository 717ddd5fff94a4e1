#pragma once

// One node: the production replica, log and state machine, over a disk that forgets at a crash
// what was not synced, with a clock of its own. Only the shells are replaced: instead of threads,
// acts on the agenda, each part of an Output carried out after a delay of its own wherever raft.h
// lets it.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "replication/node/agreement.h"
#include "replication/node/replica.h"
#include "replication/node/upkeep.h"
#include "storage/fs/room.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/memory_engine.h"
#include "storage/log/quarantine.h"
#include "tests/sim/node_clock.h"
#include "tests/sim/sim_file_system.h"
#include "tests/sim/watch.h"

namespace holdfast::sim {

// A copy of a node's state, made by its engine.
struct StateCopy {
  LogPosition position;
  std::shared_ptr<const MemoryEngine::Image> image;
};

// What a node tells the world.
struct Outside {
  std::function<void(NodeId, const Completion&)> completed;
  std::function<void(NodeId, RequestId)> readable;
  std::function<void(NodeId, const raft::Refusal&)> refused;
  std::function<void(NodeId)> died;  // with every request that waited there
  std::function<void(NodeId)> wants_crash;
  std::function<void(NodeId, const raft::SnapshotOrder&)> sends_state;
  std::function<void(NodeId, NodeId)> ends_transfer;
};

class SimNode final : public LogStore, public ApplyQueue, public Snapshots, public Answers {
 public:
  SimNode(NodeId id, Watch& watch, Transport& network, Outside outside);

  void start();  // does nothing on a node that is lost, gone, or not needed yet
  // Begins to live, as a node that asks the cluster of `members` to take it in.
  void join(const raft::Members& members);
  void crash();
  void pause(Duration length);
  void pause_for_ever() { paused_until_ = kNever; }
  void slow_disk(Duration length);
  void stall_disk(Duration length);
  void stall_disk_for_ever() { stalled_until_ = kNever; }
  // Others leave little room on it, or none, until they take their files back.
  void fill_disk(Duration length);
  void fill_disk_for_ever();
  void change_clock_rate();
  // While it is down, synced bytes of its log become others. Its next start finds that out. Where
  // its promises may be among them it never runs again; else it is in quarantine until the others
  // have filled its log again. False: the log is too young to have what can be damaged.
  bool damage_log();
  // While it is down, its state is found damaged: its next start drops it and makes it anew.
  void damage_state();
  void heal();  // no pause, no slow or full disk, no more crashes in a write

  bool is_up() const { return replica_ != nullptr; }
  bool is_lost() const { return lost_; }
  bool is_whole() const { return has_whole_log() && !rebuilds_; }
  bool lacks_state_alone() const { return rebuilds_ && has_whole_log(); }
  bool knows_members() const { return noted_members_.has_value(); }
  LogPosition log_before() const { return replica_->raft().log().before(); }
  bool is_gone() const { return gone_; }  // it was removed, and has ended
  const raft::Members& first_members() const { return first_members_; }
  const raft::Members& members() const { return replica_->raft().members(); }
  Instant clock() const { return clock_.at(watch_.agenda.now()); }
  uint64_t life() const { return life_; }
  raft::Status status() const { return replica_->status(); }
  void submit(raft::Input input);  // a message or requests; lost while the node is down
  // Nothing: there is no state yet.
  std::optional<StateCopy> copy_state();
  // A state of a leader of `term` is stored here, and the node hears of it.
  void take_copy(const std::string& name, const StateCopy& copy, NodeId from, Term term);

  // What is read on this node, now.
  Revision revision() const { return machine_->revision(); }
  std::optional<Row> read(const std::string& key, Revision at) const;
  std::vector<std::pair<std::string, Row>> content() const;
  uint64_t state_hash() const { return machine_->state_hash(); }
  // Whether anything in its state will end with time.
  bool waits_for_time() const;
  Revision history_floor() const { return machine_->history_floor(); }

  // LogStore, ApplyQueue, Snapshots and Answers: called by the replica in its turn.
  void submit(LogWrite write) override;
  void submit(LoadOrder order) override;
  void submit(std::vector<EntryPtr> committed) override;
  void submit(raft::InstallOrder order) override;
  void send(raft::SnapshotOrder order) override;
  void end(NodeId destination) override;
  void discard(const std::string& source) override;
  void readable(std::vector<RequestId> reads) override;
  void refuse(std::vector<raft::Refusal> refusals) override;
  void trace(std::vector<raft::Trace> /*traces*/) override {}

 private:
  bool has_whole_log() const { return !lost_ && !damaged_ && !quarantined_; }
  using Order = std::variant<LogWrite, LoadOrder>;
  using ApplyOrder = std::variant<std::vector<EntryPtr>, raft::InstallOrder>;

  // Does `act` after `delay`, if the node still lives then, and later if it is paused then.
  template <class Act>
  void after(Duration delay, Act act);
  void go_on();
  bool open_log(raft::Recovered& found);
  void note_damage(const Result<MendedLog>& mended);
  void leave_quarantine();
  Result<raft::Recovered> recover(Recovered& on_disk);
  bool cannot_start(const Error& error);
  void leave();
  void give(raft::Input input);
  void plan_turn(Duration delay);
  void turn();
  void keep_up(const raft::Status& status);
  void set_timer();
  void note_roles(const std::vector<raft::RoleChange>& changes);
  void note_input(const raft::Input& input);

  void work_disk();
  void sync_disk(std::vector<LogWrite> writes, std::vector<LoadOrder> loads);
  void finish_sync(WriteTicket last, const std::vector<LoadOrder>& loads);
  void answer_loads(const std::vector<LoadOrder>& loads);
  void work_apply();
  void apply(const std::vector<EntryPtr>& entries);
  void note_members(const std::vector<EntryPtr>& applied);
  void install(const raft::InstallOrder& order);
  void died_of(const char* what, const Error& error);
  bool is_disk_filled() const { return filled_until_ > watch_.agenda.now(); }
  void leave_room(uint64_t bytes);
  void free_disk();
  void make_room_to_start();
  bool make_room();
  void look_at_room();
  void look_later();

  const NodeId id_;
  Watch& watch_;
  Transport& network_;
  const Outside outside_;
  class NotedTransport;
  std::unique_ptr<Transport> noted_;  // marks what leaves, then sends it

  // What a crash leaves.
  SimFileSystem files_;
  std::unique_ptr<MemoryEngine> engine_ = std::make_unique<MemoryEngine>();
  uint64_t life_ = 0;
  bool healed_ = false;
  bool damaged_ = false;      // and it has not found that out
  bool quarantined_ = false;  // its disk says so
  bool leaves_quarantine_ = false;
  bool rebuilds_ = false;  // so does it of its state
  bool lost_ = false;
  bool gone_ = false;
  raft::Members first_members_;  // that it knows of before its log holds any; none: a spare
  std::optional<raft::Members> noted_members_;  // beside the state
  LogIndex applied_at_crash_;
  uint64_t own_requests_ = 0;
  NodeClock clock_;
  Instant filled_until_{};           // the disk, by others
  uint64_t free_most_ = UINT64_MAX;  // on it: others take at once what the log lets go
  bool has_reserve_ = true;

  // Of this life.
  std::unique_ptr<SegmentedLog> log_;
  std::unique_ptr<KvStateMachine> machine_;
  std::unique_ptr<Replica> replica_;
  std::unique_ptr<Upkeep> upkeep_;
  std::unique_ptr<HashReporter> hash_reporter_;
  std::vector<raft::Input> inputs_;
  bool turn_planned_ = false;
  Instant timer_ = kNever;
  Instant paused_until_{};
  std::deque<Agenda::Act> held_;  // until the pause ends
  Instant slow_until_{};
  Instant stalled_until_{};
  RoomLevel room_ = RoomLevel::kEnough;
  bool looks_at_room_ = false;
  bool waits_for_room_ = false;  // the log thread
  std::deque<Order> orders_;
  bool disk_works_ = false;
  std::vector<std::string> let_go_;  // files of the log that may be removed, oldest first
  std::deque<ApplyOrder> applies_;
  std::set<std::string> arrived_;  // states that wait to be put in use
  bool apply_works_ = false;
  raft::RoleChange role_{};

  // For the marks.
  std::map<RequestId, Term> given_in_;
  std::set<std::pair<NodeId, uint64_t>> forwards_seen_;
  bool read_is_asked_ = false;
};

template <class Act>
void SimNode::after(Duration delay, Act act) {
  watch_.agenda.add(delay, [this, life = life_, act = std::move(act)]() mutable {
    if (life != life_ || !replica_) return;
    if (watch_.agenda.now() < paused_until_) {
      held_.emplace_back(std::move(act));
    } else {
      act();
    }
  });
}

using SimNodes = std::vector<std::unique_ptr<SimNode>>;  // node 1 first

}  // namespace holdfast::sim
