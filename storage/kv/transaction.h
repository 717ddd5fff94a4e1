#pragma once

// What a transaction does: its compares are judged against what was applied before it, and the
// operations of one list are carried out, each seeing what those before it wrote. Apply thread
// only.

#include <functional>
#include <optional>

#include "storage/kv/command.h"
#include "storage/kv/draft.h"
#include "storage/kv/reply.h"

namespace holdfast {

// What a put binds its key to. Nothing: its lease is not there.
using BondOf = std::function<std::optional<Bond>(const PutCommand&)>;

// Whatever comes of it, no key is changed.
bool only_reads(const TransactionCommand& transaction);

// Carries out `transaction` on `draft`, which must be empty. The reply lacks its revision. If it is
// not kOk, the draft is to be dropped.
Reply carry_out(TransactionCommand& transaction, Draft& draft, const BondOf& bond_of);

}  // namespace holdfast
