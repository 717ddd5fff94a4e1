#include "server/recover/revive.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include <fmt/core.h>

#include "storage/base/check.h"
#include "storage/log/quarantine.h"
#include "storage/log/segmented_log.h"

namespace holdfast::recover {
namespace {

// This node alone, under a new id; all ids that were members, its own old one among them, are never
// used again.
Result<raft::Members> only_member(const Finding& finding, NodeId fresh, std::string peer_address) {
  const raft::Members& old = finding.contents->members;
  const Identity& identity = *finding.identity;
  const raft::Member* self = old.find(identity.node);
  if (peer_address.empty() && self == nullptr) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} is no member any more, so it is not known where others reach it: "
                            "say it with --peer-address HOST:PORT",
                            identity.name));
  }
  if (peer_address.empty()) peer_address = self->peer_address;
  raft::Members next{.list = {{fresh, identity.name, std::move(peer_address), true}},
                     .removed = old.removed};
  for (const raft::Member& member : old.list) next.removed.push_back(member.id);
  next.removed.push_back(identity.node);
  std::ranges::sort(next.removed);
  const auto repeated = std::ranges::unique(next.removed);
  next.removed.erase(repeated.begin(), repeated.end());
  CHECK(!next.was_removed(fresh), "the id {:016x} is not new", fresh.value);
  return next;
}

Result<> append_members(SegmentedLog& log, const Contents& found, const LogPosition& at,
                        const raft::Members& members) {
  LogWrite write{.ticket = {1},
                 .hard_state = HardState{at.term, {}},
                 .restart_after = found.log_restarts ? std::optional(found.last) : std::nullopt,
                 .cut_from = {},
                 .append = {},
                 .drop_before = {}};
  write.append.push_back(std::make_shared<const LogEntry>(
      LogEntry{at.index, at.term, EntryKind::kMembers, {}, raft::encode_members(members)}));
  HOLDFAST_TRY(log.write(std::span(&write, 1)));
  return log.sync();
}

}  // namespace

Result<Revived> revive(FileSystem& fs, const Place& place, const Judgement& judgement, NodeId fresh,
                       const std::string& peer_address) {
  const Finding& best = judgement.best_finding();
  CHECK(judgement.verdict == Verdict::kRecoverable || judgement.verdict == Verdict::kBegun);
  CHECK(best.path == place.data_dir, "{} is not {}", best.path, place.data_dir);
  raft::Members members = best.contents->members;
  LogPosition last = best.contents->last;
  // Opening also syncs what a process wrote that ended before its sync: IDENTITY must not outlive
  // it.
  HOLDFAST_ASSIGN(SegmentedLog::Opened opened, SegmentedLog::open(fs, place.log_path(), {}));
  if (opened.recovered.last != last && !best.contents->log_restarts) {
    return fail(ErrorCode::kInvalid,
                fmt::format("the log in {} ended at entry {} and now ends at {}: something else "
                            "uses it. Nothing was changed; look again with --plan",
                            place.log_path(), last.index.value, opened.recovered.last.index.value));
  }
  if (judgement.verdict == Verdict::kRecoverable) {
    HOLDFAST_ASSIGN(members, only_member(best, fresh, peer_address));
    last = {judgement.term + 1, last.index + 1};
    HOLDFAST_TRY(append_members(*opened.log, *best.contents, last, members));
  } else if (!peer_address.empty() && peer_address != members.list.front().peer_address) {
    return fail(ErrorCode::kInvalid,
                fmt::format("the recovery was begun with the peer address {}: leave --peer-address "
                            "away, and change the address once the node runs",
                            members.list.front().peer_address));
  }
  // Else it would not vote before somebody else led it.
  HOLDFAST_TRY(forget_quarantine(fs, place.log_path()));
  // Both ids follow from the log's entry, so whoever comes after a crash writes the same identity.
  const Identity now{members.list.front().id, best.identity->name,
                     ClusterId{raft::encode_members(members).checksum()}};
  HOLDFAST_TRY(write_identity(fs, place.data_dir, now));
  return Revived{.before = *best.identity, .now = now, .last = last};
}

}  // namespace holdfast::recover
