#include "server/api/leases.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/changes.h"
#include "server/api/json_body.h"
#include "server/api/json_text.h"
#include "server/api/lifetimes.h"
#include "server/api/parameters.h"
#include "server/api/readers.h"
#include "server/api/reads.h"
#include "server/api/scan.h"
#include "storage/base/random.h"
#include "storage/kv/leases.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;
using http::Request;
using http::Response;

std::expected<uint64_t, Problem> ttl_of(std::string_view body) {
  HOLDFAST_ASSIGN(const nlohmann::json json, parse_few_fields(body));
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(json, ""));
  HOLDFAST_ASSIGN(const std::optional<std::string> ttl, fields.take_text("ttl"));
  HOLDFAST_TRY(fields.finish());
  if (ttl) return parse_ttl("ttl", *ttl);
  return std::unexpected(bad_field("ttl", "it is missing; the body is as {\"ttl\":\"10s\"}"));
}

std::expected<ChangeCall, Problem> grant_of(const Services& services, const Request& request) {
  ChangeCall change;
  HOLDFAST_ASSIGN(change.deadline, deadline_of(request, services.clock->now()));
  uint64_t ttl_ms = 0;
  HOLDFAST_ASSIGN(ttl_ms, ttl_of(request.body));
  const LeaseId id{1 + random_from_system() % kLeaseIdMax};
  Command command{.act = GrantLeaseCommand{id, ttl_ms}};
  HOLDFAST_ASSIGN(command.once, once_of(request));
  change.command = encode_command(std::move(command));
  return change;
}

// Of a change that names the lease in its path and nothing more.
template <class Act>
std::expected<ChangeCall, Problem> change_of(const Services& services, const Request& request) {
  ChangeCall change;
  LeaseId id;
  HOLDFAST_ASSIGN(id, parse_lease_id(request.parameter));
  HOLDFAST_TRY(refuse_body(request));
  HOLDFAST_ASSIGN(change.deadline, deadline_of(request, services.clock->now()));
  Command command{.act = Act{id}};
  HOLDFAST_ASSIGN(command.once, once_of(request));
  change.command = encode_command(std::move(command));
  return change;
}

Response show_kept(const Services&, const Reply& reply) {
  return {200, "application/json",
          fmt::format("{{\"id\":\"{}\",\"ttl_ms\":{}}}\n", text_of(reply.lease), reply.ttl_ms)};
}

Response show_granted(const Services& services, const Reply& reply) {
  Response response = show_kept(services, reply);
  response.status = 201;
  response.add_header("Location", "/v1/leases/" + text_of(reply.lease));
  return response;
}

Response show_revoked(const Services&, const Reply& reply) {
  return {200, "application/json",
          fmt::format("{{\"revision\":{},\"deleted\":{},\"finished\":{}}}\n", reply.revision.value,
                      reply.deleted, !reply.unfinished)};
}

// A page of leases, or of one lease's keys.
struct Page {
  ReadOptions options;
  uint64_t limit = kPageItems;
  std::string cursor;
};

std::expected<Page, Problem> page_of(const Services& services, const Request& request) {
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  Page page;
  HOLDFAST_ASSIGN(page.options, take_read_options(query, services.clock->now()));
  if (page.options.is_past())
    return std::unexpected(bad_request("leases have no past: leave 'revision' and 'at' out"));
  std::optional<uint64_t> limit;
  HOLDFAST_ASSIGN(limit, take_number(query, "limit"));
  if (limit && (*limit == 0 || *limit > kPageItemsMax))
    return std::unexpected(bad_request(fmt::format("'limit' must be from 1 to {}", kPageItemsMax)));
  page.limit = limit.value_or(kPageItems);
  if (const auto text = query.take("cursor")) {
    const std::optional<std::string> cursor = from_base64url(*text);
    if (!cursor || cursor->empty())
      return std::unexpected(bad_request("'cursor' is not one that a page gave as 'next'"));
    page.cursor = *cursor;
  }
  HOLDFAST_TRY(finish_query(query));
  return page;
}

std::string to_json(const Lease& lease, uint64_t now_ms) {
  return fmt::format("\"id\":\"{}\",\"ttl_ms\":{},\"remaining_ms\":{}", text_of(lease.id),
                     lease.ttl_ms, remaining_ms(lease.deadline_ms, now_ms));
}

struct Shown {
  std::optional<Lease> lease;
  std::vector<std::string> keys;  // one more than the page has room for, where there are more
};

// On a reader thread.
Result<Shown> read_shown(const Engine& engine, LeaseId id, const Page& page) {
  Shown shown;
  HOLDFAST_ASSIGN(shown.lease, read_lease(engine, id));
  HOLDFAST_ASSIGN(shown.keys, bound_keys(engine, id, page.cursor, page.limit + 1));
  return shown;
}

