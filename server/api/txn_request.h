#pragma once

// The bodies of POST /v1/txn and POST /v1/bulk as commands.

#include <expected>
#include <optional>
#include <string_view>

#include "server/http/problem.h"
#include "storage/kv/command.h"

namespace holdfast {

// A problem names the field by its path. `value_bytes_max`: what this node takes as a value.
std::expected<TransactionCommand, http::Problem> parse_transaction(std::string_view body,
                                                                   size_t value_bytes_max);

// One line of POST /v1/bulk: a put, a delete or a get, and the client's own name for a change.
struct BulkLine {
  Operation operation;  // no scan
  std::optional<Once> once;
};
std::expected<BulkLine, http::Problem> parse_bulk_line(std::string_view line,
                                                       size_t value_bytes_max);

}  // namespace holdfast
