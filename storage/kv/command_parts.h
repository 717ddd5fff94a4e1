#pragma once

// What command.cc is made of beside itself: the commands of leases and locks, and the checks that
// all commands share.

#include <string_view>

#include "storage/kv/command.h"

namespace google::protobuf {
class Message;
}
namespace holdfast::command {
class Command;
}

namespace holdfast {

bool is_key(std::string_view key);
Result<> expect_key(std::string_view key);
bool is_ttl(uint64_t ttl_ms);
// A field from a later version would be skipped here and obeyed there: the replicas would split.
Result<> expect_known(const google::protobuf::Message& message);

void write_act(const GrantLeaseCommand& act, command::Command& out);
void write_act(const KeepLeaseAliveCommand& act, command::Command& out);
void write_act(const RevokeLeaseCommand& act, command::Command& out);
void write_act(AcquireLockCommand& act, command::Command& out);
void write_act(KeepLockAliveCommand& act, command::Command& out);
void write_act(ReleaseLockCommand& act, command::Command& out);
// `in` is one of these.
Result<decltype(Command::act)> read_lease_act(command::Command& in);

}  // namespace holdfast
