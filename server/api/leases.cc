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
  HOLDFAST_ASSIGN(const nlohmann::json parsed, parse_few_fields(body));
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(parsed, ""));
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
  HOLDFAST_TRY(check_room(services, command));
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
struct LeasePage {
  ReadOptions options;
  uint64_t limit = kPageItems;
  std::string cursor;
};

std::expected<LeasePage, Problem> page_of(const Services& services, const Request& request) {
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  LeasePage page;
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

// A page on its way to JSON.
struct Listed {
  std::string items;
  uint64_t count = 0;
  std::string last;  // what the next page follows; empty: there is none

  bool has_room(const LeasePage& page) const {
    return count < page.limit && items.size() < kPageBytesMax;
  }
  void begin_item() { items.append(count++ == 0 ? "{" : ",{"); }
};

std::string to_json(std::string_view name, const Listed& listed) {
  return fmt::format(
      "\"{}\":[{}],\"count\":{}{}", name, listed.items, listed.count,
      listed.last.empty() ? "" : fmt::format(",\"next\":\"{}\"", to_base64url(listed.last)));
}

// In steps, since a page of the longest keys is bounded by their bytes and not by their number.
Result<Listed> list_keys(const Engine& engine, LeaseId id, const LeasePage& page) {
  constexpr size_t kStep = 256;
  Listed listed;
  std::string after = page.cursor;
  for (size_t found = kStep; found == kStep;) {
    HOLDFAST_ASSIGN(const std::vector<std::string> keys, bound_keys(engine, id, after, kStep));
    for (const std::string& key : keys) {
      if (!listed.has_room(page)) {
        listed.last = after;
        return listed;
      }
      listed.begin_item();
      append_json_bytes(listed.items, "key", key);
      listed.items.push_back('}');
      after = key;
    }
    found = keys.size();
  }
  return listed;
}

// The answer's body; nothing: there is no such lease. On a reader thread, as what follows.
Result<std::optional<std::string>> read_lease_page(const Engine& engine, LeaseId id,
                                                   const LeasePage& page, uint64_t now_ms) {
  HOLDFAST_ASSIGN(const std::optional<Lease> lease, read_lease(engine, id));
  if (!lease) return std::nullopt;
  HOLDFAST_ASSIGN(const Listed keys, list_keys(engine, id, page));
  return fmt::format("{{{},{}}}\n", to_json(*lease, now_ms), to_json("keys", keys));
}

Result<std::string> read_leases_page(const Engine& engine, LeaseId after, const LeasePage& page,
                                     uint64_t now_ms) {
  HOLDFAST_ASSIGN(const std::vector<Lease> leases, list_leases(engine, after, page.limit + 1));
  Listed listed;
  for (const Lease& lease : leases) {
    if (!listed.has_room(page)) {
      listed.last = text_of(after);
      break;
    }
    listed.begin_item();
    listed.items.append(to_json(lease, now_ms)).push_back('}');
    after = lease.id;
  }
  return fmt::format("{{{}}}\n", to_json("leases", listed));
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
  const uint64_t now_ms = cluster_now_ms(services);
  Result<std::optional<std::string>> body;
  auto work = [&] { body = read_lease_page(*services.engine, *id, *page, now_ms); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  if (!body) co_return std::unexpected(problem_of(body.error()));
  if (!*body) co_return Answered{http::answer(lease_not_found(*id)), *revision};
  co_return Answered{Response(200, "application/json", **std::move(body)), *revision};
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
  const uint64_t now_ms = cluster_now_ms(services);
  Result<std::string> body;
  auto work = [&] { body = read_leases_page(*services.engine, *after, *page, now_ms); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  if (!body) co_return std::unexpected(problem_of(body.error()));
  co_return Answered{Response(200, "application/json", *std::move(body)), *revision};
}

}  // namespace holdfast
