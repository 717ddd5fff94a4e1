#include "tests/sim/oracle.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "storage/kv/idempotency.h"
#include "storage/kv/locks.h"
#include "storage/kv/transaction.h"

namespace holdfast::sim {
namespace {

// A second state machine, as simple as can be, that remembers every version.
class Model {
 public:
  Revision revision() const { return revision_; }

  // `cluster_ms`: in the entry's stamp. Nothing ends but by an entry, and then by its time.
  Reply apply(const Command& command, uint64_t cluster_ms) {
    now_ms_ = std::max(now_ms_, cluster_ms);
    std::erase_if(kept_, [&](const auto& it) { return it.second.deadline_ms <= now_ms_; });
    if (!command.once) return apply(command);
    if (const auto kept = kept_.find(command.once->key); kept != kept_.end()) {
      if (kept->second.fingerprint != command.once->fingerprint)
        return refuse(ReplyStatus::kOnceMismatch);
      Reply reply = kept->second.reply;
      reply.replayed = true;
      return reply;
    }
    const Reply reply = apply(command);
    const auto* transaction = std::get_if<TransactionCommand>(&command.act);
    const bool is_read = transaction != nullptr && only_reads(*transaction);
    if (is_read || !is_kept(reply.status)) return reply;
    kept_[command.once->key] = {now_ms_ + Idempotency::kLifeMs, command.once->fingerprint, reply};
    return reply;
  }

  Reply apply(const Command& command) {
    if (const auto* put = std::get_if<PutCommand>(&command.act)) return apply_put(*put);
    if (const auto* transaction = std::get_if<TransactionCommand>(&command.act))
      return apply_transaction(*transaction);
    if (const auto* grant = std::get_if<GrantLeaseCommand>(&command.act)) {
      if (!leases_.emplace(grant->id, Lease{grant->ttl_ms, now_ms_ + grant->ttl_ms}).second)
        return refuse(ReplyStatus::kLeaseExists);
      return {.revision = revision_, .ttl_ms = grant->ttl_ms, .lease = grant->id};
    }
    if (const auto* keep = std::get_if<KeepLeaseAliveCommand>(&command.act)) {
      const auto lease = leases_.find(keep->id);
      if (lease == leases_.end()) return no_lease(keep->id);
      lease->second.deadline_ms = now_ms_ + lease->second.ttl_ms;
      return {.revision = revision_, .ttl_ms = lease->second.ttl_ms, .lease = keep->id};
    }
    if (const auto* revoke = std::get_if<RevokeLeaseCommand>(&command.act)) {
      if (leases_.erase(revoke->id) == 0) return no_lease(revoke->id);
      free_locks();
      // What is over by its time waits for the entry that ends it.
      return end_keys([&](Bond bond) { return bond.lease() == revoke->id; });
    }
    if (std::holds_alternative<ExpireCommand>(command.act)) {
      std::erase_if(leases_, [&](const auto& it) { return it.second.deadline_ms <= now_ms_; });
      free_locks();
      return end_keys([this](Bond bond) {
        return bond.is_deadline() ? bond.deadline_ms() <= now_ms_
                                  : bond.is_lease() && !leases_.contains(bond.lease());
      });
    }
    if (const auto* acquire = std::get_if<AcquireLockCommand>(&command.act))
      return apply_acquire(*acquire);
    if (const auto* keep = std::get_if<KeepLockAliveCommand>(&command.act)) {
      if (!is_held(keep->name, keep->token)) return refuse(ReplyStatus::kLeaseNotFound);
      Reply reply = apply({.act = KeepLeaseAliveCommand{locks_[keep->name].lease}});
      reply.token = keep->token;
      return reply;
    }
    if (const auto* release = std::get_if<ReleaseLockCommand>(&command.act)) {
      if (!is_held(release->name, release->token)) return refuse(ReplyStatus::kLeaseNotFound);
      return apply({.act = RevokeLeaseCommand{locks_[release->name].lease}});
    }
    if (const auto* compact = std::get_if<CompactCommand>(&command.act)) {
      // What is forgotten was so all the same: nobody may read it otherwise.
      const bool is_there = !compact->floor || *compact->floor <= revision_;
      return refuse(is_there ? ReplyStatus::kOk : ReplyStatus::kRevisionTooNew);
    }
    if (const auto* remove = std::get_if<DeleteCommand>(&command.act)) return apply_delete(*remove);
    return refuse(ReplyStatus::kOk);  // changes nothing that clients see
  }

