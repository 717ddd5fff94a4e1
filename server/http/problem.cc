#include "server/http/problem.h"

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "storage/base/check.h"

namespace holdfast::http {
namespace {

constexpr Outcome kNot = Outcome::kNotApplied;
constexpr Outcome kUnknown = Outcome::kUnknown;

constexpr std::array kRows = {
    CodeRow{Code::kBadRequest, 400, "bad_request", "Malformed request", kNot, false},
    CodeRow{Code::kForbidden, 403, "forbidden", "Not allowed from there", kNot, false},
    CodeRow{Code::kKeyNotFound, 404, "key_not_found", "No such key", kNot, false},
    CodeRow{Code::kLeaseNotFound, 404, "lease_not_found", "No such lease", kNot, false},
    CodeRow{Code::kMemberNotFound, 404, "member_not_found", "No such member", kNot, false},
    CodeRow{Code::kNotFound, 404, "not_found", "No such resource", kNot, false},
    CodeRow{Code::kMethodNotAllowed, 405, "method_not_allowed", "Method not allowed", kNot, false},
    CodeRow{Code::kRequestTimeout, 408, "request_timeout", "Request sent too slowly", kNot, true},
    CodeRow{Code::kConflict, 409, "conflict", "Conflict", kNot, true},
    CodeRow{Code::kCompacted, 410, "compacted", "Older than what is kept", kNot, false},
    CodeRow{Code::kPreconditionFailed, 412, "precondition_failed", "Condition not met", kNot,
            false},
    CodeRow{Code::kValueTooLarge, 413, "value_too_large", "Value too large", kNot, false},
    CodeRow{Code::kRangeTooLarge, 413, "range_too_large", "Range too large", kNot, false},
    CodeRow{Code::kKeyTooLarge, 414, "key_too_large", "Key too large", kNot, false},
    CodeRow{Code::kExpectationFailed, 417, "expectation_failed", "Expectation not understood", kNot,
            false},
    CodeRow{Code::kIdempotencyMismatch, 422, "idempotency_mismatch",
            "Idempotency key used with another request", kNot, false},
    CodeRow{Code::kUpgradeRequired, 426, "upgrade_required", "Upgrade required", kNot, false},
    CodeRow{Code::kTooManyRequests, 429, "too_many_requests", "Too many requests", kNot, true},
    CodeRow{Code::kHeadersTooLarge, 431, "headers_too_large", "Header fields too large", kNot,
            false},
    CodeRow{Code::kInternal, 500, "internal", "Internal error", kUnknown, false},
    CodeRow{Code::kNoLeader, 503, "no_leader", "No leader", kNot, true},
    CodeRow{Code::kNotReady, 503, "not_ready", "Not ready", kNot, true},
    CodeRow{Code::kOverloaded, 503, "overloaded", "Overloaded", kNot, true},
    CodeRow{Code::kStale, 503, "stale", "Too far behind", kNot, true},
    CodeRow{Code::kTimeout, 504, "timeout", "Timed out", kUnknown, true},
    CodeRow{Code::kOutcomeUnknown, 504, "outcome_unknown", "Outcome unknown", kUnknown, true},
    CodeRow{Code::kNoSpace, 507, "no_space", "Disk full", kNot, true},
};

constexpr bool rows_stand_at_their_codes() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].code) != i) return false;
  }
  return true;
}
static_assert(rows_stand_at_their_codes());
static_assert(kRows.size() == static_cast<size_t>(Code::kNoSpace) + 1);

}  // namespace

const CodeRow& row_of(Code code) {
  return kRows.at(static_cast<size_t>(code));
}

std::string json_of(const Problem& problem) {
  const CodeRow& row = row_of(problem.code);
  const Outcome outcome = problem.outcome.value_or(row.outcome);
  nlohmann::ordered_json body = {
      {"type", fmt::format("urn:holdfast:problem:{}", row.word)},
      {"title", row.title},
      {"status", row.status},
      {"detail", problem.detail},
      {"code", row.word},
      {"outcome", outcome == Outcome::kNotApplied ? "not_applied" : "unknown"},
      {"retryable", problem.retryable.value_or(row.retryable)},
  };
  for (const auto& [name, figure] : problem.figures) body[name] = figure;
  // A detail may quote what the client sent, which need not be UTF-8.
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Response answer(const Problem& problem) {
  const CodeRow& row = row_of(problem.code);
  Response response(row.status, "application/problem+json", json_of(problem) + "\n");
  if (problem.retry_after || row.status == 503 || row.status == 429) {
    const Duration wait = problem.retry_after.value_or(std::chrono::seconds(1));
    response.add_header("Retry-After",
                        std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count()));
  }
  return response;
}

}  // namespace holdfast::http