Result<std::vector<Lease>> read_list(const Engine& engine, const Page& page, LeaseId after) {
  return list_leases(engine, after, page.limit + 1);
}

Answered answer_shown(const Page& page, Shown shown, uint64_t now_ms, Revision revision) {
  std::string keys;
  std::string next;
  if (shown.keys.size() > page.limit) {
    shown.keys.resize(page.limit);
    next = fmt::format(",\"next\":\"{}\"", to_base64url(shown.keys.back()));
  }
  for (const std::string& key : shown.keys) {
    keys.append(keys.empty() ? "{" : ",{");
    append_json_bytes(keys, "key", key);
    keys.push_back('}');
  }
  return {Response(200, "application/json",
                   fmt::format("{{{},\"keys\":[{}],\"count\":{}{}}}\n",
                               to_json(*shown.lease, now_ms), keys, shown.keys.size(), next)),
          revision};
}

Answered answer_list(const Page& page, std::vector<Lease> leases, uint64_t now_ms,
                     Revision revision) {
  std::string items;
  std::string next;
  if (leases.size() > page.limit) {
    leases.resize(page.limit);
    next = fmt::format(",\"next\":\"{}\"", to_base64url(text_of(leases.back().id)));
  }
  for (const Lease& lease : leases)
    items += fmt::format("{}{{{}}}", items.empty() ? "" : ",", to_json(lease, now_ms));
  return {Response(200, "application/json",
                   fmt::format("{{\"leases\":[{}],\"count\":{}{}}}\n", items, leases.size(), next)),
          revision};
}

}  // namespace

Task<Outcome> grant_lease(Services& services, Request request) {
  const auto change = grant_of(services, request);
  if (!change) co_return std::unexpected(change.error());
  Gate::Waiting waiting = services.gate->propose(change->command, change->deadline);
  const Gate::Outcome outcome = co_await waiting;
  co_return answer_change(services, outcome, show_granted);
}

Task<Outcome> keep_lease_alive(Services& services, Request request) {
  const auto change = change_of<KeepLeaseAliveCommand>(services, request);
  if (!change) co_return std::unexpected(change.error());
  Gate::Waiting waiting = services.gate->propose(change->command, change->deadline);
  const Gate::Outcome outcome = co_await waiting;
  co_return answer_change(services, outcome, show_kept);
}

Task<Outcome> revoke_lease(Services& services, Request request) {
  const auto change = change_of<RevokeLeaseCommand>(services, request);
  if (!change) co_return std::unexpected(change.error());
  Gate::Waiting waiting = services.gate->propose(change->command, change->deadline);
  const Gate::Outcome outcome = co_await waiting;
  co_return answer_change(services, outcome, show_revoked);
}

Task<Outcome> show_lease(Services& services, Request request) {
  const auto id = parse_lease_id(request.parameter);
  if (!id) co_return std::unexpected(id.error());
  const auto page = page_of(services, request);
  if (!page) co_return std::unexpected(page.error());
  Task<std::expected<Revision, Problem>> fixing = read_revision(services, page->options);
  const std::expected<Revision, Problem> revision = co_await fixing;
  if (!revision) co_return std::unexpected(revision.error());
  Result<Shown> shown;
  auto work = [&] { shown = read_shown(*services.engine, *id, *page); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  if (!shown) co_return std::unexpected(problem_of(shown.error()));
  if (!shown->lease) co_return Answered{http::answer(lease_not_found(*id)), *revision};
  co_return answer_shown(*page, *std::move(shown), cluster_now_ms(services), *revision);
}

Task<Outcome> show_leases(Services& services, Request request) {
  const auto page = page_of(services, request);
  if (!page) co_return std::unexpected(page.error());
  std::expected<LeaseId, Problem> after = LeaseId{};
  if (!page->cursor.empty()) after = parse_lease_id(page->cursor);
  if (!after)
    co_return std::unexpected(bad_request("'cursor' is not one that a page gave as 'next'"));
  Task<std::expected<Revision, Problem>> fixing = read_revision(services, page->options);
  const std::expected<Revision, Problem> revision = co_await fixing;
  if (!revision) co_return std::unexpected(revision.error());
  Result<std::vector<Lease>> leases;
  auto work = [&] { leases = read_list(*services.engine, *page, *after); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  if (!leases) co_return std::unexpected(problem_of(leases.error()));
  co_return answer_list(*page, *std::move(leases), cluster_now_ms(services), *revision);
}

}  // namespace holdfast
