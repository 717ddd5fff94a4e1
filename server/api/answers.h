#pragma once

// What the handlers of /v1 have in common: how they end, and what every answer of theirs carries.

#include <expected>

#include "server/api/explain.h"
#include "server/api/services.h"
#include "server/http/problem.h"
#include "server/http/router.h"

namespace holdfast {

struct Answered {
  http::Response response;
  Revision revision;              // that the answer reflects
  Explained explained = nullptr;  // where it was asked for
};
using Outcome = std::expected<Answered, http::Problem>;

// The kinds of calls that are measured apart.
enum class Call : uint8_t {
  kGet,
  kPut,
  kDelete,
  kScan,
  kDeleteRange,
  kCluster,
  kLeader,
  kMembers,
  kSnapshot,
  kLeases,
  kTxn,
  kSettings,
  kHistory,
  kCompact,
  kUsage,
  kWatch,
  kFaults,
  kLocks,
  kBulk,
  kEvents
};

// Why a change, or a read, got no answer from the replica.
http::Problem problem_of_change(const raft::Refusal& refusal);
http::Problem problem_of_read(raft::RefusalReason reason);
// Of a change that first hears of all that was done before it, and has not: it has not begun.
http::Problem problem_of_hearing(const raft::Refusal& refusal);
// A read that the storage failed; logged, since the client can do nothing about it.
http::Problem problem_of(const Error& error);
// 414 or 400, by the limits of a key; `what` is called so in the detail.
std::expected<void, http::Problem> check_key(std::string_view key,
                                             std::string_view what = "the key");

// While the cluster forms, nothing can be read or changed.
http::Problem problem_of_forming();

std::string etag_of(Revision mod_revision);

// Adds Holdfast-Node, -Leader, -Revision and -Term, once there is a replica.
void stamp(const Services& services, http::Response& response);
// The answer as it leaves: with Holdfast-Node, -Leader, -Revision and -Term, and counted.
http::Response finish(Services& services, Call call, Instant began, Outcome outcome);

// Turns a handler that ends in an Outcome into one for the router.
template <Call kCall, Task<Outcome> (*kHandler)(Services&, http::Request)>
Task<http::Response> serve(Services& services, http::Request request) {
  if (services.gate == nullptr) co_return http::answer(problem_of_forming());
  const Instant began = services.clock->now();
  Task<Outcome> handler = kHandler(services, std::move(request));
  Outcome outcome = co_await handler;
  co_return finish(services, kCall, began, std::move(outcome));
}

}  // namespace holdfast
