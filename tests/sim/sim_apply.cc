// The apply thread of a node, and the states that it gives away and puts in use.

#include <fmt/format.h>

#include "replication/raft/print.h"
#include "tests/sim/sim_node.h"

namespace holdfast::sim {

using std::chrono::microseconds;

namespace {

constexpr uint64_t kClientRequestsMax = uint64_t{1} << 60;

}  // namespace

void SimNode::submit(std::vector<EntryPtr> committed) {
  watch_.invariants.given(id_, committed);
  watch_.line(id_, [&] { return "apply " + raft::to_text(committed); });
  applies_.emplace_back(std::move(committed));
  work_apply();
}

void SimNode::submit(raft::InstallOrder order) {
  watch_.line(id_, [&] { return "install " + raft::to_text(order.position); });
  applies_.emplace_back(std::move(order));
  work_apply();
}

void SimNode::work_apply() {
  if (apply_works_ || applies_.empty()) return;
  apply_works_ = true;
  after(watch_.draw(watch_.plan.disk.apply), [this] {
    if (std::holds_alternative<raft::InstallOrder>(applies_.front())) {
      const ApplyOrder order = std::move(applies_.front());
      applies_.pop_front();
      return install(std::get<raft::InstallOrder>(order));
    }
    std::vector<EntryPtr> entries;
    for (size_t most = watch_.random.between(uint64_t{1}, applies_.size()); most > 0; --most) {
      const auto* const next = std::get_if<std::vector<EntryPtr>>(&applies_.front());
      if (next == nullptr) break;
      entries.insert(entries.end(), next->begin(), next->end());
      applies_.pop_front();
    }
    apply(entries);
  });
}

void SimNode::apply(const std::vector<EntryPtr>& entries) {
  std::vector<Completion> completions;
  const Revision floor = machine_->history_floor();
  machine_->apply(entries, id_, completions);
  note_members(entries);
  if (machine_->history_floor() > floor) watch_.marks.reach(Mark::kFloorRose);
  const Agreement agreement = judge_agreement(*machine_->hash_check(), members());
  if (agreement.majority) watch_.marks.reach(Mark::kHashesCompared);
  if (agreement.is_split || !agreement.outvoted.empty())
    watch_.invariants.fail("the replicas agree",
                           fmt::format("node {} sees different hashes at entry {}", id_.value,
                                       machine_->hash_check()->index.value));
  for (const Completion& completion : completions)
    if (completion.request.value > kClientRequestsMax && completion.reply.deleted > 0)
      watch_.marks.reach(Mark::kKeysExpired);
  watch_.trace.mix(machine_->state_hash());
  watch_.invariants.applied(id_, entries, machine_->state_hash());
  watch_.invariants.durable(id_, machine_->durable());
  // Answers keep the order of the log, as one thread gives them.
  const raft::Applied applied{entries.back()->index, machine_->durable()};
  after(watch_.random.between(Duration{}, Duration(microseconds(200))),
        [this, done = std::move(completions), applied] {
          for (const Completion& completion : done) outside_.completed(id_, completion);
          give(applied);
          apply_works_ = false;
          work_apply();
        });
}

// It was in the log, and so it can be read.
void SimNode::note_members(const std::vector<EntryPtr>& applied) {
  for (const EntryPtr& entry : applied)
    if (entry->kind == EntryKind::kMembers)
      noted_members_ = raft::decode_members(entry->payload.view()).value();
}

// A crash may come before the switch, or between it and the restart of the log.
void SimNode::install(const raft::InstallOrder& order) {
  const auto crashes = [this] {
    return !healed_ && watch_.random.chance(watch_.plan.snapshots.fails / 4);
  };
  if (crashes()) return outside_.wants_crash(id_);
  const Result<SnapshotHead> head = machine_->read_snapshot_head(order.source);
  if (!head) return died_of("install", head.error());
  Result<raft::Members> members = raft::decode_members(head->members);
  if (!members) return died_of("install", members.error());
  if (Result<> installed = machine_->install(order.source); !installed)
    return died_of("install", installed.error());
  arrived_.erase(order.source);
  watch_.marks.reach(Mark::kStateInstalled);
  watch_.trace.mix(machine_->state_hash());
  watch_.invariants.installed(id_, order.position, machine_->state_hash());
  noted_members_ = *members;
  if (crashes()) return outside_.wants_crash(id_);
  after(watch_.random.between(Duration{}, Duration(microseconds(200))),
        [this, installed = raft::Installed{order.position, *std::move(members), head->stamp}] {
          give(installed);
          apply_works_ = false;
          work_apply();
        });
}

void SimNode::send(raft::SnapshotOrder order) {
  watch_.line(id_, [&] { return raft::to_text(order); });
  watch_.marks.reach(Mark::kSnapshotSent);
  outside_.sends_state(id_, order);
}

void SimNode::end(NodeId destination) {
  watch_.marks.reach(Mark::kSnapshotEnded);
  outside_.ends_transfer(id_, destination);
}

void SimNode::discard(const std::string& source) {
  watch_.marks.reach(Mark::kSnapshotDiscarded);
  arrived_.erase(source);
  (void)engine_->take_image(source);
}

std::optional<StateCopy> SimNode::copy_state() {
  const std::string name = "copy";
  if (Result<> made = machine_->checkpoint(name); !made) died_of("checkpoint", made.error());
  const Result<SnapshotHead> head = machine_->read_snapshot_head(name);
  auto image = engine_->take_image(name);
  if (!head) return std::nullopt;
  return StateCopy{head->applied, std::move(image)};
}

void SimNode::take_copy(const std::string& name, const StateCopy& copy, NodeId from, Term term) {
  arrived_.insert(name);
  engine_->put_image(name, copy.image);
  submit(raft::SnapshotArrived{from, term, copy.position, name});
}

}  // namespace holdfast::sim
