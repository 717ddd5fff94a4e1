#include "server/api/kv.h"

#include <fmt/format.h>

#include "server/api/changes.h"
#include "server/api/items.h"
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

std::expected<ChangeCall, Problem> change_of(Services& services, Request& request,
                                             http::Method method) {
  HOLDFAST_TRY(check_key(request.parameter));
  Command command;
  HOLDFAST_ASSIGN(command.once, once_of(request));
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  ChangeCall change;
  HOLDFAST_ASSIGN(change.deadline, take_deadline(query, services.clock->now()));
  HOLDFAST_ASSIGN(change.explained, take_explain(query, services.clock->now()));
  bool prev = false;
  HOLDFAST_ASSIGN(prev, take_flag(query, "prev"));
  PutCommand put;
  if (method == http::Method::kPut) HOLDFAST_TRY(take_bond(query, put));
  HOLDFAST_TRY(finish_query(query));
  std::vector<Condition> conditions;
  HOLDFAST_ASSIGN(conditions, conditions_of(request));
  if (method == http::Method::kPut) {
    put.key = std::move(request.parameter);
    put.value = std::move(request.body);
    put.conditions = std::move(conditions);
    put.prev = prev;
    command.act = std::move(put);
  } else {
    HOLDFAST_TRY(refuse_body(request));
    command.act = DeleteCommand{std::move(request.parameter), std::move(conditions), prev};
  }
  HOLDFAST_TRY(check_room(services, command));
  change.command = encode_command(std::move(command));
  return change;
}

// `body` is an object that is not closed yet.
void close_with_prev(const Services& services, const Reply& reply, std::string& body) {
  if (reply.wants_prev) {
    body.push_back(',');
    append_prev(body, reply.prev ? &*reply.prev : nullptr, cluster_now_ms(services));
  }
  body.append("}\n");
}

Response show_put(const Services& services, const Reply& reply) {
  std::string body =
      fmt::format("{{\"revision\":{},\"created\":{}", reply.revision.value, reply.created);
  close_with_prev(services, reply, body);
  Response response(reply.created ? 201 : 200, "application/json", std::move(body));
  response.add_header("ETag", etag_of(reply.revision));
  return response;
}

Response show_delete(const Services& services, const Reply& reply) {
  std::string body =
      fmt::format("{{\"revision\":{},\"deleted\":{}", reply.revision.value, reply.deleted);
  close_with_prev(services, reply, body);
  return {200, "application/json", std::move(body)};
}

// RFC 9110, section 13.2.2: If-Match first, and only If-None-Match can end in 304.
Answered answer_get(const Services& services, const std::vector<Condition>& conditions, Row row,
                    Revision revision) {
  const RowInfo& info = row.info;
  for (const Condition& condition : conditions) {
    if (holds(condition, info.mod_revision)) continue;
    if (condition.kind == Condition::Kind::kMatch) {
      return {precondition_failed(info.mod_revision), revision};
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
  HOLDFAST_ASSIGN(read.options.explained, take_explain(query, services.clock->now()));
  HOLDFAST_TRY(finish_query(query));
  HOLDFAST_ASSIGN(read.conditions, conditions_of(request));
  return read;
}

}  // namespace

Task<Outcome> put_key(Services& services, Request request) {
  auto change = change_of(services, request, http::Method::kPut);
  if (!change) co_return std::unexpected(std::move(change).error());
  Task<Outcome> making = make_change(services, *std::move(change), show_put);
  co_return co_await making;
}

Task<Outcome> delete_key(Services& services, Request request) {
  auto change = change_of(services, request, http::Method::kDelete);
  if (!change) co_return std::unexpected(std::move(change).error());
  Task<Outcome> making = make_change(services, *std::move(change), show_delete);
  co_return co_await making;
}

Task<Outcome> get_key(Services& services, Request request) {
  auto read = read_of(services, request);
  if (!read) co_return std::unexpected(std::move(read).error());
  std::expected<Revision, Problem> revision;
  std::expected<std::optional<Row>, Problem> row;
  std::optional<Problem> gone;
  do {
    Task<std::expected<Revision, Problem>> fixing = read_revision(services, read->options);
    revision = co_await fixing;
    if (!revision) co_return std::unexpected(std::move(revision).error());
    Task<std::expected<std::optional<Row>, Problem>> reading =
        read_row(services, request.parameter, *revision, read->options.explained.get());
    row = co_await reading;
    gone = forgotten(services, *revision);
  } while (gone && !read->options.is_past());
  if (gone) co_return std::unexpected(*std::move(gone));
  if (!row) co_return std::unexpected(std::move(row).error());
  if (!*row) {
    Problem problem{.code = Code::kKeyNotFound,
                    .detail = fmt::format("there is no such key at revision {}", revision->value)};
    co_return Answered{http::answer(problem), *revision, read->options.explained};
  }
  Answered answer = answer_get(services, read->conditions, std::move(**row), *revision);
  answer.explained = read->options.explained;
  co_return answer;
}

}  // namespace holdfast
