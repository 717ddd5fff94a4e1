#pragma once

// The body of POST /v1/txn as a command.

#include <expected>
#include <string_view>

#include "server/http/problem.h"
#include "storage/kv/command.h"

namespace holdfast {

// A problem names the field by its path. `value_bytes_max`: what this node takes as a value.
std::expected<TransactionCommand, http::Problem> parse_transaction(std::string_view body,
                                                                   size_t value_bytes_max);

}  // namespace holdfast
