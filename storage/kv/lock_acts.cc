// What the state machine does about locks. Each is held by a lease of its own, so they are kept
// and ended as leases are.

#include <algorithm>

#include "storage/base/check.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/overlay.h"
#include "storage/kv/state_format.h"

namespace holdfast {

Reply KvStateMachine::act(const AcquireLockCommand& acquire, Overlay& overlay) {
  NamedOverlay& named = overlay.named();
  if (const std::optional<HeldLock> held = Locks::find(named, acquire.name)) {
    const std::optional<Lease> lease = Leases::find(named, held->lease);
    CHECK(lease && lease->lives(), "a lock is held by lease {:x}", held->lease.value);
    Reply refusal = refuse(ReplyStatus::kLockHeld);
    refusal.token = held->token;
    refusal.owner = held->owner;
    refusal.retry_ms = lease->deadline_ms - std::min(lease->deadline_ms, head_.cluster_ms);
    return refusal;
  }
  Reply reply = act(GrantLeaseCommand{acquire.lease, acquire.ttl_ms}, overlay);
  if (reply.status != ReplyStatus::kOk) return reply;
  reply.token = Locks::take(named, acquire.name, acquire.lease, acquire.owner, head_.revision);
  need_format(kFormatWithLocks);
  return reply;
}

Reply KvStateMachine::act(const KeepLockAliveCommand& keep, Overlay& overlay) {
  const std::optional<HeldLock> held = Locks::find(overlay.named(), keep.name);
  if (!held || held->token != keep.token) return refuse(ReplyStatus::kLeaseNotFound);
  Reply reply = act(KeepLeaseAliveCommand{held->lease}, overlay);
  reply.token = held->token;
  return reply;
}

Reply KvStateMachine::act(const ReleaseLockCommand& release, Overlay& overlay) {
  const std::optional<HeldLock> held = Locks::find(overlay.named(), release.name);
  if (!held || held->token != release.token) return refuse(ReplyStatus::kLeaseNotFound);
  return act(RevokeLeaseCommand{held->lease}, overlay);
}

// A lock ends with its lease, also where the last of the lease's keys follow later.
void KvStateMachine::end_lease(const Lease& lease, const std::string& rest_behind,
                               Overlay& overlay) {
  if (lease.lives()) locks_.end_with(overlay.named(), lease.id);
  leases_.end(overlay.named(), lease, head_.cluster_ms, rest_behind);
}

}  // namespace holdfast
