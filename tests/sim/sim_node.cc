#include "tests/sim/sim_node.h"

#include <algorithm>

#include <fmt/format.h>

#include "replication/node/recovery.h"
#include "replication/raft/print.h"

namespace holdfast::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

const std::string kLogDirectory = "log";
constexpr uint64_t kOwnRequests = uint64_t{3} << 61;  // beyond all that clients ask

raft::Members members_of(const Plan& plan) {
  raft::Members members;
  for (uint64_t id = 1; id <= plan.nodes; ++id)
    members.list.push_back({NodeId{id}, fmt::format("n{}", id), "", true});
  return members;
}

}  // namespace

// Looks at what leaves the node before it leaves.
class SimNode::NotedTransport final : public Transport {
 public:
  explicit NotedTransport(SimNode& node) : node_(node) {}

  void send(std::vector<raft::Envelope> envelopes) override {
    for (const raft::Envelope& envelope : envelopes) note(envelope);
    node_.network_.send(std::move(envelopes));
  }

 private:
  void note(const raft::Envelope& envelope) {
    Marks& marks = node_.watch_.marks;
    if (const auto* reply = std::get_if<raft::VoteReply>(&envelope.body); reply && !reply->granted)
      marks.reach(reply->phase == raft::VotePhase::kPreVote ? Mark::kPreVoteRefused
                                                            : Mark::kVoteRefused);
    if (std::holds_alternative<raft::AppendRejected>(envelope.body))
      marks.reach(Mark::kAppendRejected);
    if (std::holds_alternative<raft::ForwardRefused>(envelope.body))
      marks.reach(Mark::kForwardRefused);
    if (std::holds_alternative<raft::ReadRequest>(envelope.body)) {
      if (node_.read_is_asked_) marks.reach(Mark::kReadRetried);
      node_.read_is_asked_ = true;
    }
    if (const auto* forward = std::get_if<raft::Forward>(&envelope.body)) {
      for (const raft::ForwardedProposal& proposal : forward->proposals) {
        const auto [given, is_new] = node_.given_in_.emplace(proposal.request, envelope.term);
        if (!is_new && given->second != envelope.term) marks.reach(Mark::kResubmitted);
      }
    }
  }

  SimNode& node_;
};

SimNode::SimNode(NodeId id, Watch& watch, Transport& network, Outside outside)
    : id_(id),
      watch_(watch),
      network_(network),
      outside_(std::move(outside)),
      noted_(std::make_unique<NotedTransport>(*this)),
      files_(watch.random.next()),
      clock_(draw_clock(watch.plan.clocks, watch.random, watch.agenda.now())) {
  if (id.value <= watch.plan.nodes) first_members_ = members_of(watch.plan);
}

void SimNode::change_clock_rate() {
  if (!replica_) return;
  watch_.marks.reach(Mark::kClockChanged);
  clock_.set_rate(draw_rate(watch_.plan.clocks, watch_.random), watch_.agenda.now());
  timer_ = kNever;
  set_timer();
}

// In the order in which it would have happened.
void SimNode::go_on() {
  if (watch_.agenda.now() < paused_until_) return;
  std::deque<Agenda::Act> held = std::exchange(held_, {});
  for (Agenda::Act& act : held) after({}, std::move(act));
}

void SimNode::start() {
  if (lost_ || gone_ || first_members_.list.empty()) return;
  ++life_;
  make_room_to_start();
  raft::Recovered found;
  if (!open_log(found)) return;
  raft::Config config = watch_.plan.limits;
  if (watch_.random.chance(watch_.plan.faults.other_settings)) {
    config = draw_other_limits(watch_.plan.limits, watch_.random);
    watch_.marks.reach(Mark::kOtherSettings);
  }
  config.self = id_;
  if (watch_.random.chance(0.3)) {  // the machine was started anew
    clock_ = draw_clock(watch_.plan.clocks, watch_.random, watch_.agenda.now());
  }
  replica_ = std::make_unique<Replica>(config, found, watch_.random.fork(), clock(),
                                       Replica::Seams{*this, *noted_, *this, *this, *this});
  upkeep_ = std::make_unique<Upkeep>(*machine_);
  hash_reporter_ = std::make_unique<HashReporter>(id_);
  watch_.line(id_, [&] {
    return fmt::format("starts: last={} applied={} clock={}", found.last.value, found.applied.value,
                       clock().time_since_epoch().count());
  });
  watch_.invariants.runs_with(id_, config);
  if (damaged_) watch_.invariants.lost_entries(id_, found);
  damaged_ = false;
  watch_.invariants.started(id_, found, replica_->raft());
  plan_turn({});
  look_at_room();
}