  // Whether the key was so at some moment up to `at`.
  bool had(const std::string& key, const std::optional<Row>& row, Revision at) const {
    const auto versions = rows_.find(key);
    if (!row || versions == rows_.end()) return !row;  // at first it was not there
    const auto written = versions->second.find(row->info.mod_revision);
    return written != versions->second.end() && written->first <= at && written->second == row;
  }

  std::optional<Row> row_at(const std::string& key, Revision at) const {
    const auto versions = rows_.find(key);
    if (versions == rows_.end()) return std::nullopt;
    const auto after = versions->second.upper_bound(at);
    return after == versions->second.begin() ? std::nullopt : std::prev(after)->second;
  }

 private:
  static bool all_hold(const std::vector<Condition>& conditions, Revision current) {
    return std::ranges::all_of(conditions, [&](const Condition& condition) {
      // What does not exist matches nothing.
      const bool match = current != Revision{} &&
                         (condition.any || std::ranges::find(condition.revisions, current) !=
                                               condition.revisions.end());
      return match == (condition.kind == Condition::Kind::kMatch);
    });
  }

  Revision mod_revision(const std::string& key) const {
    const std::optional<Row> row = row_at(key, revision_);
    return row ? row->info.mod_revision : Revision{};
  }

  Reply refuse(ReplyStatus status) const { return {.status = status, .revision = revision_}; }
  Reply no_lease(LeaseId id) const {
    Reply refusal = refuse(ReplyStatus::kLeaseNotFound);
    refusal.lease = id;
    return refusal;
  }

  Reply apply_acquire(const AcquireLockCommand& acquire) {
    if (const auto held = locks_.find(acquire.name); held != locks_.end()) {
      const uint64_t deadline_ms = leases_.at(held->second.lease).deadline_ms;
      Reply refusal = refuse(ReplyStatus::kLockHeld);
      refusal.token = held->second.token;
      refusal.owner = held->second.owner;
      refusal.retry_ms = deadline_ms - std::min(deadline_ms, now_ms_);
      return refusal;
    }
    Reply reply = apply({.act = GrantLeaseCommand{acquire.lease, acquire.ttl_ms}});
    if (reply.status != ReplyStatus::kOk) return reply;
    last_token_ = std::max(last_token_, revision_.value) + 1;
    locks_[acquire.name] = {last_token_, acquire.lease, acquire.owner};
    reply.token = last_token_;
    return reply;
  }

  bool is_held(const std::string& name, uint64_t token) const {
    const auto held = locks_.find(name);
    return held != locks_.end() && held->second.token == token;
  }
  void free_locks() {
    std::erase_if(locks_, [&](const auto& it) { return !leases_.contains(it.second.lease); });
  }

  // What the simulator's clients ask: compares of mod_revision for equality, puts, deletes and gets
  // of single keys.
  Reply apply_transaction(const TransactionCommand& transaction) {
    const Revision next = revision_ + 1;
    Reply reply;
    reply.succeeded = std::ranges::all_of(transaction.compares, [this](const Compare& one) {
      return mod_revision(one.key).value == one.number;
    });
    for (const auto& operation : reply.succeeded ? transaction.then : transaction.otherwise) {
      OperationResult& result = reply.results.emplace_back();
      if (const auto* put = std::get_if<PutCommand>(&operation)) {
        result.kind = OperationResult::Kind::kPut;
        result.created = !row_at(put->key, next);
        rows_[put->key][next] = row_of(*put, next);
        revision_ = next;
      } else if (const auto* remove = std::get_if<DeleteCommand>(&operation)) {
        result.kind = OperationResult::Kind::kDelete;
        if (!row_at(remove->key, next)) continue;
        result.deleted = 1;
        rows_[remove->key][next] = std::nullopt;
        revision_ = next;
      } else {
        const std::string& key = std::get<GetOperation>(operation).key;
        result.kind = OperationResult::Kind::kGet;
        if (const std::optional<Row> row = row_at(key, next)) result.items.push_back({key, *row});
      }
    }
    reply.revision = revision_;
    return reply;
  }

  Row row_of(const PutCommand& put, Revision revision) const {
    const std::optional<Row> before = row_at(put.key, revision);
    const RowInfo info{.create_revision = before ? before->info.create_revision : revision,
                       .mod_revision = revision,
                       .version = before ? before->info.version + 1 : 1,
                       .hash = 0,
                       .bond = put.lease         ? Bond::to(put.lease)
                               : put.ttl_ms != 0 ? Bond::until(now_ms_ + put.ttl_ms)
                                                 : Bond{}};
    return {info, put.value};
  }

