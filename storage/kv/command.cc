#include "storage/kv/command.h"

#include <algorithm>
#include <utility>

#include "storage/base/check.h"
#include "storage/kv/command.pb.h"
#include "storage/kv/command_parts.h"
#include "storage/kv/settings.h"

namespace holdfast {
namespace {

bool is_bond(LeaseId lease, uint64_t ttl_ms) {
  if (ttl_ms != 0) return !lease && is_ttl(ttl_ms);
  return !lease || is_lease_id(lease);
}

bool is_limit(uint64_t limit) {
  return limit > 0 && limit <= kRangeKeysMax;
}

bool is_once_key(std::string_view key) {
  return !key.empty() && key.size() <= kOnceKeyBytesMax;
}

template <class Message>
void write_conditions(const std::vector<Condition>& conditions, Message& out) {
  for (const Condition& condition : conditions) {
    command::Condition& added = *out.add_conditions();
    added.set_kind(condition.kind == Condition::Kind::kMatch ? command::Condition::MATCH
                                                             : command::Condition::NONE_MATCH);
    added.set_any(condition.any);
    for (const Revision revision : condition.revisions) added.add_revisions(revision.value);
  }
}

template <class Message>
Result<std::vector<Condition>> read_conditions(const Message& message) {
  std::vector<Condition> conditions;
  conditions.reserve(static_cast<size_t>(message.conditions_size()));
  for (const command::Condition& in : message.conditions()) {
    HOLDFAST_TRY(expect_known(in));
    Condition& condition = conditions.emplace_back();
    if (in.kind() == command::Condition::MATCH) {
      condition.kind = Condition::Kind::kMatch;
    } else if (in.kind() == command::Condition::NONE_MATCH) {
      condition.kind = Condition::Kind::kNoneMatch;
    } else {
      return fail(ErrorCode::kInvalid, fmt::format("a condition is of the unknown kind {}",
                                                   static_cast<int>(in.kind())));
    }
    condition.any = in.any();
    for (const uint64_t revision : in.revisions()) condition.revisions.push_back({revision});
  }
  return conditions;
}

template <class Out>
void write_act(PutCommand& act, Out& out) {
  CHECK(is_key(act.key), "{} bytes", act.key.size());
  command::Put& put = *out.mutable_put();
  put.set_key(std::move(act.key));
  put.set_value(std::move(act.value));
  write_conditions(act.conditions, put);
  CHECK(is_bond(act.lease, act.ttl_ms), "lease {:x}, {} ms", act.lease.value, act.ttl_ms);
  put.set_lease(act.lease.value);
  put.set_ttl_ms(act.ttl_ms);
  put.set_prev(act.prev);
}

template <class Out>
void write_act(DeleteCommand& act, Out& out) {
  CHECK(is_key(act.key), "{} bytes", act.key.size());
  command::Delete& remove = *out.mutable_remove();
  remove.set_key(std::move(act.key));
  write_conditions(act.conditions, remove);
  remove.set_prev(act.prev);
}

template <class Out>
void write_act(DeleteRangeCommand& act, Out& out) {
  command::DeleteRange& range = *out.mutable_remove_range();
  range.set_start(std::move(act.start));
  range.set_end(std::move(act.end));
}

void write_act(GetOperation& act, command::Operation& out) {
  CHECK(is_key(act.key), "{} bytes", act.key.size());
  out.mutable_get()->set_key(std::move(act.key));
}

void write_act(ScanOperation& act, command::Operation& out) {
  CHECK(is_limit(act.limit), "{}", act.limit);
  command::Scan& scan = *out.mutable_scan();
  scan.set_start(std::move(act.start));
  scan.set_end(std::move(act.end));
  scan.set_limit(act.limit);
  scan.set_reverse(act.reverse);
  scan.set_keys_only(act.keys_only);
  scan.set_count_only(act.count_only);
}

void write_compare(Compare& compare, command::Compare& out) {
  CHECK(is_key(compare.key), "{} bytes", compare.key.size());
  out.set_key(std::move(compare.key));
  out.set_target(static_cast<command::Compare::Target>(compare.target));
  out.set_relation(static_cast<command::Compare::Relation>(compare.relation));
  out.set_number(compare.number);
  out.set_value(std::move(compare.value));
}

void write_operation(Operation& operation, command::Operation& out) {
  std::visit([&out](auto& act) { write_act(act, out); }, operation);
}

void write_act(TransactionCommand& act, command::Command& out) {
  CHECK(act.compares.size() <= kOperationsMax && act.then.size() <= kOperationsMax &&
            act.otherwise.size() <= kOperationsMax,
        "{} {} {}", act.compares.size(), act.then.size(), act.otherwise.size());
  command::Transaction& transaction = *out.mutable_transaction();
  for (Compare& compare : act.compares) write_compare(compare, *transaction.add_compares());
  for (Operation& operation : act.then) write_operation(operation, *transaction.add_then());
  for (Operation& operation : act.otherwise)
    write_operation(operation, *transaction.add_otherwise());
}

void write_once(Once& once, command::Command& out) {
  CHECK(is_once_key(once.key), "{} bytes", once.key.size());
  command::Once& written = *out.mutable_once();
  written.set_key(std::move(once.key));
  written.set_fingerprint_1(once.fingerprint[0]);
  written.set_fingerprint_2(once.fingerprint[1]);
}

void write_act(AnnounceCommand& act, command::Command& out) {
  command::Announce& announce = *out.mutable_announce();
  announce.set_node(act.node.value);
  announce.set_client_url(std::move(act.client_url));
}

void write_act(const ExpireCommand&, command::Command& out) {
  out.mutable_expire();
}

bool is_within_bounds(uint64_t keep_history_ms) {
  return keep_history_ms >= Settings::kKeepHistoryMsMin &&
         keep_history_ms <= Settings::kKeepHistoryMsMax;
}

void write_act(CompactCommand& act, command::Command& out) {
  command::Compact& compact = *out.mutable_compact();
  if (act.floor) compact.set_floor(act.floor->value);
}

void write_act(SettingsCommand& act, command::Command& out) {
  command::ChangeSettings& settings = *out.mutable_change_settings();
  if (!act.keep_history_ms) return;
  CHECK(is_within_bounds(*act.keep_history_ms), "{} ms", *act.keep_history_ms);
  settings.set_keep_history_ms(*act.keep_history_ms);
}

void write_act(HashCheckCommand&, command::Command& out) {
  out.mutable_hash_check();
}

void write_act(HashReportCommand& act, command::Command& out) {
  command::HashReport& report = *out.mutable_hash_report();
  report.set_node(act.node.value);
  report.set_index(act.index.value);
  report.set_hash(act.hash);
}

Result<CompactCommand> read_act(command::Compact& compact) {
  HOLDFAST_TRY(expect_known(compact));
  CompactCommand act;
  if (compact.has_floor()) act.floor = Revision{compact.floor()};
  return act;
}

Result<SettingsCommand> read_act(command::ChangeSettings& settings) {
  HOLDFAST_TRY(expect_known(settings));
  SettingsCommand act;
  if (!settings.has_keep_history_ms()) return act;
  act.keep_history_ms = settings.keep_history_ms();
  if (is_within_bounds(*act.keep_history_ms)) return act;
  return fail(ErrorCode::kInvalid,
              fmt::format("keep_history is to be {} ms, allowed are {} to {}", *act.keep_history_ms,
                          Settings::kKeepHistoryMsMin, Settings::kKeepHistoryMsMax));
}

Result<HashCheckCommand> read_act(command::HashCheck& check) {
  HOLDFAST_TRY(expect_known(check));
  return HashCheckCommand{};
}

Result<HashReportCommand> read_act(command::HashReport& report) {
  HOLDFAST_TRY(expect_known(report));
  return HashReportCommand{{report.node()}, {report.index()}, report.hash()};
}

Result<PutCommand> read_act(command::Put& put) {
  HOLDFAST_TRY(expect_known(put));
  HOLDFAST_TRY(expect_key(put.key()));
  PutCommand act;
  HOLDFAST_ASSIGN(act.conditions, read_conditions(put));
  act.key = std::move(*put.mutable_key());
  act.value = std::move(*put.mutable_value());
  act.lease = {put.lease()};
  act.ttl_ms = put.ttl_ms();
  act.prev = put.prev();
  if (!is_bond(act.lease, act.ttl_ms))
    return fail(ErrorCode::kInvalid,
                fmt::format("a key cannot be bound to lease {:x} and a time to live of {} ms",
                            act.lease.value, act.ttl_ms));
  return act;
}

Result<DeleteCommand> read_act(command::Delete& remove) {
  HOLDFAST_TRY(expect_known(remove));
  HOLDFAST_TRY(expect_key(remove.key()));
  DeleteCommand act;
  HOLDFAST_ASSIGN(act.conditions, read_conditions(remove));
  act.key = std::move(*remove.mutable_key());
  act.prev = remove.prev();
  return act;
}

Result<DeleteRangeCommand> read_act(command::DeleteRange& range) {
  HOLDFAST_TRY(expect_known(range));
  return DeleteRangeCommand{std::move(*range.mutable_start()), std::move(*range.mutable_end())};
}

Result<GetOperation> read_act(command::Get& get) {
  HOLDFAST_TRY(expect_known(get));
  HOLDFAST_TRY(expect_key(get.key()));
  return GetOperation{std::move(*get.mutable_key())};
}

Result<ScanOperation> read_act(command::Scan& scan) {
  HOLDFAST_TRY(expect_known(scan));
  if (!is_limit(scan.limit()))
    return fail(ErrorCode::kInvalid, fmt::format("a scan's limit is {}", scan.limit()));
  return ScanOperation{.start = std::move(*scan.mutable_start()),
                       .end = std::move(*scan.mutable_end()),
                       .limit = scan.limit(),
                       .reverse = scan.reverse(),
                       .keys_only = scan.keys_only(),
                       .count_only = scan.count_only()};
}

Result<Compare> read_compare(command::Compare& in) {
  HOLDFAST_TRY(expect_known(in));
  HOLDFAST_TRY(expect_key(in.key()));
  // Enumerations are open: what a later version adds arrives here as a number.
  const auto is_of = [](int number, int last) { return number >= 1 && number <= last; };
  if (!is_of(in.target(), command::Compare::LEASE) ||
      !is_of(in.relation(), command::Compare::GREATER_OR_EQUAL))
    return fail(ErrorCode::kInvalid,
                fmt::format("a compare is of the unknown kind {}, {}",
                            static_cast<int>(in.target()), static_cast<int>(in.relation())));
  return Compare{.key = std::move(*in.mutable_key()),
                 .target = static_cast<Compare::Target>(in.target()),
                 .relation = static_cast<Compare::Relation>(in.relation()),
                 .number = in.number(),
                 .value = std::move(*in.mutable_value())};
}

Result<Operation> read_operation(command::Operation& in) {
  HOLDFAST_TRY(expect_known(in));
  switch (in.act_case()) {
    case command::Operation::kPut:
      return read_act(*in.mutable_put());
    case command::Operation::kRemove:
      return read_act(*in.mutable_remove());
    case command::Operation::kRemoveRange:
      return read_act(*in.mutable_remove_range());
    case command::Operation::kGet:
      return read_act(*in.mutable_get());
    case command::Operation::kScan:
      return read_act(*in.mutable_scan());
    case command::Operation::ACT_NOT_SET:
      break;
  }
  return fail(ErrorCode::kInvalid, "an operation says nothing that this version can do");
}

Result<std::vector<Operation>> read_operations(
    google::protobuf::RepeatedPtrField<command::Operation>& in) {
  std::vector<Operation> operations;
  operations.reserve(static_cast<size_t>(in.size()));
  for (command::Operation& one : in) {
    HOLDFAST_ASSIGN(operations.emplace_back(), read_operation(one));
  }
  return operations;
}

Result<TransactionCommand> read_act(command::Transaction& in) {
  HOLDFAST_TRY(expect_known(in));
  for (const int count : {in.compares_size(), in.then_size(), in.otherwise_size()}) {
    if (static_cast<size_t>(count) > kOperationsMax)
      return fail(ErrorCode::kInvalid, fmt::format("a transaction has {} operations", count));
  }
  TransactionCommand act;
  act.compares.reserve(static_cast<size_t>(in.compares_size()));
  for (command::Compare& compare : *in.mutable_compares()) {
    HOLDFAST_ASSIGN(act.compares.emplace_back(), read_compare(compare));
  }
  HOLDFAST_ASSIGN(act.then, read_operations(*in.mutable_then()));
  HOLDFAST_ASSIGN(act.otherwise, read_operations(*in.mutable_otherwise()));
  return act;
}

Result<Once> read_once(command::Once& in) {
  HOLDFAST_TRY(expect_known(in));
  if (!is_once_key(in.key()))
    return fail(ErrorCode::kInvalid,
                fmt::format("an idempotency key has {} bytes, allowed are 1 to {}", in.key().size(),
                            kOnceKeyBytesMax));
  return Once{std::move(*in.mutable_key()), {in.fingerprint_1(), in.fingerprint_2()}};
}

Result<AnnounceCommand> read_act(command::Announce& announce) {
  HOLDFAST_TRY(expect_known(announce));
  return AnnounceCommand{{announce.node()}, std::move(*announce.mutable_client_url())};
}

Result<ExpireCommand> read_act(const command::Expire& expire) {
  HOLDFAST_TRY(expect_known(expire));
  return ExpireCommand{};
}

Result<decltype(Command::act)> read_what_it_does(command::Command& in) {
  switch (in.act_case()) {
    case command::Command::kPut:
      return read_act(*in.mutable_put());
    case command::Command::kRemove:
      return read_act(*in.mutable_remove());
    case command::Command::kRemoveRange:
      return read_act(*in.mutable_remove_range());
    case command::Command::kAnnounce:
      return read_act(*in.mutable_announce());
    case command::Command::kTransaction:
      return read_act(*in.mutable_transaction());
    case command::Command::kGrantLease:
    case command::Command::kKeepLeaseAlive:
    case command::Command::kRevokeLease:
    case command::Command::kAcquireLock:
    case command::Command::kKeepLockAlive:
    case command::Command::kReleaseLock:
      return read_lease_act(in);
    case command::Command::kExpire:
      return read_act(in.expire());
    case command::Command::kCompact:
      return read_act(*in.mutable_compact());
    case command::Command::kChangeSettings:
      return read_act(*in.mutable_change_settings());
    case command::Command::kHashCheck:
      return read_act(*in.mutable_hash_check());
    case command::Command::kHashReport:
      return read_act(*in.mutable_hash_report());
    case command::Command::ACT_NOT_SET:
      break;
  }
  return fail(ErrorCode::kInvalid, "a command says nothing that this version can do");
}

}  // namespace

bool holds(const Condition& condition, Revision mod_revision) {
  const bool listed = condition.any || std::ranges::find(condition.revisions, mod_revision) !=
                                           condition.revisions.end();
  const bool matches = mod_revision.value != 0 && listed;
  return (condition.kind == Condition::Kind::kMatch) == matches;
}

Bytes encode_command(Command command) {
  command::Command out;
  if (command.once) write_once(*command.once, out);
  std::visit([&out](auto& act) { write_act(act, out); }, command.act);
  return Bytes(out.SerializeAsString());
}

Result<Command> decode_command(std::string_view bytes) {
  // The messages themselves lie on the stack; only long strings are allocated, and moved out.
  alignas(8) char block[1024];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof block;
  google::protobuf::Arena arena(options);
  auto& in = *google::protobuf::Arena::CreateMessage<command::Command>(&arena);
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} bytes are not the encoding of a command", bytes.size()));
  }
  HOLDFAST_TRY(expect_known(in));
  Command command;
  if (in.has_once()) {
    HOLDFAST_ASSIGN(command.once, read_once(*in.mutable_once()));
  }
  HOLDFAST_ASSIGN(command.act, read_what_it_does(in));
  return command;
}

}  // namespace holdfast
