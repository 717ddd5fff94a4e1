#pragma once

// Leases, and what keys are bound to: by a lease, or to a time of their own. All of it lies in the
// engine's named values, so that a million keys with a time to live cost memory nothing and an
// opening reads one page of them:
//
//   lease/<id>             ttl_ms: u64 (0: it has ended, its last keys are going), deadline_ms: u64
//   bound/<id><key>        nothing: the key is bound to the lease
//   due/<deadline>l<id>    nothing: when the lease ends
//   due/<deadline>k<key>   nothing: when the key ends that has a time of its own
//
// Ids and deadlines are u64 big-endian: what is due first comes first. Times are of the cluster's
// clock, in milliseconds.

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/kv/bond.h"
#include "storage/kv/due_index.h"
#include "storage/kv/engine.h"
#include "storage/kv/named_overlay.h"

namespace holdfast {

struct Lease {
  LeaseId id;
  uint64_t ttl_ms = 0;  // 0: it has ended, and is there only until its last keys are deleted
  uint64_t deadline_ms = 0;
  bool lives() const { return ttl_ms != 0; }
  friend bool operator==(const Lease&, const Lease&) = default;
};

// For readers: any thread. A lease that has ended is not there.
Result<std::optional<Lease>> read_lease(const Engine& engine, LeaseId id);
// Ascending by id, from the first one above `after`, at most `limit`.
Result<std::vector<Lease>> list_leases(const Engine& engine, LeaseId after, size_t limit);
// The keys of a lease, sorted, from the first one above `after` (empty: from the first).
Result<std::vector<std::string>> bound_keys(const Engine& engine, LeaseId id,
                                            std::string_view after, size_t limit);

// Something whose time has come: a key, or a lease.
struct Due {
  uint64_t deadline_ms = 0;
  std::string key;  // empty: it is a lease
  LeaseId lease;
};

// What the state machine does with them. Apply thread only, but for next_due_ms.
class Leases {
 public:
  explicit Leases(const Engine& engine) : due_(engine, "due/") {}

  // Also one that has ended and still has keys.
  static std::optional<Lease> find(const NamedOverlay& named, LeaseId id);
  // `lease` must not be there.
  void grant(NamedOverlay& named, const Lease& lease);
  // `lease` as it is: its deadline becomes `deadline_ms`.
  void prolong(NamedOverlay& named, const Lease& lease, uint64_t deadline_ms);
  // Its keys, sorted; at most `limit`, and no more than `bytes_max` bytes of them but for one key.
  struct Keys {
    std::vector<std::string> keys;
    std::string rest_behind;  // the name behind which its other keys lie; empty: there are none
    bool all() const { return rest_behind.empty(); }
  };
  Keys keys(const NamedOverlay& named, LeaseId id, size_t limit, uint64_t bytes_max) const;
  // The keys that end with it are the caller's to delete, up to `rest_behind`. It is forgotten
  // where none is left to delete later; else nobody can use it any more, and it is due at once for
  // the rest.
  void end(NamedOverlay& named, const Lease& lease, uint64_t now_ms,
           const std::string& rest_behind);

  // A key's bond has changed from one to the other.
  void rebind(NamedOverlay& named, std::string_view key, Bond before, Bond after);

  // What is due at `now_ms`, the earliest first, at most `limit`.
  std::vector<Due> due(const NamedOverlay& named, uint64_t now_ms, size_t limit) const;
  // All of it has been dealt with.
  void pass(uint64_t now_ms) { due_.pass(now_ms); }

  // After a batch is in the engine: next_due_ms() speaks of it. An engine that cannot be read stops
  // the process.
  void settle();
  // The engine holds another state: all is read anew. An engine that cannot be read: kCorrupt.
  Result<> read_again();

  // Nothing is due before this; Deadlines::kNone: nothing ever. Any thread.
  uint64_t next_due_ms() const { return next_due_ms_.load(std::memory_order_acquire); }

 private:
  void publish();
  void change(NamedOverlay& named, const Lease& before, const Lease& after);

  DueIndex due_;
  // Of the lease that is ending: nothing is left up to here, and nothing can come. The names that
  // were deleted are not passed again for each part of it. Forgotten at a start, which costs one
  // look at them.
  struct Ending {
    LeaseId id;
    std::string behind;
  };
  Ending ending_;
  std::atomic<uint64_t> next_due_ms_ = Deadlines::kNone;
};

}  // namespace holdfast
