#include "storage/kv/transaction.h"

#include <algorithm>
#include <compare>
#include <utility>

namespace holdfast {
namespace {

// So a reply has at most this and kResultHeadBytes for each operation.
static_assert(kItemHeadBytes <= kItemBytes);

using Kind = OperationResult::Kind;

bool stands(Compare::Relation relation, std::strong_ordering order) {
  switch (relation) {
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

uint64_t number_of(Compare::Target target, const std::optional<RowInfo>& row) {
  if (!row) return 0;
  switch (target) {
    case Compare::Target::kExists:
      return 1;
    case Compare::Target::kVersion:
      return row->version;
    case Compare::Target::kCreateRevision:
      return row->create_revision.value;
    case Compare::Target::kModRevision:
      return row->mod_revision.value;
    case Compare::Target::kLease:
      return row->bond.lease().value;
    case Compare::Target::kValue:
      break;
  }
  return 0;
}

class Execution {
 public:
  Execution(Draft& draft, const BondOf& bond_of) : draft_(draft), bond_of_(bond_of) {}

  // Ends early, with a status that is not kOk, when it has read too much.
  bool all_hold(const std::vector<Compare>& compares) {
    return std::ranges::all_of(compares, [this](const Compare& one) { return holds(one); });
  }

  void obey(Operation& operation) {
    OperationResult& result = reply_.results.emplace_back();
    std::visit([&](auto& act) { obey(act, result); }, operation);
    // What was written here, or deleted, is passed over again by every later range.
    if (draft_.passed() > kRangeKeysMax) refuse(ReplyStatus::kRangeTooLarge);
  }

  bool goes_on() const { return reply_.status == ReplyStatus::kOk; }
  Reply& reply() { return reply_; }

 private:
  void refuse(ReplyStatus status) {
    if (goes_on()) reply_.status = status;
  }

  bool may_read(uint64_t bytes) {
    if (bytes > read_left_) refuse(ReplyStatus::kReadTooLarge);
    read_left_ -= std::min(bytes, read_left_);
    return goes_on();
  }

  bool may_write(uint64_t bytes) {
    if (!draft_.has_room(bytes)) refuse(ReplyStatus::kRangeTooLarge);
    return goes_on();
  }

  bool holds(const Compare& compare) {
    if (compare.target != Compare::Target::kValue) {
      const uint64_t number = number_of(compare.target, draft_.newest(compare.key));
      return stands(compare.relation, number <=> compare.number);
    }
    const std::optional<Row> row = draft_.get(compare.key);
    if (!row || !may_read(row->value.size())) return false;
    return stands(compare.relation,
                  std::string_view(row->value) <=> std::string_view(compare.value));
  }

  // What the answer shows of one key.
  void show(std::string_view key, Row row, OperationResult& result) {
    if (!may_read(key.size() + row.value.size() + kItemBytes)) return;
    row.info.hash = 0;
    result.items.push_back({std::string(key), std::move(row)});
  }

  // What is there before a change, which is shown if that is wanted.
  std::optional<RowInfo> replaced(const std::string& key, bool is_shown, OperationResult& result) {
    result.wants_prev = is_shown;
    Draft::LookedUp old = draft_.look_up(key, is_shown);
    if (old.shown) show(key, *std::move(old.shown), result);
    return old.info;
  }

  void obey(PutCommand& put, OperationResult& result) {
    result.kind = Kind::kPut;
    const std::optional<Bond> bond = bond_of_(put);
    if (!bond) {
      reply_.lease = put.lease;
      return refuse(ReplyStatus::kLeaseNotFound);
    }
    const std::optional<RowInfo> old = replaced(put.key, put.prev, result);
    if (!may_write(put.key.size() + put.value.size())) return;
    draft_.put(std::move(put.key), old, std::move(put.value), *bond);
    result.created = !old;
  }

  void obey(DeleteCommand& remove, OperationResult& result) {
    result.kind = Kind::kDelete;
    const std::optional<RowInfo> old = replaced(remove.key, remove.prev, result);
    if (!may_write(remove.key.size()) || !old) return;
    draft_.remove(std::move(remove.key), *old);
    result.deleted = 1;
  }

  void obey(const DeleteRangeCommand& range, OperationResult& result) {
    result.kind = Kind::kDelete;
    std::optional<std::vector<Draft::Found>> found = draft_.keys(range.start, range.end);
    if (!found) return refuse(ReplyStatus::kRangeTooLarge);
    for (auto& [key, info] : *found) {
      if (!may_write(key.size())) return;
      draft_.remove(std::move(key), info);
    }
    result.deleted = found->size();
  }

  void obey(const GetOperation& get, OperationResult& result) {
    result.kind = Kind::kGet;
    if (std::optional<Row> row = draft_.get(get.key)) show(get.key, *std::move(row), result);
  }

  void obey(const ScanOperation& scan, OperationResult& result) {
    result.kind = Kind::kScan;
    result.keys_only = scan.keys_only;
    result.count_only = scan.count_only;
    const RangeScan range{.start = scan.start, .end = scan.end, .at = {}, .reverse = scan.reverse};
    draft_.scan(range, [&](std::string_view key, const RowInfo& info, std::string_view value) {
      result.more = result.count == scan.limit;
      if (result.more) return false;
      ++result.count;
      if (scan.count_only) return true;
      show(key, Row{info, std::string(scan.keys_only ? "" : value)}, result);
      return goes_on();
    });
  }

  Draft& draft_;
  const BondOf& bond_of_;
  uint64_t read_left_ = kReadBytesMax;
  Reply reply_;
};

bool reads(const Operation& operation) {
  return std::holds_alternative<GetOperation>(operation) ||
         std::holds_alternative<ScanOperation>(operation);
}

}  // namespace

bool only_reads(const TransactionCommand& transaction) {
  return std::ranges::all_of(transaction.then, reads) &&
         std::ranges::all_of(transaction.otherwise, reads);
}

Reply carry_out(TransactionCommand& transaction, Draft& draft, const BondOf& bond_of) {
  Execution execution(draft, bond_of);
  Reply& reply = execution.reply();
  reply.succeeded = execution.all_hold(transaction.compares);
  std::vector<Operation>& operations = reply.succeeded ? transaction.then : transaction.otherwise;
  for (Operation& operation : operations) {
    if (!execution.goes_on()) break;
    execution.obey(operation);
  }
  if (execution.goes_on()) return std::move(reply);
  // Where no operation was begun, a compare was refused.
  const auto refused = static_cast<uint32_t>(reply.results.size());
  return {.status = reply.status,
          .lease = reply.lease,
          .succeeded = reply.succeeded,
          .refused = refused};
}

}  // namespace holdfast
