#include "server/api/kv.h"

#include <fmt/format.h>

#include "server/api/lifetimes.h"
#include "server/api/parameters.h"
#include "server/api/reads.h"
#include "storage/kv/command.h"

namespace holdfast {
namespace {

using http::Code;
using http::Problem;
using http::Request;
using http::Response;

struct Change {
  Bytes command;
  Instant deadline;
  LeaseId lease;  // that a put binds its key to
};

std::expected<Change, Problem> change_of(Services& services, Request& request,
                                         http::Method method) {
  HOLDFAST_TRY(check_key(request.parameter));
  HOLDFAST_TRY(refuse_unkept_promises(request));
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  Change change;
  HOLDFAST_ASSIGN(change.deadline, take_deadline(query, services.clock->now()));
  PutCommand put;
  if (method == http::Method::kPut) HOLDFAST_TRY(take_bond(query, put));
  HOLDFAST_TRY(finish_query(query));
  std::vector<Condition> conditions;
  HOLDFAST_ASSIGN(conditions, conditions_of(request));
  Command command;
  if (method == http::Method::kPut) {
    put.key = std::move(request.parameter);
    put.value = std::move(request.body);
    put.conditions = std::move(conditions);
    change.lease = put.lease;
    command.act = std::move(put);
  } else {
    HOLDFAST_TRY(refuse_body(request));
    command.act = DeleteCommand{std::move(request.parameter), std::move(conditions)};
  }
  change.command = encode_command(std::move(command));
  return change;
}

Answered precondition_failed(Revision current, Revision revision) {
  Response response =
      http::answer({.code = Code::kPreconditionFailed,
                    .detail = current ? fmt::format("the key's entity tag is {}", etag_of(current))
                                      : "the key does not exist"});
  if (current) response.add_header("ETag", etag_of(current));
  return {std::move(response), revision};
}

Answered answer_put(const Reply& reply) {
  Response response(
      reply.created ? 201 : 200, "application/json",
      fmt::format("{{\"revision\":{},\"created\":{}}}\n", reply.revision.value, reply.created));
  response.add_header("ETag", etag_of(reply.revision));
  return {std::move(response), reply.revision};
}

Answered answer_delete(const Reply& reply) {
  return {Response(200, "application/json",
                   fmt::format("{{\"revision\":{},\"deleted\":{}}}\n", reply.revision.value,
                               reply.deleted)),
          reply.revision};
}

// RFC 9110, section 13.2.2: If-Match first, and only If-None-Match can end in 304.
Answered answer_get(const Services& services, const std::vector<Condition>& conditions, Row row,
                    Revision revision) {
  const RowInfo& info = row.info;
  for (const Condition& condition : conditions) {
    if (holds(condition, info.mod_revision)) continue;
    if (condition.kind == Condition::Kind::kMatch) {
      return precondition_failed(info.mod_revision, revision);
    }
    Response unchanged(304);
    unchanged.add_header("ETag", etag_of(info.mod_revision));
    return {std::move(unchanged), revision};
  }
  Response response(200, "application/octet-stream", std::move(row.value));
  response.add_header("ETag", etag_of(info.mod_revision));
  response.add_header("Holdfast-Create-Revision",
                      fmt::format_int(info.create_revision.value).str());
  response.add_header("Holdfast-Version", fmt::format_int(info.version).str());
  if (info.bond.is_lease()) response.add_header("Holdfast-Lease", text_of(info.bond.lease()));
  if (info.bond.is_deadline())
    response.add_header(
        "Holdfast-Ttl-Ms",
        fmt::format_int(remaining_ms(info.bond.deadline_ms(), cluster_now_ms(services))).str());
  return {std::move(response), revision};
}

struct Read {
  ReadOptions options;
  std::vector<Condition> conditions;
};

std::expected<Read, Problem> read_of(Services& services, const Request& request) {
  HOLDFAST_TRY(check_key(request.parameter));
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  Read read;
  HOLDFAST_ASSIGN(read.options, take_read_options(query, services.clock->now()));
  HOLDFAST_TRY(finish_query(query));
  HOLDFAST_ASSIGN(read.conditions, conditions_of(request));
  return read;
}

}  // namespace

std::expected<void, Problem> refuse_unkept_promises(const Request& request) {
  if (request.header("Idempotency-Key")) {
    return std::unexpected(http::bad_request(
        "Idempotency-Key is not kept by this version: make a retry safe by a condition instead"));
  }
  // RFC 9110, section 14.4: a part must not be stored as if it were the whole.
  if (request.header("Content-Range")) {
    return std::unexpected(http::bad_request("Content-Range: a value is stored as a whole only"));
  }
  return {};
}

std::expected<void, Problem> refuse_body(const Request& request) {
  if (request.body.empty()) return {};
  return std::unexpected(http::bad_request("this call takes no body"));
}

Task<Outcome> put_key(Services& services, Request request) {
  auto change = change_of(services, request, http::Method::kPut);
  if (!change) co_return std::unexpected(std::move(change).error());
  Gate::Waiting waiting = services.gate->propose(std::move(change->command), change->deadline);
  const Gate::Outcome outcome = co_await waiting;
  if (!outcome) co_return std::unexpected(problem_of_change(outcome.error()));
  if (outcome->status == ReplyStatus::kPreconditionFailed) {
    co_return precondition_failed(outcome->current, outcome->revision);
  }
  if (outcome->status == ReplyStatus::kLeaseNotFound) {
    co_return Answered{http::answer(lease_not_found(change->lease)), outcome->revision};
  }
  co_return answer_put(*outcome);
}

Task<Outcome> delete_key(Services& services, Request request) {
  auto change = change_of(services, request, http::Method::kDelete);
  if (!change) co_return std::unexpected(std::move(change).error());
  Gate::Waiting waiting = services.gate->propose(std::move(change->command), change->deadline);
  const Gate::Outcome outcome = co_await waiting;
  if (!outcome) co_return std::unexpected(problem_of_change(outcome.error()));
  if (outcome->status == ReplyStatus::kPreconditionFailed) {
    co_return precondition_failed(outcome->current, outcome->revision);
  }
  co_return answer_delete(*outcome);
}

Task<Outcome> get_key(Services& services, Request request) {
  auto read = read_of(services, request);
  if (!read) co_return std::unexpected(std::move(read).error());
  Task<std::expected<Revision, Problem>> fixing = read_revision(services, read->options);
  std::expected<Revision, Problem> revision = co_await fixing;
  if (!revision) co_return std::unexpected(std::move(revision).error());
  Task<std::expected<std::optional<Row>, Problem>> reading =
      read_row(services, request.parameter, *revision);
  std::expected<std::optional<Row>, Problem> row = co_await reading;
  if (!row) co_return std::unexpected(std::move(row).error());
  if (!*row) {
    Problem problem{.code = Code::kKeyNotFound,
                    .detail = fmt::format("there is no such key at revision {}", revision->value)};
    co_return Answered{http::answer(problem), *revision};
  }
  co_return answer_get(services, read->conditions, std::move(**row), *revision);
}

}  // namespace holdfast
