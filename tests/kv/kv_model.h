#pragma once

// The dumb second version of the state machine: it keeps every write in a list and reads by going
// through the list.

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "storage/kv/kv_state_machine.h"
#include "tests/kv/answers_model.h"
#include "tests/kv/history_model.h"
#include "tests/kv/random_commands.h"
#include "tests/kv/test_stores.h"

namespace holdfast {

class KvModel {
 public:
  Reply apply(const LogEntry& entry) {
    summary_.applied = entry.position();
    summary_.cluster_ms = std::max(summary_.cluster_ms, entry.stamp.cluster_ms);
    summary_.wall_ms = std::max(summary_.wall_ms, entry.stamp.wall_ms);
    Reply reply{.revision = summary_.revision};
    answers_.evict(summary_.cluster_ms);
    if (entry.kind == EntryKind::kMembers) members_ = entry.payload.view();
    if (entry.kind == EntryKind::kCommand) {
      const Command command = decode_command(entry.payload.view()).value();
      reply = answers_.once(command, summary_.cluster_ms, summary_.revision, [&] {
        return std::visit([this](const auto& act) { return obey(act); }, command.act);
      });
    }
    sum_up();
    return reply;
  }

  const StateSummary& summary() const { return summary_; }
  std::vector<Change> changes(Revision first) const {
    std::vector<Change> found = changes_;
    std::erase_if(found, [first](const Change& change) { return change.revision < first; });
    return found;
  }
  const ClientUrls& urls() const { return urls_; }
  const std::string& members() const { return members_; }
  const std::map<std::string, Row>& newest() const { return newest_; }

  // The named values that stand for leases, locks, what ends with time, and kept answers.
  NamedValues named() const;
  const HistoryModel& history() const { return history_; }

  std::map<std::string, Row> rows_at(Revision at) const {
    std::map<std::string, Row> rows;
    for (const Write& write : writes_) {
      if (write.revision > at) break;
      if (write.row) {
        rows[write.key] = *write.row;
      } else {
        rows.erase(write.key);
      }
    }
    return rows;
  }

  std::vector<KeptVersion> versions(const std::string& key, Revision floor, Revision at) const;

  Rows scan(const RangeScan& scan) const {
    Rows rows;
    for (const auto& [key, row] : rows_at(scan.at)) {
      if (key >= scan.start && (scan.end.empty() || key < scan.end)) rows.emplace_back(key, row);
    }
    if (scan.reverse) std::ranges::reverse(rows);
    return rows;
  }

 private:
  struct Write {
    Revision revision;
    std::string key;
    std::optional<Row> row;
  };

  void sum_up() {
    summary_.state_hash = 0;
    for (const auto& [key, row] : newest_) {
      summary_.state_hash += row_hash(key, row.info, row.value);
    }
    for (const auto& [name, value] : named()) summary_.state_hash += named_hash(name, value);
  }

  Revision begin_change() {
    summary_.revision = summary_.revision + 1;
    changes_.push_back({summary_.revision, summary_.stamp(), {}});
    return summary_.revision;
  }

  void put_row(const std::string& key, std::optional<Row> row) {
    changes_.back().keys.push_back(key);
    if (row) {
      newest_[key] = *row;
    } else {
      newest_.erase(key);
    }
    writes_.push_back({summary_.revision, key, std::move(row)});
  }

  // Nothing, or the refusal.
  std::optional<Reply> check(const std::string& key, const std::vector<Condition>& conditions);

  Reply obey(const PutCommand& put) {
    if (const auto refusal = check(put.key, put.conditions)) return *refusal;
    if (put.lease && !leases_.contains(put.lease)) return no_lease(put.lease);
    const std::optional<Row> prev = put.prev ? shown(put.key) : std::nullopt;
    const bool created = !newest_.contains(put.key);
    const Row row = row_of(put, summary_.revision + 1);
    const Revision now = begin_change();
    put_row(put.key, row);
    return {.revision = now, .created = created, .wants_prev = put.prev, .prev = prev};
  }

  Row row_of(const PutCommand& put, Revision now) const {
    const auto old = newest_.find(put.key);
    const bool created = old == newest_.end();
    RowInfo info{created ? now : old->second.info.create_revision, now,
                 created ? 1 : old->second.info.version + 1};
    if (put.ttl_ms != 0) info.bond = Bond::until(summary_.cluster_ms + put.ttl_ms);
    if (put.lease) info.bond = Bond::to(put.lease);
    info.hash = row_hash(put.key, info, put.value);
    return {info, put.value};
  }

