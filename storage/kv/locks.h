#pragma once

// Locks: names that one holder has at a time, each for as long as a lease lives. A part of the
// agreed state beside the keys, in the engine's named values:
//
//   lock/<name>        token: u64, lease: u64, what the holder calls itself
//   locked/<lease>     the name of the lock that ends with the lease; the id as u64 big-endian
//   lock_token         u64: the newest token; not there before the first
//
// A token is a fencing token: each acquisition, of whatever lock, has a higher one than all before
// it. It is also above the store's revision at that moment, so that a state that was put back from
// a backup, and goes on at a revision far above all that its cluster had reached, gives no token
// that its cluster gave since.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/kv/freed_locks.h"
#include "storage/kv/leases.h"

namespace holdfast {

struct HeldLock {
  uint64_t token = 0;
  LeaseId lease;
  std::string owner;
  friend bool operator==(const HeldLock&, const HeldLock&) = default;
};

// For readers: any thread. Who has the lock, and its lease; nothing: nobody has it.
struct LockAndLease {
  HeldLock lock;
  Lease lease;
};
Result<std::optional<LockAndLease>> read_lock(const Engine& engine, std::string_view name);

// What the state machine does with them. Apply thread only, but for freed().
class Locks {
 public:
  static std::optional<HeldLock> find(const NamedOverlay& named, std::string_view name);
  // Nobody has it, and `lease` lives and has no lock. Gives back the token.
  static uint64_t take(NamedOverlay& named, std::string_view name, LeaseId lease,
                       std::string_view owner, Revision revision);
  // `lease` ends, and with it the lock that it may have.
  void end_with(NamedOverlay& named, LeaseId lease);

  // After a batch is in the engine and published.
  void settle() { freed_.add(std::exchange(freed_by_batch_, {})); }
  // The engine holds another state.
  void begin_anew() { freed_.add_any(); }

  const FreedLocks& freed() const { return freed_; }

 private:
  std::vector<std::string> freed_by_batch_;
  FreedLocks freed_;
};

}  // namespace holdfast
