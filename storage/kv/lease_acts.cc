// What the state machine does about leases and what ends with time.

#include <algorithm>
#include <utility>

#include "storage/base/check.h"
#include "storage/kv/draft.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/overlay.h"

namespace holdfast {
namespace {

// What one entry lets end, whole leases where they fit: a few milliseconds of the apply thread, so
// that whatever else was asked is done in between however much ends at once.
constexpr size_t kExpiryMax = 1'000;
constexpr uint64_t kExpiryBytesMax = 1 << 20;
// A leader's clock goes on from the newest entry of its log: what no entry carried is lost with
// the leader, and would be given to every lease once more. So an entry carries it while any lease
// or key waits for its time. This is also how far a follower's clock can be behind.
constexpr uint64_t kClockCarriedMs = 1'000;

void remove_ended(Draft& draft, std::string key) {
  const std::optional<RowInfo> old = draft.newest(key);
  CHECK(old, "what ends with a lease or with time is not there");
  draft.remove(std::move(key), *old);
}

}  // namespace

Reply KvStateMachine::lease_not_found(LeaseId id) const {
  Reply refusal = refuse(ReplyStatus::kLeaseNotFound);
  refusal.lease = id;
  return refusal;
}

Reply KvStateMachine::act(const GrantLeaseCommand& grant, Overlay& overlay) {
  if (Leases::find(overlay.named(), grant.id)) return refuse(ReplyStatus::kLeaseExists);
  leases_.grant(overlay.named(), {grant.id, grant.ttl_ms, head_.cluster_ms + grant.ttl_ms});
  return {.revision = head_.revision, .ttl_ms = grant.ttl_ms, .lease = grant.id};
}

Reply KvStateMachine::act(const KeepLeaseAliveCommand& keep, Overlay& overlay) {
  const std::optional<Lease> lease = Leases::find(overlay.named(), keep.id);
  if (!lease || !lease->lives()) return lease_not_found(keep.id);
  leases_.prolong(overlay.named(), *lease, head_.cluster_ms + lease->ttl_ms);
  return {.revision = head_.revision, .ttl_ms = lease->ttl_ms, .lease = keep.id};
}

Reply KvStateMachine::act(const RevokeLeaseCommand& revoke, Overlay& overlay) {
  const std::optional<Lease> lease = Leases::find(overlay.named(), revoke.id);
  if (!lease || !lease->lives()) return lease_not_found(revoke.id);
  Leases::Keys bound = leases_.keys(overlay.named(), lease->id, kRangeKeysMax, kRangeBytesMax);
  Draft draft(overlay, head_.revision + 1);
  for (std::string& key : bound.keys) remove_ended(draft, std::move(key));
  const uint64_t deleted = bound.keys.size();
  const Revision revision = finish(std::move(draft), overlay);
  end_lease(*lease, bound.rest_behind, overlay);
  return {.revision = revision, .deleted = deleted, .unfinished = !bound.all()};
}

Reply KvStateMachine::act(const ExpireCommand&, Overlay& overlay) {
  const std::vector<Due> due = leases_.due(overlay.named(), head_.cluster_ms, kExpiryMax);
  Draft draft(overlay, head_.revision + 1);
  std::vector<std::pair<Lease, std::string>> ended;  // and behind what the rest of its keys lies
  size_t room = kExpiryMax;
  uint64_t bytes_left = kExpiryBytesMax;
  const auto remove = [&](std::string key) {
    bytes_left -= std::min<uint64_t>(bytes_left, key.size());
    --room;
    remove_ended(draft, std::move(key));
  };

  bool all = due.size() < kExpiryMax;
  for (const Due& one : due) {
    if (room == 0 || bytes_left == 0) {
      all = false;
      break;
    }
    if (!one.key.empty()) {
      remove(one.key);
      continue;
    }
    const std::optional<Lease> lease = Leases::find(overlay.named(), one.lease);
    CHECK(lease && lease->deadline_ms == one.deadline_ms, "lease {:x}", one.lease.value);
    Leases::Keys bound = leases_.keys(overlay.named(), one.lease, room, bytes_left);
    const bool is_first = room == kExpiryMax;
    // What fits into the next entry as a whole waits for it.
    if (!bound.all() && !is_first) {
      all = false;
      break;
    }
    for (std::string& key : bound.keys) remove(std::move(key));
    if (room > 0 && bound.keys.empty()) --room;
    all = all && bound.all();
    ended.emplace_back(*lease, std::move(bound.rest_behind));
  }

  const uint64_t deleted = draft.size();
  const Revision revision = finish(std::move(draft), overlay);
  for (const auto& [lease, rest_behind] : ended) end_lease(lease, rest_behind, overlay);
  if (all) leases_.pass(head_.cluster_ms);
  return {.revision = revision, .deleted = deleted, .unfinished = !all};
}

std::optional<Bytes> KvStateMachine::upkeep(uint64_t now_ms) const {
  // The past first: it is seldom due, and where something ends all the time that always is.
  if (std::optional<Bytes> due = history_upkeep(now_ms)) return due;
  const uint64_t next_due_ms = leases_.next_due_ms();
  const uint64_t carried_ms = cluster_ms_.load(std::memory_order_acquire);
  const bool waits = next_due_ms != Deadlines::kNone;
  if (waits && (now_ms >= next_due_ms || now_ms >= carried_ms + kClockCarriedMs))
    return encode_command({ExpireCommand{}});
  return std::nullopt;
}

std::optional<Bond> KvStateMachine::bond_of(const PutCommand& put,
                                            const NamedOverlay& named) const {
  if (put.ttl_ms != 0) return Bond::until(head_.cluster_ms + put.ttl_ms);
  if (!put.lease) return Bond{};
  const std::optional<Lease> lease = Leases::find(named, put.lease);
  if (!lease || !lease->lives()) return std::nullopt;
  return Bond::to(put.lease);
}

}  // namespace holdfast
