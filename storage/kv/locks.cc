#include "storage/kv/locks.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/kv/command.h"
#include "storage/kv/must.h"
#include "storage/kv/stored_bytes.h"

namespace holdfast {
namespace {

constexpr std::string_view kLock = "lock/";
constexpr std::string_view kLocked = "locked/";
constexpr std::string_view kToken = "lock_token";
constexpr size_t kLockHeadBytes = 16;
// It would have to change hands between the two halves of each of them.
constexpr int kLooksMax = 100;

std::string lock_name(std::string_view name) {
  return std::string(kLock).append(name);
}

std::string locked_name(LeaseId lease) {
  std::string name(kLocked);
  put_ordered(name, lease.value);
  return name;
}

std::string encode(const HeldLock& lock) {
  std::string value;
  put_fixed(value, lock.token);
  put_fixed(value, lock.lease.value);
  return value.append(lock.owner);
}

Result<HeldLock> decode_lock(std::string_view value) {
  const std::unexpected<Error> damaged =
      fail(ErrorCode::kCorrupt,
           "the state's record of a lock cannot be read: restore this node from its peers");
  if (value.size() < kLockHeadBytes || value.size() > kLockHeadBytes + kLockOwnerBytesMax)
    return damaged;
  HeldLock lock{load_fixed<uint64_t>(value.data()),
                {load_fixed<uint64_t>(value.data() + 8)},
                std::string(value.substr(kLockHeadBytes))};
  if (lock.token == 0 || !is_lease_id(lock.lease)) return damaged;
  return lock;
}

Result<uint64_t> decode_token(std::string_view value) {
  if (value.size() == sizeof(uint64_t)) return load_fixed<uint64_t>(value.data());
  return fail(ErrorCode::kCorrupt,
              "the state's newest token cannot be read: restore this node from its peers");
}

}  // namespace

Result<std::optional<LockAndLease>> read_lock(const Engine& engine, std::string_view name) {
  HeldLock last;
  for (int look = 0; look < kLooksMax; ++look) {
    HOLDFAST_ASSIGN(const std::optional<std::string> value, engine.get_meta(lock_name(name)));
    if (!value) return std::nullopt;
    HOLDFAST_ASSIGN(HeldLock lock, decode_lock(*value));
    HOLDFAST_ASSIGN(const std::optional<Lease> lease, read_lease(engine, lock.lease));
    if (lease) return LockAndLease{std::move(lock), *lease};
    // Both ended between the two looks, or the state has become another.
    last = std::move(lock);
  }
  return fail(ErrorCode::kCorrupt,
              fmt::format("the state's lock '{}' is held by lease {:x}, which is not in the state: "
                          "restore this node from its peers",
                          name, last.lease.value));
}

std::optional<HeldLock> Locks::find(const NamedOverlay& named, std::string_view name) {
  const std::optional<std::string> value = named.get(lock_name(name));
  if (!value) return std::nullopt;
  return must(decode_lock(*value));
}

uint64_t Locks::take(NamedOverlay& named, std::string_view name, LeaseId lease,
                     std::string_view owner, Revision revision) {
  const std::optional<std::string> last = named.get(kToken);
  const uint64_t token = 1 + std::max(revision.value, last ? must(decode_token(*last)) : 0);
  if (last) {
    named.replace(std::string(kToken), *last, encode_number(token));
  } else {
    named.add(std::string(kToken), encode_number(token));
  }
  named.add(lock_name(name), encode({token, lease, std::string(owner)}));
  named.add(locked_name(lease), std::string(name));
  return token;
}

void Locks::end_with(NamedOverlay& named, LeaseId lease) {
  std::optional<std::string> name = named.get(locked_name(lease));
  if (!name) return;
  const std::optional<HeldLock> lock = find(named, *name);
  CHECK(lock && lock->lease == lease, "lease {:x}", lease.value);
  named.remove(lock_name(*name), encode(*lock));
  named.remove(locked_name(lease), *name);
  freed_by_batch_.push_back(*std::move(name));
}

}  // namespace holdfast