void SimNode::join(const raft::Members& members) {
  if (!first_members_.list.empty()) return;
  first_members_ = members;
  start();
}

// As the process of a node that hears that it was removed.
void SimNode::leave() {
  watch_.marks.reach(Mark::kMemberLeft);
  gone_ = true;
  crash();
}

bool SimNode::open_log(raft::Recovered& found) {
  const SegmentedLog::Options options{.segment_bytes = watch_.plan.disk.segment_bytes,
                                      .salt = watch_.random.next(),
                                      .keep_bytes = watch_.plan.snapshots.keep_bytes,
                                      .make_room = [this] { return make_room(); }};
  auto machine = KvStateMachine::open(*engine_, watch_.plan.disk.unflushed_bytes_max);
  if (!machine) return cannot_start(machine.error());
  auto mended = open_and_mend(files_, kLogDirectory, options, machine->get()->applied().index);
  if (damaged_) note_damage(mended);
  if (lost_) return false;
  if (!mended) return cannot_start(mended.error());
  SegmentedLog::Opened& opened = mended->opened;
  quarantined_ = mended->quarantine.has_value();
  leaves_quarantine_ = false;
  if (opened.recovered.torn_tail) watch_.marks.reach(Mark::kTornTail);
  if (machine->get()->applied().index < applied_at_crash_) watch_.marks.reach(Mark::kFlushLost);
  log_ = std::move(opened.log);
  machine_ = *std::move(machine);
  Result<raft::Recovered> recovered = recover(opened.recovered);
  if (!recovered) return cannot_start(recovered.error());
  found = *std::move(recovered);
  return true;
}

void SimNode::note_damage(const Result<MendedLog>& mended) {
  watch_.marks.reach(Mark::kDamageFound);
  lost_ = !mended && mended.error().code == ErrorCode::kVoteLost;
  if (lost_) watch_.marks.reach(Mark::kPromiseLost);
  watch_.line(id_, [this] {
    return std::string("finds its log damaged") + (lost_ ? ", and its promises may be lost" : "");
  });
  if (mended && !mended->quarantine && mended->needless_damage.empty())
    watch_.invariants.fail("damage is found",
                           fmt::format("node {} starts on a damaged log", id_.value));
}

// A restart before the files are gone begins it again.
void SimNode::leave_quarantine() {
  watch_.marks.reach(Mark::kDamageHealed);
  leaves_quarantine_ = true;
  after(watch_.random.between(Duration{}, Duration(milliseconds(200))), [this] {
    const Result<std::vector<std::string>> files = left_of_quarantine(files_, kLogDirectory);
    if (!files) return died_of("list", files.error());
    if (Result<> removed = log_->remove(*files); !removed)
      return died_of("remove", removed.error());
    quarantined_ = false;
  });
}

bool SimNode::cannot_start(const Error& error) {
  watch_.invariants.fail("a crash leaves what can be opened",
                         fmt::format("node {}: {}", id_.value, error.message));
  return false;
}

// As a node of production: the log of a first member begins with the list of them all, and the log
// of one that joins with nothing but a term.
Result<raft::Recovered> SimNode::recover(Recovered& on_disk) {
  const raft::Members& members = first_members_;
  if (!was_begun(on_disk)) {
    on_disk.hard_state = {Term{1}, {}};
    EntryPtr first;
    if (id_.value <= watch_.plan.nodes) {
      HOLDFAST_TRY(write_first_entry(Recovered(), *log_, members));
      first = std::make_shared<const LogEntry>(
          LogEntry{LogIndex{1}, Term{1}, EntryKind::kMembers, {}, raft::encode_members(members)});
      on_disk.terms = {{first->index, first->term}};
      on_disk.last = first->position();
    } else {
      HOLDFAST_TRY(write_first_hard_state(Recovered(), *log_));
    }
    watch_.invariants.begun(id_, on_disk.hard_state, first);
  }
  HOLDFAST_ASSIGN(
      raft::Recovered recovered,
      recover_replica(
          on_disk, *log_, *machine_, noted_members_.value_or(members),
          {.entries = quarantined_, .state = rebuilds_, .members = !noted_members_.has_value()}));
  if (recovered.before != on_disk.before) watch_.marks.reach(Mark::kStateAheadOfLog);
  return recovered;
}

