#include "tests/sim/sim_client.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/kv/growth.h"

namespace holdfast::sim {
namespace {

constexpr double kSenseless = 0.005;

raft::Proposal proposal_of(const Operation& change, Instant deadline) {
  if (change.command) return {change.request, deadline, encode_command(*change.command)};
  const raft::MemberChange senseless{.act = raft::MemberChange::Act::kPromote,
                                     .member = {.id = NodeId{1000}}};
  return {change.request, deadline, raft::encode_change(senseless), EntryKind::kMembers};
}

}  // namespace

void ClientPool::start() {
  for (uint64_t i = 0; i < watch_.plan.clients.count; ++i) {
    clients_.push_back({.home = NodeId{1 + watch_.random.below(nodes_.size())}, .seen = {}});
    for (size_t chain = 0; chain < watch_.plan.clients.in_flight; ++chain)
      watch_.agenda.add(watch_.draw(watch_.plan.clients.think), [this, i] { act(i); });
  }
}

bool ClientPool::waits_at(const std::vector<NodeId>& nodes) const {
  return std::ranges::any_of(waiting_, [&](const auto& item) {
    return std::ranges::find(nodes, history_[item.second].node) != nodes.end();
  });
}

Outside ClientPool::outside() {
  return {.completed = [this](NodeId id, const Completion& done) { completed(id, done); },
          .readable = [this](NodeId id, RequestId request) { readable(id, request); },
          .refused = [this](NodeId id, const raft::Refusal& refusal) { refused(id, refusal); },
          .died = [this](NodeId id) { died(id); },
          .wants_crash = {},
          .sends_state = {},
          .ends_transfer = {}};
}

void ClientPool::act(uint64_t number) {
  if (stopped_) return;
  const ClientPlan& plan = watch_.plan.clients;
  Client& client = clients_[number];
  if (watch_.random.chance(0.05)) client.home = NodeId{1 + watch_.random.below(nodes_.size())};

  Operation operation;
  operation.client = number;
  operation.key = fmt::format("k{}", watch_.random.below(plan.keys));
  operation.node = client.home;
  const double all_reads = plan.reads + plan.local_reads + plan.past_reads;
  const bool reads = watch_.random.chance(all_reads);
  if (!reads) {
    operation.kind = ActKind::kChange;
    if (!watch_.random.chance(kSenseless)) operation.command = draw_change(client, operation.key);
  } else {
    operation.kind = watch_.random.chance(plan.past_reads / all_reads) ? ActKind::kPastRead
                     : watch_.random.chance(plan.local_reads / (all_reads - plan.past_reads))
                         ? ActKind::kLocalRead
                         : ActKind::kRead;
  }
  send(std::move(operation));
}

Command ClientPool::draw_change(Client& client, const std::string& key) {
  const ClientPlan& plan = watch_.plan.clients;
  std::vector<Condition> conditions;
  if (watch_.random.chance(plan.conditions)) {
    const auto seen = client.seen.find(key);
    Condition condition;
    if (seen == client.seen.end() || watch_.random.chance(0.2)) {
      condition = {.kind = Condition::Kind::kNoneMatch, .any = true, .revisions = {}};
    } else {
      condition = {.kind = Condition::Kind::kMatch, .any = false, .revisions = {seen->second}};
    }
    conditions.push_back(condition);
  }
  if (watch_.random.chance(plan.leases)) return draw_lease_change();
  if (watch_.random.chance(plan.compactions)) {
    // Sometimes up to what is not there yet.
    Revision newest{2};
    for (const auto& [unused, revision] : client.seen) newest = std::max(newest, revision);
    return {.act = CompactCommand{Revision{1 + watch_.random.below(newest.value + 2)}}};
  }
  Command command;
  if (watch_.random.chance(plan.once))
    command.once = Once{fmt::format("once {}", next_value_++), {next_value_, 1}};
  if (watch_.random.chance(plan.transactions)) {
    command.act = draw_transaction(client, key);
  } else if (watch_.random.chance(plan.deletes)) {
    command.act = DeleteCommand{key, std::move(conditions)};
  } else {
    std::string value = fmt::format("v{}.", next_value_++);
    value.append(watch_.random.below(plan.value_bytes_max), '.');
    PutCommand put{key, std::move(value), std::move(conditions)};
    if (plan.leases > 0 && watch_.random.chance(plan.bound)) {
      if (watch_.random.chance(0.5)) {
        put.lease = draw_lease();
      } else {
        put.ttl_ms = draw_ttl_ms();
      }
    }
    command.act = std::move(put);
  }
  return command;
}

TransactionCommand ClientPool::draw_transaction(const Client& client, const std::string& key) {
  const auto seen = client.seen.find(key);
  const std::string other = fmt::format("k{}", watch_.random.below(watch_.plan.clients.keys));
  TransactionCommand transaction;
  if (watch_.random.chance(0.5))
    transaction.compares.push_back({.key = key,
                                    .target = Compare::Target::kModRevision,
                                    .relation = Compare::Relation::kEqual,
                                    .number = seen == client.seen.end() ? 0 : seen->second.value,
                                    .value = {}});
  for (const std::string& name : {key, other})
    transaction.then.emplace_back(PutCommand{name, fmt::format("v{}.", next_value_++), {}});
  transaction.then.emplace_back(GetOperation{key});
  if (watch_.random.chance(0.3)) transaction.then.emplace_back(DeleteCommand{other, {}});
  transaction.otherwise.emplace_back(GetOperation{key});
  return transaction;
}

// Few, so that clients meet at them.
LeaseId ClientPool::draw_lease() {
  return {1 + watch_.random.below(4)};
}

// Short enough to end while the faults go on.
uint64_t ClientPool::draw_ttl_ms() {
  return kTtlMsMin + watch_.random.below(1'500);
}

Command ClientPool::draw_lease_change() {
  const uint64_t draw = watch_.random.below(100);
  if (draw < 30) return {.act = GrantLeaseCommand{draw_lease(), draw_ttl_ms()}};
  if (draw < 45) {
    const LeaseId lease = draw_lease();
    return {.act = AcquireLockCommand{fmt::format("lock {}", lease.value % 2),
                                      fmt::format("owner {}", draw), lease, draw_ttl_ms()}};
  }
  if (draw < 75) return {.act = KeepLeaseAliveCommand{draw_lease()}};
  const std::string lock = fmt::format("lock {}", draw % 2);
  if (draw < 82) return {.act = KeepLockAliveCommand{lock, newest_token_}};
  if (draw < 87) return {.act = ReleaseLockCommand{lock, newest_token_}};
  return {.act = RevokeLeaseCommand{draw_lease()}};
}

void ClientPool::probe(NodeId id) {
  Operation write;
  write.client = UINT64_MAX;
  write.kind = ActKind::kChange;
  write.node = id;
  write.key = fmt::format("probe{}", id.value);
  Command command;
  command.act = PutCommand{write.key, fmt::format("v{}.", next_value_++), {}};
  write.command = command;
  send(std::move(write));
  Operation read;
  read.client = UINT64_MAX;
  read.kind = ActKind::kRead;
  read.node = id;
  read.key = fmt::format("probe{}", id.value);
  send(std::move(read));
}

void ClientPool::send(Operation operation) {
  SimNode& target = node(operation.node);
  const Instant now = watch_.agenda.now();
  const RequestId request{history_.size() + 1};
  const Instant deadline = target.clock() + watch_.plan.clients.timeout;
  operation.request = request;
  operation.life = target.life();
  operation.called = now;
  history_.push_back(std::move(operation));
  Operation& sent = history_.back();
  watch_.trace.mix(request.value << 8 ^ sent.node.value);
  if (!target.is_up()) return end(sent, Outcome::kRefused);
  if (sent.kind == ActKind::kLocalRead) {
    sent.revision = target.revision();
    sent.found = target.read(sent.key, sent.revision);
    return end(sent, Outcome::kOk);
  }
  if (sent.kind == ActKind::kPastRead) return read_past(sent, target);
  // As where requests come in.
  if (sent.command && grows(*sent.command) && target.status().refuses_growth) {
    watch_.marks.reach(Mark::kRefusedNoRoom);
    return end(sent, Outcome::kRefused);
  }
  waiting_.emplace(request, history_.size() - 1);
  if (sent.kind == ActKind::kChange && has_change_before(sent))
    watch_.marks.reach(Mark::kPipelined);
  if (sent.kind == ActKind::kRead) {
    target.submit(raft::ReadBarrier{{{request, deadline}}});
  } else {
    target.submit(raft::Propose{{proposal_of(sent, deadline)}});
  }
}

void ClientPool::read_past(Operation& operation, const SimNode& target) {
  operation.revision = {1 + watch_.random.below(target.revision().value)};
  if (operation.revision < target.history_floor()) {
    watch_.marks.reach(Mark::kPastRefused);
    return end(operation, Outcome::kRefused);
  }
  watch_.marks.reach(Mark::kPastRead);
  operation.found = target.read(operation.key, operation.revision);
  end(operation, Outcome::kOk);
}

bool ClientPool::has_change_before(const Operation& operation) const {
  return std::ranges::any_of(waiting_, [&](const auto& item) {
    const Operation& other = history_[item.second];
    return other.client == operation.client && other.node == operation.node &&
           other.kind == ActKind::kChange && other.request < operation.request;
  });
}

void ClientPool::end(Operation& operation, Outcome outcome) {
  operation.outcome = outcome;
  operation.returned = watch_.agenda.now();
  waiting_.erase(operation.request);
  watch_.trace.mix(operation.request.value << 8 ^ static_cast<uint64_t>(outcome));
  watch_.line(operation.node, [&] {
    constexpr const char* kNames[] = {"waits", "ok", "refused", "unknown"};
    return fmt::format("request {} ({} {}) ends: {} at revision {}", operation.request.value,
                       operation.kind == ActKind::kChange ? "change" : "read", operation.key,
                       kNames[static_cast<size_t>(outcome)], operation.revision.value);
  });
  const uint64_t number = operation.client;
  if (number >= clients_.size()) return;
  Client& client = clients_[number];
  if (outcome != Outcome::kOk && watch_.random.chance(0.5))
    client.home = NodeId{1 + watch_.random.below(nodes_.size())};
  const bool is_named = operation.command && operation.command->once;
  if (outcome == Outcome::kUnknown && is_named && watch_.random.chance(0.8)) {
    watch_.agenda.add(watch_.draw(watch_.plan.clients.think),
                      [this, request = operation.request] { send_again(request); });
    return;
  }
  watch_.agenda.add(watch_.draw(watch_.plan.clients.think), [this, number] { act(number); });
}

void ClientPool::send_again(RequestId request) {
  if (stopped_) return;
  const Operation& first = history_[request.value - 1];
  Operation again;
  again.client = first.client;
  again.kind = ActKind::kChange;
  again.key = first.key;
  again.command = first.command;
  again.node = clients_[first.client].home;
  send(std::move(again));
}

// "Unknown" and the completion may both come, and overtake each other; nothing else comes twice.
Operation* ClientPool::answered(NodeId id, RequestId request, Outcome outcome) {
  const auto found = waiting_.find(request);
  if (found != waiting_.end()) {
    ended_.emplace(request, outcome);
    return &history_[found->second];
  }
  // After a restart the log is replayed, and with it what was answered before the crash.
  if (request <= before_restart_[id]) return nullptr;
  const Outcome before = ended_.at(request);
  if (before == outcome || (before != Outcome::kUnknown && outcome != Outcome::kUnknown))
    watch_.invariants.fail(
        "one answer for each request",
        fmt::format("node {} answers request {} again", id.value, request.value));
  return nullptr;
}

void ClientPool::completed(NodeId id, const Completion& completion) {
  Operation* const operation = answered(id, completion.request, Outcome::kOk);
  if (operation == nullptr) return;
  operation->reply = completion.reply;
  operation->revision = completion.reply.revision;
  if (completion.reply.status == ReplyStatus::kPreconditionFailed)
    watch_.marks.reach(Mark::kConditionFailed);
  if (completion.reply.status == ReplyStatus::kLeaseNotFound)
    watch_.marks.reach(Mark::kLeaseNotFound);
  if (completion.reply.status == ReplyStatus::kLockHeld) watch_.marks.reach(Mark::kLockHeld);
  newest_token_ = std::max(newest_token_, completion.reply.token);
  if (completion.reply.replayed) watch_.marks.reach(Mark::kReplayed);
  const bool is_transaction =
      operation->command && std::holds_alternative<TransactionCommand>(operation->command->act);
  if (is_transaction && !completion.reply.succeeded) watch_.marks.reach(Mark::kComparesFailed);
  const bool about_key =
      operation->command && (std::holds_alternative<PutCommand>(operation->command->act) ||
                             std::holds_alternative<DeleteCommand>(operation->command->act));
  if (operation->client < clients_.size() && about_key) {
    Client& client = clients_[operation->client];
    client.seen[operation->key] = completion.reply.status == ReplyStatus::kOk
                                      ? completion.reply.revision
                                      : completion.reply.current;
  }
  end(*operation, Outcome::kOk);
}

void ClientPool::readable(NodeId id, RequestId request) {
  Operation* const operation = answered(id, request, Outcome::kOk);
  if (operation == nullptr) return;
  operation->revision = node(id).revision();
  operation->found = node(id).read(operation->key, operation->revision);
  if (operation->client < clients_.size() && operation->found)
    clients_[operation->client].seen[operation->key] = operation->found->info.mod_revision;
  end(*operation, Outcome::kOk);
}

void ClientPool::refused(NodeId id, const raft::Refusal& refusal) {
  const Outcome outcome =
      refusal.reason == raft::RefusalReason::kUnknown ? Outcome::kUnknown : Outcome::kRefused;
  Operation* const operation = answered(id, refusal.request, outcome);
  if (operation == nullptr) return;
  constexpr Mark kMarkOf[] = {Mark::kRefusedNoLeader, Mark::kRefusedOverloaded,
                              Mark::kRefusedTimeout,  Mark::kRefusedUnknown,
                              Mark::kRefusedRejected, Mark::kRefusedFenced,
                              Mark::kRefusedOvertaken};
  watch_.marks.reach(kMarkOf[static_cast<size_t>(refusal.reason)]);
  end(*operation, outcome);
}

void ClientPool::died(NodeId id) {
  before_restart_[id] = RequestId{history_.size()};
  std::vector<size_t> places;
  for (const auto& [request, place] : waiting_)
    if (history_[place].node == id) places.push_back(place);
  for (const size_t place : places) end(history_[place], Outcome::kUnknown);
}

}  // namespace holdfast::sim
