#include "replication/node/recovery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/core.h>

namespace holdfast {
namespace {

constexpr size_t kReadBytes = 4 << 20;

LogWrite first_write() {
  return {.ticket = {1},
          .hard_state = HardState{Term{1}, {}},
          .restart_after = {},
          .cut_from = {},
          .append = {},
          .drop_before = {},
          .wanted_from = {}};
}

std::unexpected<Error> begun_otherwise() {
  return fail(ErrorCode::kInvalid,
              "this node's log was begun with other members: remove its data folder, and start "
              "all listed members again");
}

}  // namespace

Result<> write_first_entry(const Recovered& on_disk, SegmentedLog& log,
                           const raft::Members& members) {
  const Bytes payload = raft::encode_members(members);
  if (on_disk.last.index) {
    HOLDFAST_ASSIGN(const std::vector<EntryPtr> found,
                    log.read({NodeId{}, LogIndex{1}, on_disk.last.index, kReadBytes}));
    if (on_disk.last.index == LogIndex{1} && found.front()->payload == payload) return {};
    return begun_otherwise();
  }
  LogWrite write = first_write();
  write.append.push_back(std::make_shared<const LogEntry>(
      LogEntry{LogIndex{1}, Term{1}, EntryKind::kMembers, {}, payload}));
  HOLDFAST_TRY(log.write(std::span(&write, 1)));
  return log.sync();
}

Result<> write_first_hard_state(const Recovered& on_disk, SegmentedLog& log) {
  if (on_disk.last.index) return begun_otherwise();
  if (was_begun(on_disk)) return {};
  const LogWrite write = first_write();
  HOLDFAST_TRY(log.write(std::span(&write, 1)));
  return log.sync();
}

namespace {

// None: the log does not hold the entry.
std::optional<Term> term_at(const Recovered& on_disk, LogIndex index) {
  if (index == on_disk.before.index) return on_disk.before.term;
  if (index < on_disk.before.index || index > on_disk.last.index) return std::nullopt;
  return std::prev(std::ranges::upper_bound(on_disk.terms, index, {}, &TermRun::first))->term;
}

std::unexpected<Error> state_without_log(const Recovered& on_disk, LogPosition state) {
  constexpr std::string_view kWhatToDo =
      "Put it back, or remove the node's folder and let it join anew (--join)";
  if (state.index > on_disk.last.index)
    return fail(ErrorCode::kVoteLost,
                fmt::format("the state holds entry {}, but the log ends at {}: entries that this "
                            "node had acknowledged are gone, and perhaps what it promised in "
                            "elections. Under its old id it might vote twice",
                            state.index.value, on_disk.last.index.value));
  if (state.index < on_disk.before.index)
    return fail(ErrorCode::kCorrupt,
                fmt::format("the log begins behind entry {}, but the state ends at {}: a log file "
                            "or the state is gone. {}",
                            on_disk.before.index.value, state.index.value, kWhatToDo));
  return fail(ErrorCode::kCorrupt,
              fmt::format("the state ends with entry {} of term {}, which is not the one that the "
                          "log has: they belong to different nodes, or one is older than the "
                          "other. {}",
                          state.index.value, state.term.value, kWhatToDo));
}

}  // namespace

Result<std::optional<LogPosition>> restart_needed(const Recovered& on_disk,
                                                  const KvStateMachine& machine, const Lost& lost) {
  const LogPosition state = machine.applied();
  if (term_at(on_disk, state.index) == state.term) return std::nullopt;
  if (lost.state && state.index < on_disk.before.index) return std::nullopt;
  if (lost.entries) return state;
  if (state == machine.installed() && state.index > on_disk.before.index) return state;
  return state_without_log(on_disk, state);
}

Result<raft::Recovered> recover_replica(const Recovered& on_disk, SegmentedLog& log,
                                        const KvStateMachine& machine,
                                        const raft::Members& known_members, const Lost& lost) {
  const LogPosition state = machine.applied();
  raft::Recovered recovered{.hard_state = on_disk.hard_state,
                            .before = on_disk.before,
                            .runs = {},
                            .last = on_disk.last.index,
                            .stamp = machine.summary().stamp(),
                            .applied = state.index,
                            .members_index = state.index,
                            .members = {},
                            .newer_members = {},
                            .quarantined = lost.entries,
                            .lacks_state = lost.state && state.index < on_disk.before.index};
  // Where the log begins everything was in the state, and committed.
  if (recovered.lacks_state) {
    recovered.applied = recovered.members_index = on_disk.before.index;
    recovered.guesses_members = lost.members;
  }
  HOLDFAST_ASSIGN(const std::optional<LogPosition> begin, restart_needed(on_disk, machine, lost));
  if (!begin) {
    for (const TermRun& run : on_disk.terms) recovered.runs.push_back({run.first, run.term});
  } else {
    LogWrite restart;
    restart.ticket = {1};
    restart.restart_after = begin;
    // The term came with the state, and its write may have been lost.
    if (state.term > recovered.hard_state.term) recovered.hard_state = {state.term, {}};
    restart.hard_state = recovered.hard_state;
    HOLDFAST_TRY(log.write(std::span(&restart, 1)));
    HOLDFAST_TRY(log.sync());
    recovered.before = state;
    recovered.last = state.index;
  }
  const std::string members = machine.members_payload();
  recovered.members = known_members;
  if (!members.empty()) {
    HOLDFAST_ASSIGN(recovered.members, raft::decode_members(members));
  }
  for (LogIndex next = recovered.applied + 1; next <= recovered.last;) {
    HOLDFAST_ASSIGN(const std::vector<EntryPtr> entries,
                    log.read({NodeId{}, next, recovered.last, kReadBytes}));
    for (const EntryPtr& entry : entries)
      if (entry->kind == EntryKind::kMembers) recovered.newer_members.push_back(entry);
    recovered.stamp = entries.back()->stamp;
    next = entries.back()->index + 1;
  }
  return recovered;
}

}  // namespace holdfast