void SimNode::crash() {
  if (!replica_) return;
  watch_.line(id_, [] { return std::string("crashes"); });
  watch_.marks.reach(Mark::kCrash);
  watch_.invariants.crashed(id_);
  ++life_;
  applied_at_crash_ = machine_->applied().index;
  replica_.reset();
  upkeep_.reset();
  hash_reporter_.reset();
  log_.reset();
  machine_.reset();
  files_.crash();
  engine_->crash(watch_.random);
  inputs_.clear();
  orders_.clear();
  let_go_.clear();
  applies_.clear();
  // A start removes what was announced to a core that is gone.
  for (const std::string& name : std::exchange(arrived_, {})) (void)engine_->take_image(name);
  turn_planned_ = disk_works_ = apply_works_ = read_is_asked_ = false;
  looks_at_room_ = waits_for_room_ = false;
  room_ = RoomLevel::kEnough;
  timer_ = kNever;
  // What is broken for ever is so in the next life too.
  for (Instant* const until : {&paused_until_, &slow_until_, &stalled_until_})
    if (*until != kNever) *until = {};
  held_.clear();
  role_ = {};
  given_in_.clear();
  forwards_seen_.clear();
  watch_.trace.mix(applied_at_crash_.value);
  outside_.died(id_);
}

void SimNode::pause(Duration length) {
  if (!replica_) return;
  watch_.line(id_, [&] { return fmt::format("pauses for {} ms", length / milliseconds(1)); });
  watch_.marks.reach(Mark::kPause);
  paused_until_ = std::max(paused_until_, watch_.agenda.now() + length);
  watch_.agenda.add(length, [this] { go_on(); });
}

void SimNode::heal() {
  healed_ = true;
  paused_until_ = slow_until_ = stalled_until_ = {};
  free_disk();
  go_on();
}

void SimNode::submit(raft::Input input) {
  if (!replica_) return;
  if (watch_.agenda.now() >= paused_until_) return give(std::move(input));
  held_.emplace_back([this, in = std::move(input)]() mutable { give(std::move(in)); });
}

void SimNode::give(raft::Input input) {
  inputs_.push_back(std::move(input));
  plan_turn(watch_.random.between(Duration{}, Duration(microseconds(100))));
}

void SimNode::plan_turn(Duration delay) {
  if (turn_planned_) return;
  turn_planned_ = true;
  after(delay, [this] {
    turn_planned_ = false;
    turn();
  });
}

void SimNode::turn() {
  for (const raft::Input& input : inputs_) note_input(input);
  // A calendar that jumps by hours, in both directions.
  if (watch_.random.chance(0.01))
    inputs_.emplace_back(raft::Calendar{watch_.random.below(1 << 30)});
  const std::vector<raft::RoleChange> changes = replica_->turn(clock(), inputs_);
  note_roles(changes);
  const raft::Status status = replica_->status();
  std::optional<Instant> current_as_of;
  if (status.current_as_of) current_as_of = clock_.when(*status.current_as_of);
  watch_.invariants.stepped(id_, watch_.agenda.now(), current_as_of);
  if (status.removed) return after({}, [this] { leave(); });
  if (status.quarantine_is_due)
    watch_.invariants.fail("an honest disk forgets nothing",
                           fmt::format("node {} is told that its log lacks entries", id_.value));
  if (quarantined_ && !leaves_quarantine_ && !status.quarantined) leave_quarantine();
  // The node of production notes it a moment later; until then a restart finds the state in use.
  if (rebuilds_ && !status.awaits_state) {
    watch_.marks.reach(Mark::kStateHealed);
    rebuilds_ = false;
  }
  watch_.trace.mix(id_.value << 56 ^ status.term.value << 40 ^ status.last.index.value << 20 ^
                   status.commit.value);
  watch_.trace.mix(static_cast<uint64_t>(watch_.agenda.now().time_since_epoch().count()));
  keep_up(status);
  set_timer();
}

void SimNode::keep_up(const raft::Status& status) {
  const auto propose = [this](std::optional<Bytes> due) {
    if (!due) return;
    const RequestId request{kOwnRequests + (id_.value << 32) + ++own_requests_};
    const Instant deadline = clock() + watch_.plan.clients.timeout;
    give(raft::Propose{{{request, deadline, *std::move(due)}}});
  };
  propose(upkeep_->due(clock(), status));
  propose(hash_reporter_->due(clock(), *machine_->hash_check(), members()));
}

