#include "storage/kv/growth.h"

#include <algorithm>

namespace holdfast {
namespace {

bool any_puts(const std::vector<Operation>& operations) {
  return std::ranges::any_of(operations, [](const Operation& operation) {
    return std::holds_alternative<PutCommand>(operation);
  });
}

}  // namespace

bool grows(const Command& command) {
  if (const TransactionCommand* txn = std::get_if<TransactionCommand>(&command.act))
    return any_puts(txn->then) || any_puts(txn->otherwise);
  return std::holds_alternative<PutCommand>(command.act) ||
         std::holds_alternative<GrantLeaseCommand>(command.act) ||
         std::holds_alternative<AcquireLockCommand>(command.act);
}

}  // namespace holdfast
