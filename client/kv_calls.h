#pragma once

// What both clients offer, in one list. `In<Outcome>` is how a Shell gives back what a call has
// come to: KvClient as it is, AsyncClient as something to be awaited. What is given is read before
// a call begins: none of it needs to live longer.

#include <string>
#include <string_view>
#include <utility>

#include "client/calls.h"

namespace holdfast {

template <class Shell, template <class> class In>
class KvCalls {
  friend Shell;
  KvCalls() = default;

 public:
  template <class T>
  using Read = In<ReadOutcome<T>>;
  template <class T>
  using Write = In<WriteOutcome<T>>;

  // Without default arguments, which GCC 12 ends twice inside of a co_await expression.
  Write<PutAnswer> put(std::string_view key, std::string_view value) {
    return make(calls::put(key, value, {}, {}));
  }
  Write<PutAnswer> put(std::string_view key, std::string_view value, const Condition& condition) {
    return make(calls::put(key, value, condition, {}));
  }
  Write<PutAnswer> put(std::string_view key, std::string_view value, const Condition& condition,
                       const Lifetime& lifetime) {
    return make(calls::put(key, value, condition, lifetime));
  }
  Write<DeleteAnswer> remove(std::string_view key) { return make(calls::remove(key, {})); }
  Write<DeleteAnswer> remove(std::string_view key, const Condition& condition) {
    return make(calls::remove(key, condition));
  }
  Write<DeleteAnswer> remove_prefix(std::string_view prefix) {
    return make(calls::remove_prefix(prefix));
  }
  // `json`: the body of POST /v1/txn.
  Write<TxnAnswer> transact(std::string json) { return make(calls::transact(std::move(json))); }

  Read<Value> get(std::string_view key) { return make(calls::get(key, {})); }
  Read<Value> get(std::string_view key, const Moment& moment) {
    return make(calls::get(key, moment));
  }
  Read<ScanPage> scan(const ScanQuery& query) { return make(calls::scan(query)); }
  // The kept versions of `key` as of `moment`, the newest first; `limit` 0: the server's.
  Read<KeyHistory> history(std::string_view key, const Moment& moment, uint64_t limit) {
    return make(calls::history(key, moment, limit));
  }
  Read<UsageView> usage(std::string_view prefix) { return make(calls::usage(prefix)); }
  Read<SettingsView> settings() { return make(calls::settings()); }
  // What the first node that answers knows of its cluster.
  Read<ClusterView> cluster() { return make(calls::cluster()); }

  Write<LeaseAnswer> grant_lease(Duration ttl) { return make(calls::grant_lease(ttl)); }
  // Without a key, and sent again all the same: it does no harm twice.
  Write<LeaseAnswer> keep_lease_alive(std::string_view id) {
    return make(calls::keep_lease_alive(id));
  }
  Write<RevokeAnswer> revoke_lease(std::string_view id) { return make(calls::revoke_lease(id)); }
  // With a page of its keys. `cursor`: the `next` of the page before; none: the first.
  Read<LeaseView> lease(std::string_view id) { return lease(id, {}); }
  Read<LeaseView> lease(std::string_view id, std::string_view cursor) {
    return make(calls::lease(id, cursor));
  }
  Read<LeasePage> leases() { return leases({}); }
  Read<LeasePage> leases(std::string_view cursor) { return make(calls::leases(cursor)); }

  // Refused as "conflict": somebody else had it for all of the wait, which comes on top of a call's
  // time. Whoever asks makes the most of it by measuring its lease from before this call. Locks
  // that keep themselves alive: lock.h, async_lock.h.
  Write<LockAnswer> acquire_lock(std::string_view name, const LockQuery& query) {
    return make(calls::acquire_lock(name, query));
  }
  // Refused as "lease_not_found": it is not held under this token any more. Takes no longer than
  // `within`. Sent again as keep_lease_alive is.
  Write<LockAnswer> keep_lock_alive(std::string_view name, uint64_t token, Duration within) {
    return make(calls::keep_lock_alive(name, token, within));
  }
  Write<RevokeAnswer> release_lock(std::string_view name, uint64_t token) {
    return make(calls::release_lock(name, token));
  }
  Read<LockView> lock(std::string_view name, Consistency consistency) {
    return make(calls::lock(name, consistency));
  }

  // Ends when the member leads; empty: any other than the one that leads now.
  Write<LeaderAnswer> move_leader(const std::string& to) { return make(calls::move_leader(to)); }
  // For good: the member's id is never used again.
  Write<MembersAnswer> remove_member(std::string_view name) {
    return make(calls::remove_member(name));
  }
  // A learner gets a vote.
  Write<MembersAnswer> promote_member(std::string_view name) {
    return make(calls::promote_member(name));
  }

  // What is older than `revision` may be forgotten.
  Write<CompactAnswer> compact(uint64_t revision) { return make(calls::compact(revision)); }
  // Of the first node that answers: for clients of one endpoint.
  Read<FaultsView> faults() { return make(calls::faults()); }
  // `json`: the body of PUT /v1/faults, in the place of all that was set there; "{}" ends it.
  Write<FaultsView> set_faults(std::string json) {
    return make(calls::set_faults(std::move(json)));
  }
  // What is not empty in `change`. Answers with all settings.
  Write<SettingsView> change_settings(const SettingsView& change) {
    return make(calls::change_settings(change));
  }

 private:
  template <class Outcome>
  In<Outcome> make(Call<Outcome> call) {
    return static_cast<Shell&>(*this).make_call(std::move(call));
  }
};

}  // namespace holdfast
