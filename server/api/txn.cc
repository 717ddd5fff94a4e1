#include "server/api/txn.h"

#include <iterator>

#include <fmt/format.h>

#include "server/api/changes.h"
#include "server/api/items.h"
#include "server/api/lifetimes.h"
#include "server/api/parameters.h"
#include "server/api/txn_request.h"

namespace holdfast {
namespace {

using http::Problem;
using http::Request;
using http::Response;
using ResultKind = OperationResult::Kind;

std::expected<ChangeCall, Problem> change_of_txn(const Services& services, const Request& request) {
  Command command;
  HOLDFAST_ASSIGN(command.once, once_of(request));
  ChangeCall change;
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  HOLDFAST_ASSIGN(change.deadline, take_deadline(query, services.clock->now()));
  HOLDFAST_ASSIGN(change.explained, take_explain(query, services.clock->now()));
  HOLDFAST_TRY(finish_query(query));
  HOLDFAST_ASSIGN(command.act, parse_transaction(request.body, services.value_bytes_max));
  HOLDFAST_TRY(check_room(services, command));
  change.command = encode_command(std::move(command));
  return change;
}

void append_scan(std::string& body, const OperationResult& result, uint64_t now_ms) {
  body.append("{\"scan\":{");
  if (!result.count_only) {
    body.append("\"items\":[");
    for (const Item& item : result.items) {
      if (&item != &result.items.front()) body.push_back(',');
      append_item(body, item.key, item.row.info,
                  result.keys_only ? std::nullopt : std::optional<std::string_view>(item.row.value),
                  now_ms);
    }
    body.append("],");
  }
  fmt::format_to(std::back_inserter(body), "\"count\":{},\"more\":{}}}}}", result.count,
                 result.more);
}

// What was there before a put or a delete of one key, where it was asked for, and the end.
void close_with_prev(std::string& body, const OperationResult& result, uint64_t now_ms) {
  if (result.wants_prev) {
    body.push_back(',');
    append_prev(body, result.items.empty() ? nullptr : &result.items.front().row, now_ms);
  }
  body.append("}}");
}

void append_result(std::string& body, const OperationResult& result, uint64_t now_ms) {
  switch (result.kind) {
    case ResultKind::kPut:
      fmt::format_to(std::back_inserter(body), "{{\"put\":{{\"created\":{}", result.created);
      return close_with_prev(body, result, now_ms);
    case ResultKind::kDelete:
      fmt::format_to(std::back_inserter(body), "{{\"delete\":{{\"deleted\":{}", result.deleted);
      return close_with_prev(body, result, now_ms);
    case ResultKind::kGet:
      body.append("{\"get\":");
      if (result.items.empty()) {
        body.append("null");
      } else {
        const Item& item = result.items.front();
        append_item(body, item.key, item.row.info, item.row.value, now_ms);
      }
      body.push_back('}');
      return;
    case ResultKind::kScan:
      return append_scan(body, result, now_ms);
  }
}

Response show_transaction(const Services& services, const Reply& reply) {
  const uint64_t now_ms = cluster_now_ms(services);
  std::string body = fmt::format("{{\"revision\":{},\"succeeded\":{},\"results\":[",
                                 reply.revision.value, reply.succeeded);
  for (const OperationResult& result : reply.results) {
    if (&result != &reply.results.front()) body.push_back(',');
    append_result(body, result, now_ms);
  }
  body.append("]}\n");
  return {200, "application/json", std::move(body)};
}

}  // namespace

Task<Outcome> run_transaction(Services& services, Request request) {
  auto change = change_of_txn(services, request);
  if (!change) co_return std::unexpected(std::move(change).error());
  Task<Outcome> making = make_change(services, *std::move(change), show_transaction);
  co_return co_await making;
}

}  // namespace holdfast
