// What the state machine does about the past, and about what the replicas have in common.

#include "storage/kv/kv_state_machine.h"
#include "storage/kv/must.h"
#include "storage/kv/overlay.h"

namespace holdfast {

Reply KvStateMachine::act(const CompactCommand& compact, Overlay& overlay) {
  if (compact.floor) {
    if (*compact.floor > head_.revision) return refuse(ReplyStatus::kRevisionTooNew);
    history_.raise(overlay.named(), *compact.floor);
    return {.revision = head_.revision};
  }
  must(history_.raise_by_age(overlay.named(), head_.cluster_ms, head_.revision,
                             [&overlay](Revision revision) { return overlay.made(revision); }));
  return {.revision = head_.revision};
}

Reply KvStateMachine::act(const SettingsCommand& settings, Overlay& overlay) {
  history_.change(overlay.named(), settings);
  return {.revision = head_.revision};
}

Reply KvStateMachine::act(const HashCheckCommand&, Overlay& overlay) {
  // What this entry itself has let go is part of what lies behind it.
  head_.state_hash += overlay.named().take_hash_change();
  check_ = {.index = head_.applied.index,
            .revision = head_.revision,
            .cluster_ms = head_.cluster_ms,
            .hash = head_.state_hash,
            .reports = {}};
  check_changed_ = true;
  return {.revision = head_.revision};
}

// A report on an older check comes too late: everybody looks at the newest.
Reply KvStateMachine::act(const HashReportCommand& report, Overlay&) {
  if (report.index == check_.index && check_.reports.size() < kReportsMax) {
    check_.reports[report.node] = report.hash;
    check_changed_ = true;
  }
  return {.revision = head_.revision};
}

std::shared_ptr<const HashCheck> KvStateMachine::hash_check() const {
  const std::lock_guard lock(mutex_);
  return published_check_;
}

std::optional<Bytes> KvStateMachine::history_upkeep(uint64_t now_ms) const {
  if (history_.is_due(now_ms)) return encode_command({.act = CompactCommand{}});
  const std::lock_guard lock(mutex_);
  const HashCheck& last = *published_check_;
  const bool has_changed =
      published_.revision != last.revision || published_.state_hash != last.hash;
  if (!has_changed || now_ms < last.cluster_ms + kCheckEveryMs) return std::nullopt;
  return encode_command({.act = HashCheckCommand{}});
}

}  // namespace holdfast