bool SimNode::waits_for_time() const {
  const std::optional<Bytes> due = machine_->upkeep(UINT64_MAX >> 1);
  if (!due) return false;
  return std::holds_alternative<ExpireCommand>(decode_command(due->view()).value().act);
}

void SimNode::set_timer() {
  const Instant due = replica_->next_deadline();
  if (due >= timer_) return;
  timer_ = due;
  after(std::max(Duration{}, clock_.until(due, watch_.agenda.now())), [this, due] {
    if (timer_ != due) return;
    timer_ = kNever;
    if (replica_->next_deadline() <= clock()) {
      plan_turn({});
    } else {
      set_timer();
    }
  });
}

void SimNode::note_input(const raft::Input& input) {
  watch_.trace.mix(input.index());
  if (const auto* changes = std::get_if<raft::Propose>(&input))
    watch_.invariants.asked(id_, *changes);
  const raft::Received* received = std::get_if<raft::Received>(&input);
  if (received == nullptr) return;
  const raft::Envelope& envelope = received->envelope;
  watch_.trace.mix(envelope.body.index() << 8 ^ envelope.from.value);
  if (std::holds_alternative<raft::ReadReply>(envelope.body)) read_is_asked_ = false;
  if (std::holds_alternative<raft::TakeOver>(envelope.body)) watch_.marks.reach(Mark::kTakeOver);
  const auto* forward = std::get_if<raft::Forward>(&envelope.body);
  if (forward != nullptr && role_.role == raft::Role::kLeader && role_.term == envelope.term &&
      !forwards_seen_.insert({envelope.from, forward->run ^ forward->number}).second)
    watch_.marks.reach(Mark::kDoubledForward);
}

void SimNode::note_roles(const std::vector<raft::RoleChange>& changes) {
  for (const raft::RoleChange& change : changes) {
    watch_.line(id_, [&] { return "becomes " + raft::to_text(change); });
    if (change.role == raft::Role::kLeader) watch_.marks.reach(Mark::kElection);
    if (role_.role == raft::Role::kLeader && change.role == raft::Role::kFollower &&
        change.term == role_.term)
      watch_.marks.reach(Mark::kStepDownByCheckQuorum);
    if (role_.role == raft::Role::kCandidate && change.role == raft::Role::kCandidate &&
        change.term > role_.term && role_.term > Term{})
      watch_.marks.reach(Mark::kSplitVote);
    role_ = change;
  }
}

void SimNode::submit(LogWrite write) {
  watch_.invariants.submitted(id_, write);
  watch_.line(id_, [&] { return raft::to_text(write); });
  if (write.cut_from) watch_.marks.reach(Mark::kTruncation);
  for (const EntryPtr& entry : write.append) {
    if (entry->origin.node != id_) continue;
    const auto [given, is_new] = given_in_.emplace(entry->origin.request, entry->term);
    if (!is_new && given->second != entry->term && role_.role == raft::Role::kLeader)
      watch_.marks.reach(Mark::kResubmitted);
    given->second = entry->term;
  }
  orders_.push_back(std::move(write));
  work_disk();
}

void SimNode::submit(LoadOrder order) {
  watch_.line(id_, [&] { return raft::to_text(order); });
  watch_.marks.reach(order.destination == id_ ? Mark::kLoadForApply : Mark::kLoadForFollower);
  orders_.push_back(order);
  work_disk();
}

void SimNode::readable(std::vector<RequestId> reads) {
  for (const RequestId read : reads)
    after(watch_.random.between(Duration{}, Duration(milliseconds(1))),
          [this, read] { outside_.readable(id_, read); });
}

void SimNode::refuse(std::vector<raft::Refusal> refusals) {
  for (const raft::Refusal& refusal : refusals) {
    watch_.invariants.settle(id_, refusal.request);
    watch_.line(id_, [&] { return raft::to_text(refusal); });
    after(watch_.random.between(Duration{}, Duration(milliseconds(1))),
          [this, refusal] { outside_.refused(id_, refusal); });
  }
}

std::optional<Row> SimNode::read(const std::string& key, Revision at) const {
  return engine_->get(key, at, ReadTier::kDisk).value();
}

std::vector<std::pair<std::string, Row>> SimNode::content() const {
  std::vector<std::pair<std::string, Row>> rows;
  const RangeScan all{.start = "", .end = "", .at = revision()};
  (void)engine_->scan(all, [&](std::string_view key, const RowInfo& info, std::string_view value) {
    rows.emplace_back(key, Row{info, std::string(value)});
    return true;
  });
  return rows;
}

}  // namespace holdfast::sim