  std::optional<Row> shown(const std::string& key) const {
    const auto found = newest_.find(key);
    if (found == newest_.end()) return std::nullopt;
    Row row = found->second;
    row.info.hash = 0;
    return row;
  }

  Reply obey(const DeleteCommand& remove) {
    if (const auto refusal = check(remove.key, remove.conditions)) return *refusal;
    const std::optional<Row> prev = remove.prev ? shown(remove.key) : std::nullopt;
    const bool is_there = newest_.contains(remove.key);
    if (is_there) begin_change();
    if (is_there) put_row(remove.key, std::nullopt);
    return {.revision = summary_.revision,
            .deleted = is_there ? 1U : 0U,
            .wants_prev = remove.prev,
            .prev = prev};
  }

  using Touched = std::map<std::string, bool>;

  // Works on `newest_` itself, and puts it back as it was if it comes to a refusal.
  Reply obey(const TransactionCommand& transaction);
  bool holds(const Compare& compare) const;
  void show_prev(const std::string& key, bool wanted, OperationResult& result) const;
  void carry_out(const PutCommand& put, OperationResult& result, Touched& touched);
  void carry_out(const DeleteCommand& remove, OperationResult& result, Touched& touched);
  void carry_out(const DeleteRangeCommand& range, OperationResult& result, Touched& touched);
  void carry_out(const GetOperation& get, OperationResult& result, Touched&) const;
  void carry_out(const ScanOperation& scan, OperationResult& result, Touched&) const;

  Reply no_lease(LeaseId id) const {
    Reply refusal = refuse(ReplyStatus::kLeaseNotFound);
    refusal.lease = id;
    return refusal;
  }

  Reply obey(const DeleteRangeCommand& range) {
    std::vector<std::string> keys;
    for (const auto& [key, row] : newest_) {
      if (key >= range.start && (range.end.empty() || key < range.end)) keys.push_back(key);
    }
    if (keys.empty()) return {.revision = summary_.revision};
    begin_change();
    for (const std::string& key : keys) put_row(key, std::nullopt);
    return {.revision = summary_.revision, .deleted = keys.size()};
  }

  Reply refuse(ReplyStatus status) const {
    return {.status = status, .revision = summary_.revision};
  }

  // Ends all that `ends` says yes to, as one revision.
  Reply end_keys(const std::function<bool(Bond)>& ends) {
    std::vector<std::string> keys;
    for (const auto& [key, row] : newest_)
      if (ends(row.info.bond)) keys.push_back(key);
    if (!keys.empty()) begin_change();
    for (const std::string& key : keys) put_row(key, std::nullopt);
    return {.revision = summary_.revision, .deleted = keys.size()};
  }

  Reply obey(const GrantLeaseCommand& grant);
  Reply obey(const KeepLeaseAliveCommand& keep);

  Reply obey(const RevokeLeaseCommand& revoke) {
    if (leases_.erase(revoke.id) == 0) return no_lease(revoke.id);
    free_locks();
    return end_keys([&](Bond bond) { return bond.lease() == revoke.id; });
  }

  // All at once: the tests have few keys.
  Reply obey(const ExpireCommand&) {
    const uint64_t now = summary_.cluster_ms;
    std::erase_if(leases_, [&](const auto& item) { return item.second.deadline_ms <= now; });
    free_locks();
    return end_keys([&](Bond bond) {
      if (bond.is_deadline()) return bond.deadline_ms() <= now;
      return bond.is_lease() && !leases_.contains(bond.lease());
    });
  }

  void free_locks() {
    std::erase_if(locks_, [&](const auto& item) { return !leases_.contains(item.second.lease); });
  }
  Reply obey(const AcquireLockCommand& acquire);
  Reply obey(const KeepLockAliveCommand& keep);
  Reply obey(const ReleaseLockCommand& release);

  Reply obey(const CompactCommand& act) { return history_.obey(act, summary_, changes_); }
  Reply obey(const SettingsCommand& act) { return history_.obey(act, summary_, changes_); }
  Reply obey(const HashCheckCommand& act) {
    sum_up();  // what this entry's time let go counts already
    return history_.obey(act, summary_, changes_);
  }
  Reply obey(const HashReportCommand& act) { return history_.obey(act, summary_, changes_); }

  Reply obey(const AnnounceCommand& announce) {
    urls_[announce.node] = announce.client_url;
    return {.revision = summary_.revision};
  }

  StateSummary summary_;
  AnswersModel answers_;
  std::map<std::string, Row> newest_;
  std::vector<Write> writes_;
  std::vector<Change> changes_;
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, HeldLock> locks_;
  uint64_t last_token_ = 0;
  HistoryModel history_;
  ClientUrls urls_;
  std::string members_;
};

}  // namespace holdfast
