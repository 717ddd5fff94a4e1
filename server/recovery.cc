#include "server/recovery.h"

#include <utility>

#include <fmt/core.h>

namespace holdfast {
namespace {

constexpr size_t kReadBytes = 4 << 20;

}  // namespace

Result<> write_first_entry(const Recovered& on_disk, SegmentedLog& log,
                           const raft::Members& members) {
  const Bytes payload = raft::encode_members(members);
  if (on_disk.last.index) {
    HOLDFAST_ASSIGN(const std::vector<EntryPtr> found,
                    log.read({NodeId{}, LogIndex{1}, on_disk.last.index, kReadBytes}));
    if (on_disk.last.index == LogIndex{1} && found.front()->payload == payload) return {};
    return fail(ErrorCode::kInvalid,
                "this node's log was begun with other members: remove its data folder, and start "
                "all listed members again");
  }
  LogWrite write{.ticket = {1},
                 .hard_state = HardState{Term{1}, {}},
                 .restart_after = {},
                 .cut_from = {},
                 .append = {},
                 .drop_before = {},
                 .wanted_from = {}};
  write.append.push_back(std::make_shared<const LogEntry>(
      LogEntry{LogIndex{1}, Term{1}, EntryKind::kMembers, {}, payload}));
  HOLDFAST_TRY(log.write(std::span(&write, 1)));
  return log.sync();
}

Result<raft::Recovered> recover_replica(const Recovered& on_disk, SegmentedLog& log,
                                        const KvStateMachine& machine) {
  raft::Recovered recovered{.hard_state = on_disk.hard_state,
                            .runs = {},
                            .last = on_disk.last.index,
                            .applied = machine.applied().index,
                            .members_index = machine.applied().index,
                            .members = {},
                            .newer_members = {}};
  for (const TermRun& run : on_disk.terms) recovered.runs.push_back({run.first, run.term});
  if (recovered.applied > recovered.last)
    return fail(ErrorCode::kCorrupt,
                fmt::format("the state holds entry {}, but the log ends at {}: entries that this "
                            "node had acknowledged are gone. Put the log back, or remove the "
                            "node's folder and let it join anew (--join)",
                            recovered.applied.value, recovered.last.value));
  if (recovered.applied < on_disk.before.index)
    return fail(ErrorCode::kCorrupt,
                fmt::format("the log begins behind entry {}, but the state ends at {}: a log file "
                            "or the state is gone. Put it back, or remove the node's folder and "
                            "let it join anew (--join)",
                            on_disk.before.index.value, recovered.applied.value));
  HOLDFAST_ASSIGN(recovered.members, raft::decode_members(machine.members_payload()));
  for (LogIndex next = recovered.applied + 1; next <= recovered.last;) {
    HOLDFAST_ASSIGN(const std::vector<EntryPtr> entries,
                    log.read({NodeId{}, next, recovered.last, kReadBytes}));
    for (const EntryPtr& entry : entries)
      if (entry->kind == EntryKind::kMembers) recovered.newer_members.push_back(entry);
    next = entries.back()->index + 1;
  }
  return recovered;
}

}  // namespace holdfast
