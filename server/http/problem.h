#pragma once

// Errors as clients see them (RFC 9457, application/problem+json), and the one table from a code
// to its status, title, outcome and whether a retry can help. The contract is API.md, "Errors".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/request.h"
#include "storage/base/clock.h"

namespace holdfast::http {

enum class Code : uint8_t {
  kBadRequest,
  kForbidden,  // to pages of another origin
  kKeyNotFound,
  kLeaseNotFound,
  kMemberNotFound,
  kNotFound,  // the route
  kMethodNotAllowed,
  kRequestTimeout,  // the client was too slow sending
  kConflict,
  kCompacted,
  kPreconditionFailed,
  kValueTooLarge,
  kRangeTooLarge,
  kKeyTooLarge,
  kExpectationFailed,
  kIdempotencyMismatch,
  kUpgradeRequired,  // to a WebSocket, as we speak it
  kTooManyRequests,
  kHeadersTooLarge,
  kInternal,  // a fault of ours; the log says which
  kNoLeader,
  kNotReady,
  kOverloaded,
  kStale,
  kTimeout,
  kOutcomeUnknown,
  kNoSpace,
};

enum class Outcome : uint8_t {
  kNotApplied,  // certainly nothing happened
  kUnknown,     // it may or may not have happened
};

struct CodeRow {
  Code code;
  int status;
  std::string_view word;
  std::string_view title;
  Outcome outcome;
  bool retryable;
};
const CodeRow& row_of(Code code);

struct Problem {
  Code code = Code::kBadRequest;
  std::string detail;                                          // what happened, to what, what to do
  std::optional<Outcome> outcome = std::nullopt;               // where it differs from the table's
  std::optional<bool> retryable = std::nullopt;                // the same
  std::optional<Duration> retry_after = std::nullopt;          // rounded up to whole seconds
  std::vector<std::pair<std::string, uint64_t>> figures = {};  // further members, as `limit`
};

// As it stands in an answer, or in a message.
std::string json_of(const Problem& problem);
// The answer that carries `problem`. A 503 or 429 without `retry_after` says one second.
Response answer(const Problem& problem);

inline Problem bad_request(std::string detail) {
  return Problem{.code = Code::kBadRequest, .detail = std::move(detail)};
}

}  // namespace holdfast::http
