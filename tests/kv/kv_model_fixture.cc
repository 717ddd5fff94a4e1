// The longer parts of the dumb second version of the state machine.

#include "tests/kv/kv_model.h"

namespace holdfast {

Reply KvModel::obey(const TransactionCommand& transaction) {
  Reply reply;
  reply.succeeded =
      std::ranges::all_of(transaction.compares, [this](const Compare& one) { return holds(one); });
  const std::map<std::string, Row> before = newest_;
  std::map<std::string, bool> touched;
  for (const Operation& operation : reply.succeeded ? transaction.then : transaction.otherwise) {
    OperationResult& result = reply.results.emplace_back();
    const auto* put = std::get_if<PutCommand>(&operation);
    if (put != nullptr && put->lease && !leases_.contains(put->lease)) {
      newest_ = before;
      Reply refusal = no_lease(put->lease);
      refusal.succeeded = reply.succeeded;
      refusal.refused = static_cast<uint32_t>(reply.results.size());
      return refusal;
    }
    std::visit([&](const auto& act) { carry_out(act, result, touched); }, operation);
  }
  if (!touched.empty()) begin_change();
  for (const auto& [key, unused] : touched) {
    const auto row = newest_.find(key);
    put_row(key, row == newest_.end() ? std::nullopt : std::optional(Row(row->second)));
  }
  reply.revision = summary_.revision;
  return reply;
}

bool KvModel::holds(const Compare& compare) const {
  const auto found = newest_.find(compare.key);
  const bool is_there = found != newest_.end();
  const RowInfo info = is_there ? found->second.info : RowInfo{};
  int order = 0;
  const auto set = [&order](const auto& a, const auto& b) { order = a < b ? -1 : a > b ? 1 : 0; };
  switch (compare.target) {
    case Compare::Target::kExists:
      set(uint64_t{is_there}, compare.number);
      break;
    case Compare::Target::kValue:
      if (!is_there) return false;
      set(found->second.value, compare.value);
      break;
    case Compare::Target::kVersion:
      set(info.version, compare.number);
      break;
    case Compare::Target::kCreateRevision:
      set(info.create_revision.value, compare.number);
      break;
    case Compare::Target::kModRevision:
      set(info.mod_revision.value, compare.number);
      break;
    case Compare::Target::kLease:
      set(info.bond.is_lease() ? info.bond.bits() : 0, compare.number);
      break;
  }
  switch (compare.relation) {
    case Compare::Relation::kEqual:
      return order == 0;
    case Compare::Relation::kNotEqual:
      return order != 0;
    case Compare::Relation::kLess:
      return order < 0;
    case Compare::Relation::kLessOrEqual:
      return order <= 0;
    case Compare::Relation::kGreater:
      return order > 0;
    case Compare::Relation::kGreaterOrEqual:
      return order >= 0;
  }
  return false;
}

void KvModel::show_prev(const std::string& key, bool wanted, OperationResult& result) const {
  result.wants_prev = wanted;
  const std::optional<Row> row = shown(key);
  if (wanted && row) result.items.push_back({key, *row});
}

void KvModel::carry_out(const PutCommand& put, OperationResult& result, Touched& touched) {
  result.kind = OperationResult::Kind::kPut;
  show_prev(put.key, put.prev, result);
  result.created = !newest_.contains(put.key);
  newest_[put.key] = row_of(put, summary_.revision + 1);
  touched[put.key] = true;
}

void KvModel::carry_out(const DeleteCommand& remove, OperationResult& result, Touched& touched) {
  result.kind = OperationResult::Kind::kDelete;
  show_prev(remove.key, remove.prev, result);
  result.deleted = newest_.erase(remove.key);
  if (result.deleted > 0) touched[remove.key] = true;
}

void KvModel::carry_out(const DeleteRangeCommand& range, OperationResult& result,
                        Touched& touched) {
  result.kind = OperationResult::Kind::kDelete;
  result.deleted = std::erase_if(newest_, [&](const auto& item) {
    const bool is_in = item.first >= range.start && (range.end.empty() || item.first < range.end);
    if (is_in) touched[item.first] = true;
    return is_in;
  });
}

void KvModel::carry_out(const GetOperation& get, OperationResult& result, Touched&) const {
  result.kind = OperationResult::Kind::kGet;
  if (const std::optional<Row> row = shown(get.key)) result.items.push_back({get.key, *row});
}

void KvModel::carry_out(const ScanOperation& scan, OperationResult& result, Touched&) const {
  result.kind = OperationResult::Kind::kScan;
  result.keys_only = scan.keys_only;
  result.count_only = scan.count_only;
  std::vector<Item> all;
  for (const auto& [key, row] : newest_) {
    if (key >= scan.start && (scan.end.empty() || key < scan.end))
      all.push_back({key, *shown(key)});
  }
  if (scan.reverse) std::ranges::reverse(all);
  result.more = all.size() > scan.limit;
  if (result.more) all.resize(scan.limit);
  result.count = all.size();
  if (scan.count_only) return;
  for (Item& item : all)
    if (scan.keys_only) item.row.value.clear();
  result.items = all;
}

std::vector<KeptVersion> KvModel::versions(const std::string& key, Revision floor,
                                           Revision at) const {
  std::vector<KeptVersion> found;
  for (const Write& write : writes_) {
    if (write.key != key || write.revision > at) continue;
    if (write.revision <= floor) found.clear();
    if (write.row || write.revision >= floor) found.push_back({write.revision, write.row});
  }
  std::ranges::reverse(found);
  return found;
}

Reply KvModel::obey(const GrantLeaseCommand& grant) {
  if (leases_.contains(grant.id)) return refuse(ReplyStatus::kLeaseExists);
  leases_[grant.id] = {grant.id, grant.ttl_ms, summary_.cluster_ms + grant.ttl_ms};
  return {.revision = summary_.revision, .ttl_ms = grant.ttl_ms, .lease = grant.id};
}

Reply KvModel::obey(const KeepLeaseAliveCommand& keep) {
  const auto found = leases_.find(keep.id);
  if (found == leases_.end()) return no_lease(keep.id);
  found->second.deadline_ms = summary_.cluster_ms + found->second.ttl_ms;
  return {.revision = summary_.revision, .ttl_ms = found->second.ttl_ms, .lease = keep.id};
}

Reply KvModel::obey(const AcquireLockCommand& acquire) {
  const auto held = locks_.find(acquire.name);
  if (held != locks_.end()) {
    const uint64_t deadline_ms = leases_.at(held->second.lease).deadline_ms;
    Reply refusal = refuse(ReplyStatus::kLockHeld);
    refusal.token = held->second.token;
    refusal.owner = held->second.owner;
    if (deadline_ms > summary_.cluster_ms) refusal.retry_ms = deadline_ms - summary_.cluster_ms;
    return refusal;
  }
  Reply reply = obey(GrantLeaseCommand{acquire.lease, acquire.ttl_ms});
  if (reply.status != ReplyStatus::kOk) return reply;
  last_token_ = std::max(last_token_, summary_.revision.value) + 1;
  reply.token = last_token_;
  locks_[acquire.name] = {last_token_, acquire.lease, acquire.owner};
  return reply;
}

Reply KvModel::obey(const KeepLockAliveCommand& keep) {
  const auto held = locks_.find(keep.name);
  if (held == locks_.end() || held->second.token != keep.token)
    return refuse(ReplyStatus::kLeaseNotFound);
  Reply reply = obey(KeepLeaseAliveCommand{held->second.lease});
  reply.token = keep.token;
  return reply;
}

Reply KvModel::obey(const ReleaseLockCommand& release) {
  const auto held = locks_.find(release.name);
  if (held == locks_.end() || held->second.token != release.token)
    return refuse(ReplyStatus::kLeaseNotFound);
  return obey(RevokeLeaseCommand{held->second.lease});
}

NamedValues KvModel::named() const {
  NamedValues named = answers_.named();
  named.insert(history_.named().begin(), history_.named().end());
  for (const auto& [id, lease] : leases_) {
    std::string& value = named["lease/" + ordered(id.value)];
    put_fixed(value, lease.ttl_ms);
    put_fixed(value, lease.deadline_ms);
    named["due/" + ordered(lease.deadline_ms) + "l" + ordered(id.value)];
  }
  for (const auto& [name, lock] : locks_) {
    std::string& value = named["lock/" + name];
    put_fixed(value, lock.token);
    put_fixed(value, lock.lease.value);
    value += lock.owner;
    named["locked/" + ordered(lock.lease.value)] = name;
  }
  if (last_token_ > 0) put_fixed(named["lock_token"], last_token_);
  for (const auto& [key, row] : newest_) {
    const Bond bond = row.info.bond;
    if (bond.is_lease()) named["bound/" + ordered(bond.lease().value) + key];
    if (bond.is_deadline()) named["due/" + ordered(bond.deadline_ms()) + "k" + key];
  }
  return named;
}

std::optional<Reply> KvModel::check(const std::string& key,
                                    const std::vector<Condition>& conditions) {
  const Revision mod = newest_.contains(key) ? newest_[key].info.mod_revision : Revision{};
  for (const Condition& condition : conditions) {
    bool equal = false;
    for (const Revision revision : condition.revisions) equal |= revision == mod && mod;
    if (condition.any && mod) equal = true;
    if (equal != (condition.kind == Condition::Kind::kMatch)) {
      return Reply{.status = ReplyStatus::kPreconditionFailed,
                   .revision = summary_.revision,
                   .current = mod};
    }
  }
  return std::nullopt;
}

}  // namespace holdfast
