#include "client/cli/session.h"

#include <cstdio>

#include <fmt/format.h>

#include "client/cli/record.h"

namespace holdfast::cli {
namespace {

Exit exit_of(const Refusal& refusal) {
  if (refusal.status == 404) return Exit::kNotFound;
  if (refusal.status == 412) return Exit::kPreconditionFailed;
  return refusal.retryable ? Exit::kUnavailable : Exit::kOther;
}

}  // namespace

KvClientOptions Session::client_options() const {
  return {.endpoints = endpoints, .first_endpoint = 0, .timeout = timeout};
}

KvClient Session::client(bool explains) const {
  KvClientOptions options = client_options();
  options.explains = explains;
  return make_kv_client(std::move(options));
}

Exit report(const Session& session, const Refusal& refusal) {
  if (session.is_json()) {
    fmt::print(stderr,
               R"({{"code":{},"outcome":"not_applied","retryable":{},"status":{},"message":{}}})"
               "\n",
               json_quoted(refusal.code), refusal.retryable, refusal.status,
               json_quoted(refusal.message));
  } else {
    fmt::print(stderr, "holdfast: {}\n", refusal.message);
  }
  return exit_of(refusal);
}

Exit report(const Session& session, const Unknown& unknown) {
  if (session.is_json()) {
    fmt::print(stderr,
               R"({{"code":"outcome_unknown","outcome":"unknown","message":{}}})"
               "\n",
               json_quoted(unknown.message));
  } else {
    fmt::print(stderr,
               "holdfast: {}\n"
               "The outcome is unknown: the change may or may not have been made, and may still be "
               "made. Look before you repeat it.\n",
               unknown.message);
  }
  return Exit::kUnknownOutcome;
}

Exit report(const Session& session, const Error& error) {
  return report(session, Refusal{.code = "failed", .retryable = false, .message = error.message});
}

}  // namespace holdfast::cli