  // Whatever is bound to something that `ends`.
  template <class Ends>
  Reply end_keys(const Ends& ends) {
    const Revision next = revision_ + 1;
    uint64_t deleted = 0;
    for (auto& [key, versions] : rows_) {
      const std::optional<Row>& row = versions.rbegin()->second;
      if (!row) continue;
      if (!ends(row->info.bond)) continue;
      versions[next] = std::nullopt;
      ++deleted;
    }
    if (deleted > 0) revision_ = next;
    return {.revision = revision_, .deleted = deleted};
  }

  Reply apply_put(const PutCommand& put) {
    const Revision current = mod_revision(put.key);
    if (!all_hold(put.conditions, current))
      return {
          .status = ReplyStatus::kPreconditionFailed, .revision = revision_, .current = current};
    if (put.lease && !leases_.contains(put.lease)) return no_lease(put.lease);
    const std::optional<Row> before = row_at(put.key, revision_);
    const Row row = row_of(put, revision_ + 1);
    revision_ = revision_ + 1;
    rows_[put.key][revision_] = row;
    return {.status = ReplyStatus::kOk, .revision = revision_, .created = !before, .current = {}};
  }

  Reply apply_delete(const DeleteCommand& remove) {
    const Revision current = mod_revision(remove.key);
    if (!all_hold(remove.conditions, current))
      return {
          .status = ReplyStatus::kPreconditionFailed, .revision = revision_, .current = current};
    if (current == Revision{})
      return {.status = ReplyStatus::kOk, .revision = revision_, .current = {}};
    revision_ = revision_ + 1;
    rows_[remove.key][revision_] = std::nullopt;
    return {.status = ReplyStatus::kOk, .revision = revision_, .deleted = 1, .current = {}};
  }

  struct Lease {
    uint64_t ttl_ms;
    uint64_t deadline_ms;
  };

  struct Kept {
    uint64_t deadline_ms;
    Once::Fingerprint fingerprint;
    Reply reply;
  };

  Revision revision_{1};
  uint64_t now_ms_ = 0;
  std::map<std::string, Kept> kept_;
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, HeldLock> locks_;
  uint64_t last_token_ = 0;
  std::map<std::string, std::map<Revision, std::optional<Row>>> rows_;
};

struct Effect {
  LogPosition position;
  Reply reply;
  bool changed;
};

class Judge {
 public:
  Judge(const History& history, const std::vector<EntryPtr>& committed) : history_(history) {
    for (const EntryPtr& entry : committed) replay(*entry);
  }

  Judgement judge() {
    for (const Operation& operation : history_) {
      if (operation.kind == ActKind::kChange) {
        judge_change(operation);
      } else if (operation.outcome == Outcome::kOk) {
        judge_read(operation);
      }
    }
    judge_real_time();
    judge_order();
    return std::move(judgement_);
  }

 private:
  void object(std::string_view verdict, const Operation& operation, std::string why) {
    if (judgement_.verdict) return;
    judgement_.verdict = Violation{
        std::string(verdict),
        fmt::format("request {} of client {} at node {}, key {}: {}", operation.request.value,
                    operation.client, operation.node.value, operation.key, why)};
  }

  static bool is_own(const Command& command) {
    const auto* const compact = std::get_if<CompactCommand>(&command.act);
    return std::holds_alternative<ExpireCommand>(command.act) ||
           std::holds_alternative<HashCheckCommand>(command.act) ||
           std::holds_alternative<HashReportCommand>(command.act) ||
           (compact != nullptr && !compact->floor);
  }

  void replay(const LogEntry& entry) {
    if (entry.kind != EntryKind::kCommand) return;
    const Result<Command> command = decode_command(entry.payload.view());
    // The group's own: nobody asked for it.
    if (command && is_own(*command)) {
      model_.apply(*command, entry.stamp.cluster_ms);
      return;
    }
    const uint64_t request = entry.origin.request.value;
    if (request == 0 || request > history_.size())
      return object(verdict::kPhantom, {},
                    fmt::format("entry {} is of no request", entry.index.value));
    const Operation& operation = history_[request - 1];
    if (!command || *command != operation.command)
      return object(verdict::kPhantom, operation,
                    fmt::format("entry {} is not what it asked", entry.index.value));
    const Revision before = model_.revision();
    const Reply reply = model_.apply(*command, entry.stamp.cluster_ms);
    const auto [effect, is_new] = effects_.emplace(
        operation.request, Effect{entry.position(), reply, model_.revision() != before});
    if (!is_new)
      object(verdict::kDoubled, operation,
             fmt::format("it is entry {} and entry {}", effect->second.position.index.value,
                         entry.index.value));
  }

