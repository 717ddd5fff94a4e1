#include "storage/kv/command_parts.h"

#include <utility>

#include "storage/base/check.h"
#include "storage/kv/command.pb.h"

namespace holdfast {
namespace {

bool is_owner(std::string_view owner) {
  return owner.size() <= kLockOwnerBytesMax;
}

Result<LeaseId> read_lease_id(uint64_t number) {
  if (is_lease_id({number})) return LeaseId{number};
  return fail(ErrorCode::kInvalid, fmt::format("{:x} is no lease's id", number));
}

std::unexpected<Error> cannot_live(uint64_t ttl_ms) {
  return fail(ErrorCode::kInvalid, fmt::format("a lease cannot live {} ms", ttl_ms));
}

Result<GrantLeaseCommand> read_grant(const command::GrantLease& grant) {
  HOLDFAST_TRY(expect_known(grant));
  GrantLeaseCommand act;
  HOLDFAST_ASSIGN(act.id, read_lease_id(grant.id()));
  act.ttl_ms = grant.ttl_ms();
  if (is_ttl(act.ttl_ms)) return act;
  return cannot_live(act.ttl_ms);
}

// Of a command that names a lease and nothing more.
template <class Act, class Message>
Result<Act> read_named_lease(const Message& message) {
  HOLDFAST_TRY(expect_known(message));
  HOLDFAST_ASSIGN(const LeaseId id, read_lease_id(message.id()));
  return Act{id};
}

Result<AcquireLockCommand> read_acquire(command::AcquireLock& acquire) {
  HOLDFAST_TRY(expect_known(acquire));
  HOLDFAST_TRY(expect_key(acquire.name()));
  AcquireLockCommand act;
  HOLDFAST_ASSIGN(act.lease, read_lease_id(acquire.lease()));
  act.name = std::move(*acquire.mutable_name());
  act.owner = std::move(*acquire.mutable_owner());
  act.ttl_ms = acquire.ttl_ms();
  if (!is_owner(act.owner))
    return fail(ErrorCode::kInvalid, fmt::format("a lock's owner has {} bytes, allowed are {}",
                                                 act.owner.size(), kLockOwnerBytesMax));
  if (is_ttl(act.ttl_ms)) return act;
  return cannot_live(act.ttl_ms);
}

// Of a command that names a lock as it is held.
template <class Act, class Message>
Result<Act> read_held_lock(Message& message) {
  HOLDFAST_TRY(expect_known(message));
  HOLDFAST_TRY(expect_key(message.name()));
  return Act{std::move(*message.mutable_name()), message.token()};
}

}  // namespace

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= kKeyBytesMax;
}

Result<> expect_key(std::string_view key) {
  if (is_key(key)) return {};
  return fail(ErrorCode::kInvalid, fmt::format("a command's key has {} bytes, allowed are 1 to {}",
                                               key.size(), kKeyBytesMax));
}

bool is_ttl(uint64_t ttl_ms) {
  return ttl_ms >= kTtlMsMin && ttl_ms <= kTtlMsMax;
}

Result<> expect_known(const google::protobuf::Message& message) {
  if (message.GetReflection()->GetUnknownFields(message).empty()) return {};
  return fail(ErrorCode::kInvalid,
              fmt::format("{} has fields that this version does not know: it was written by a "
                          "later version",
                          message.GetTypeName()));
}

void write_act(const GrantLeaseCommand& act, command::Command& out) {
  CHECK(is_lease_id(act.id) && is_ttl(act.ttl_ms), "{:x} {}", act.id.value, act.ttl_ms);
  command::GrantLease& grant = *out.mutable_grant_lease();
  grant.set_id(act.id.value);
  grant.set_ttl_ms(act.ttl_ms);
}

void write_act(const KeepLeaseAliveCommand& act, command::Command& out) {
  CHECK(is_lease_id(act.id), "{:x}", act.id.value);
  out.mutable_keep_lease_alive()->set_id(act.id.value);
}

void write_act(const RevokeLeaseCommand& act, command::Command& out) {
  CHECK(is_lease_id(act.id), "{:x}", act.id.value);
  out.mutable_revoke_lease()->set_id(act.id.value);
}

void write_act(AcquireLockCommand& act, command::Command& out) {
  CHECK(is_key(act.name) && is_owner(act.owner), "{} {} bytes", act.name.size(), act.owner.size());
  CHECK(is_lease_id(act.lease) && is_ttl(act.ttl_ms), "{:x} {}", act.lease.value, act.ttl_ms);
  command::AcquireLock& acquire = *out.mutable_acquire_lock();
  acquire.set_name(std::move(act.name));
  acquire.set_owner(std::move(act.owner));
  acquire.set_lease(act.lease.value);
  acquire.set_ttl_ms(act.ttl_ms);
}

void write_act(KeepLockAliveCommand& act, command::Command& out) {
  CHECK(is_key(act.name), "{} bytes", act.name.size());
  command::KeepLockAlive& keep = *out.mutable_keep_lock_alive();
  keep.set_name(std::move(act.name));
  keep.set_token(act.token);
}

void write_act(ReleaseLockCommand& act, command::Command& out) {
  CHECK(is_key(act.name), "{} bytes", act.name.size());
  command::ReleaseLock& release = *out.mutable_release_lock();
  release.set_name(std::move(act.name));
  release.set_token(act.token);
}

Result<decltype(Command::act)> read_lease_act(command::Command& in) {
  switch (in.act_case()) {
    case command::Command::kGrantLease:
      return read_grant(in.grant_lease());
    case command::Command::kKeepLeaseAlive:
      return read_named_lease<KeepLeaseAliveCommand>(in.keep_lease_alive());
    case command::Command::kRevokeLease:
      return read_named_lease<RevokeLeaseCommand>(in.revoke_lease());
    case command::Command::kAcquireLock:
      return read_acquire(*in.mutable_acquire_lock());
    case command::Command::kKeepLockAlive:
      return read_held_lock<KeepLockAliveCommand>(*in.mutable_keep_lock_alive());
    case command::Command::kReleaseLock:
      return read_held_lock<ReleaseLockCommand>(*in.mutable_release_lock());
    default:
      fatal("a command of no lease and no lock");
  }
}

}  // namespace holdfast
