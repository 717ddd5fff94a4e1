#pragma once

// Each call of the API as a value: what is sent, what may be done with it, and how its answer is
// read. Who sends it, when, and to whom is another's (caller.h).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "client/answers.h"
#include "client/cluster_answers.h"
#include "client/outcomes.h"
#include "client/queries.h"

namespace holdfast {

enum class Effect {
  kReads,
  kWrites,          // must not be made twice
  kNamedWrites,     // the same, and under an idempotency key it can be sent again
  kHarmlessWrites,  // may be made twice
};

// What a call is given where it differs from all others.
struct CallExtent {
  Duration wait{};                      // more time, which the node may spend on it
  std::optional<Duration> within = {};  // only so much time
  bool ends_at_conflict = false;        // which is an answer, however soon it may pass
};

template <class Outcome>
struct Call {
  HttpRequest request;
  Effect effect = Effect::kReads;
  Outcome (*judge)(WriteOutcome<HttpResponse>) = nullptr;
  CallExtent extent = {};
};

template <class T>
using Change = Call<WriteOutcome<T>>;
template <class T>
using Look = Call<ReadOutcome<T>>;

// What each does stands with the clients' methods of these names (kv_calls.h).
namespace calls {

Change<PutAnswer> put(std::string_view key, std::string_view value, const Condition& condition,
                      const Lifetime& lifetime);
Change<DeleteAnswer> remove(std::string_view key, const Condition& condition);
Change<DeleteAnswer> remove_prefix(std::string_view prefix);
Change<TxnAnswer> transact(std::string json);
Look<Value> get(std::string_view key, const Moment& moment);
Look<ScanPage> scan(const ScanQuery& query);
Look<KeyHistory> history(std::string_view key, const Moment& moment, uint64_t limit);
Look<UsageView> usage(std::string_view prefix);
Look<SettingsView> settings();
Look<ClusterView> cluster();
Change<LeaseAnswer> grant_lease(Duration ttl);
Change<LeaseAnswer> keep_lease_alive(std::string_view id);
Change<RevokeAnswer> revoke_lease(std::string_view id);
Look<LeaseView> lease(std::string_view id, std::string_view cursor);
Look<LeasePage> leases(std::string_view cursor);
Change<LockAnswer> acquire_lock(std::string_view name, const LockQuery& query);
Change<LockAnswer> keep_lock_alive(std::string_view name, uint64_t token, Duration within);
Change<RevokeAnswer> release_lock(std::string_view name, uint64_t token);
Look<LockView> lock(std::string_view name, Consistency consistency);
Change<LeaderAnswer> move_leader(const std::string& to);
Change<MembersAnswer> remove_member(std::string_view name);
Change<MembersAnswer> promote_member(std::string_view name);
Look<HttpResponse> snapshot(Consistency consistency);
Change<CompactAnswer> compact(uint64_t revision);
Look<FaultsView> faults();
Change<FaultsView> set_faults(std::string json);
Change<SettingsView> change_settings(const SettingsView& change);

}  // namespace calls
}  // namespace holdfast