  void judge_change(const Operation& operation) {
    const auto effect = effects_.find(operation.request);
    const bool is_there = effect != effects_.end();
    if (operation.outcome == Outcome::kOk && !is_there)
      return object(verdict::kLost, operation, "it was acknowledged and is not in the log");
    if (operation.outcome == Outcome::kRefused && is_there)
      return object(verdict::kRefusedThenSeen, operation,
                    fmt::format("it is entry {}", effect->second.position.index.value));
    if (operation.outcome == Outcome::kUnknown && is_there) ++judgement_.unknown_then_seen;
    if (operation.outcome == Outcome::kOk && operation.reply != effect->second.reply)
      object(verdict::kWrongAnswer, operation,
             fmt::format("it was told status {} revision {}, the log says status {} revision {}",
                         static_cast<int>(operation.reply.status), operation.reply.revision.value,
                         static_cast<int>(effect->second.reply.status),
                         effect->second.reply.revision.value));
  }

  void judge_read(const Operation& operation) {
    if (operation.revision > model_.revision())
      return object(verdict::kPhantom, operation,
                    fmt::format("it reads revision {}, the log makes {}", operation.revision.value,
                                model_.revision().value));
    std::optional<Row> expected = model_.row_at(operation.key, operation.revision);
    std::optional<Row> found = operation.found;
    if (found) found->info.hash = 0;
    if (found == expected) return;
    const bool was_true_once = model_.had(operation.key, found, operation.revision);
    object(was_true_once ? verdict::kStale : verdict::kPhantom, operation,
           fmt::format("at revision {} it reads '{}' of revision {}, there was '{}' of revision {}",
                       operation.revision.value, found ? found->value : "nothing",
                       found ? found->info.mod_revision.value : 0,
                       expected ? expected->value : "nothing",
                       expected ? expected->info.mod_revision.value : 0));
  }

  // What returned before another was called comes before it in the order of revisions.
  void judge_real_time() {
    std::vector<const Operation*> by_call;
    std::vector<const Operation*> by_return;
    for (const Operation& operation : history_) {
      if (operation.outcome != Outcome::kOk || operation.kind == ActKind::kLocalRead ||
          operation.kind == ActKind::kPastRead)
        continue;
      by_call.push_back(&operation);
      by_return.push_back(&operation);
    }
    std::ranges::sort(by_call, {}, &Operation::called);
    std::ranges::sort(by_return, {}, &Operation::returned);
    const Operation* newest = nullptr;  // of what has returned
    auto returned = by_return.begin();
    for (const Operation* operation : by_call) {
      for (; returned != by_return.end() && (*returned)->returned < operation->called; ++returned)
        if (newest == nullptr || (*returned)->revision > newest->revision) newest = *returned;
      // An answer from before is of the revision from before.
      if (newest == nullptr || operation->reply.replayed) continue;
      const bool changed = operation->kind == ActKind::kChange &&
                           effects_.contains(operation->request) &&
                           effects_.at(operation->request).changed;
      if (operation->revision < newest->revision ||
          (changed && operation->revision == newest->revision))
        object(
            operation->kind == ActKind::kRead ? verdict::kStale : verdict::kEarly, *operation,
            fmt::format("it is at revision {}, but request {} had returned {} before",
                        operation->revision.value, newest->request.value, newest->revision.value));
    }
  }

  void judge_order() {
    struct Last {
      RequestId request;
      LogIndex index;
    };
    // Of client, node and life of the node.
    std::map<std::tuple<uint64_t, NodeId, uint64_t>, Last> last;
    for (const auto& [request, effect] : effects_) {
      const Operation& operation = history_[request.value - 1];
      Last& before = last[{operation.client, operation.node, operation.life}];
      if (effect.position.index < before.index)
        object(verdict::kOvertaken, operation,
               fmt::format("it is entry {}, request {}, sent before it, is entry {}",
                           effect.position.index.value, before.request.value, before.index.value));
      before = {request, effect.position.index};
    }
  }

  const History& history_;
  Model model_;
  std::map<RequestId, Effect> effects_;
  Judgement judgement_;
};

}  // namespace

Judgement judge(const History& history, const std::vector<EntryPtr>& committed) {
  return Judge(history, committed).judge();
}

}  // namespace holdfast::sim
