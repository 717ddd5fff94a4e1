#include "server/api/locks.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/changes.h"
#include "server/api/json_body.h"
#include "server/api/json_text.h"
#include "server/api/lifetimes.h"
#include "server/api/lock_waiters.h"
#include "server/api/parameters.h"
#include "server/api/readers.h"
#include "server/api/reads.h"
#include "storage/base/log.h"
#include "storage/base/random.h"
#include "storage/base/text.h"
#include "storage/kv/locks.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;
using http::Request;
using http::Response;

constexpr Duration kWaitMax = std::chrono::seconds(60);
// What a request that may wait has for all the rest, where it says nothing else.
constexpr Duration kBesideWait = std::chrono::seconds(5);

// A call that names a lock, on its way to the gate.
struct LockCall {
  std::string name;
  uint64_t token = 0;
  ChangeCall change;
};

struct AcquireCall {
  std::string name;
  ChangeCall change;
  Instant until;                     // it waits no longer
  bool has_name_of_its_own = false;  // an Idempotency-Key
};

struct AcquireBody {
  AcquireLockCommand act;
  Duration wait{};
};

std::expected<AcquireBody, Problem> body_of(const std::string& text) {
  HOLDFAST_ASSIGN(const nlohmann::json parsed, parse_few_fields(text));
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(parsed, ""));
  HOLDFAST_ASSIGN(const std::optional<std::string> ttl, fields.take_text("ttl"));
  HOLDFAST_ASSIGN(const std::optional<std::string> wait, fields.take_text("wait"));
  HOLDFAST_ASSIGN(std::optional<std::string> owner, fields.take_bytes("owner"));
  HOLDFAST_TRY(fields.finish());
  AcquireBody body;
  if (!ttl)
    return std::unexpected(bad_field(
        "ttl", "it is missing; the body is as {\"ttl\":\"10s\",\"wait\":\"5s\",\"owner\":\"me\"}"));
  HOLDFAST_ASSIGN(body.act.ttl_ms, parse_ttl("ttl", *ttl));
  if (wait) {
    const std::optional<Duration> parsed_wait = parse_duration(*wait);
    if (!parsed_wait || *parsed_wait < Duration::zero() || *parsed_wait > kWaitMax)
      return std::unexpected(
          bad_request("'wait' must be a duration from 0s to 60s, as 500ms, 5s or 1m"));
    body.wait = *parsed_wait;
  }
  body.act.owner = std::move(owner).value_or("");
  if (body.act.owner.size() > kLockOwnerBytesMax)
    return std::unexpected(bad_request(fmt::format("'owner' has {} bytes, the limit is {}",
                                                   body.act.owner.size(), kLockOwnerBytesMax)));
  return body;
}

std::expected<AcquireCall, Problem> acquire_of(const Services& services, const Request& request) {
  HOLDFAST_TRY(check_key(request.parameter, "the lock's name"));
  HOLDFAST_ASSIGN(AcquireBody body, body_of(request.body));
  const Instant now = services.clock->now();
  AcquireCall call{.name = request.parameter, .change = {}, .until = {}};
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  HOLDFAST_ASSIGN(call.change.deadline, take_deadline(query, now, body.wait + kBesideWait));
  HOLDFAST_TRY(finish_query(query));
  call.until = std::min(now + body.wait, call.change.deadline);
  body.act.name = request.parameter;
  body.act.lease = {1 + random_from_system() % kLeaseIdMax};
  Command command{.act = std::move(body.act)};
  HOLDFAST_ASSIGN(command.once, once_of(request));
  call.has_name_of_its_own = command.once.has_value();
  HOLDFAST_TRY(check_room(services, command));
  call.change.command = encode_command(std::move(command));
  return call;
}

// Of a change that names the lock in its path and the token in its query, and nothing more.
template <class Act>
std::expected<LockCall, Problem> call_of(const Services& services, const Request& request) {
  HOLDFAST_TRY(check_key(request.parameter, "the lock's name"));
  HOLDFAST_TRY(refuse_body(request));
  LockCall call{.name = request.parameter, .change = {}};
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  HOLDFAST_ASSIGN(call.change.deadline, take_deadline(query, services.clock->now()));
  HOLDFAST_ASSIGN(const std::optional<uint64_t> token, take_number(query, "token"));
  HOLDFAST_TRY(finish_query(query));
  if (!token)
    return std::unexpected(
        bad_request("'token' is missing: give the one with which the lock was acquired"));
  call.token = *token;
  Command command{.act = Act{call.name, call.token}};
  HOLDFAST_ASSIGN(command.once, once_of(request));
  call.change.command = encode_command(std::move(command));
  return call;
}

std::string in_seconds(uint64_t ms) {
  return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
}

Problem held(std::string_view name, std::string_view owner, uint64_t token, uint64_t left_ms) {
  return {
      .code = http::Code::kConflict,
      .detail = fmt::format(
          "the lock '{}' is held{} under token {}, for {} unless it is kept alive; nothing was "
          "changed, ask again, and longer with 'wait'",
          name, owner.empty() ? "" : fmt::format(" by '{}'", owner), token, in_seconds(left_ms)),
      .figures = {{"token", token}, {"remaining_ms", left_ms}}};
}

// There is no such holder any more, or there was none. Nothing was changed.
Problem not_held(std::string_view name, std::optional<uint64_t> token) {
  return {.code = http::Code::kLeaseNotFound,
          .detail = token ? fmt::format("the lock '{}' is not held under token {}: it was "
                                        "released, or its time is over; nothing was changed",
                                        name, *token)
                          : fmt::format("nobody has the lock '{}'", name)};
}

// As this node knows it: for whoever waited, or was not let in before those who wait.
Task<Problem> why_not_had(Services& services, const std::string& name) {
  const uint64_t now_ms = cluster_now_ms(services);
  Result<std::optional<LockAndLease>> found;
  auto work = [&] { found = read_lock(*services.engine, name); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (done && found && *found) {
    const LockAndLease& view = **found;
    co_return held(name, view.lock.owner, view.lock.token,
                   remaining_ms(view.lease.deadline_ms, now_ms));
  }
  co_return Problem{.code = http::Code::kConflict,
                    .detail = fmt::format("others have waited longer for the lock '{}'; nothing "
                                          "was changed, ask again, and longer with 'wait'",
                                          name)};
}

Problem problem_of_stop() {
  return {.code = http::Code::kNotReady,
          .detail = "this node stops; nothing was changed, wait for the lock at another node"};
}

// For nobody, and for the count of answers.
Problem problem_of_gone() {
  return {.code = http::Code::kRequestTimeout,
          .detail =
              "the client shut its connection while it waited for the lock; nothing was "
              "changed"};
}

void append_name(std::string& body, std::string_view name) {
  body.push_back('{');
  append_json_bytes(body, "name", name);
}

Response show_held(std::string_view name, const Reply& reply) {
  std::string body;
  append_name(body, name);
  fmt::format_to(std::back_inserter(body), ",\"token\":{},\"lease\":\"{}\",\"ttl_ms\":{}}}\n",
                 reply.token, text_of(reply.lease), reply.ttl_ms);
  return {200, "application/json", std::move(body)};
}

Response show_released(const Services&, const Reply& reply) {
  return {200, "application/json",
          fmt::format("{{\"revision\":{},\"deleted\":{},\"finished\":{}}}\n", reply.revision.value,
                      reply.deleted, !reply.unfinished)};
}

// To a change of a lock; `token`: that was given to name its holder.
Outcome answer_holder(const Services& services, std::string_view name,
                      std::optional<uint64_t> token, const Gate::Outcome& outcome) {
  if (!outcome) return std::unexpected(problem_of_change(outcome.error()));
  const bool is_held = outcome->status == ReplyStatus::kOk;
  if (!is_held && outcome->status != ReplyStatus::kLeaseNotFound)
    return answer_change(services, outcome, show_released);
  Response response = is_held ? show_held(name, *outcome) : http::answer(not_held(name, token));
  if (outcome->replayed) response.add_header("Idempotency-Replayed", "true");
  return Answered{std::move(response), outcome->revision};
}

// Nobody is told of it: whoever asked is gone.
Task<bool> give_back(Services& services, const std::string& name, uint64_t token) {
  log_info("the lock '{}' is given back: who waited for it is gone", name);
  Command command{.act = ReleaseLockCommand{name, token}};
  Gate::Waiting waiting = services.gate->propose(encode_command(std::move(command)),
                                                 services.clock->now() + kBesideWait);
  const Gate::Outcome outcome = co_await waiting;
  co_return outcome.has_value();
}

std::string read_body(std::string_view name, const LockAndLease& view, uint64_t now_ms) {
  std::string body;
  append_name(body, name);
  fmt::format_to(std::back_inserter(body), ",\"token\":{},\"lease\":\"{}\",", view.lock.token,
                 text_of(view.lock.lease));
  append_json_bytes(body, "owner", view.lock.owner);
  fmt::format_to(std::back_inserter(body), ",\"ttl_ms\":{},\"remaining_ms\":{}}}\n",
                 view.lease.ttl_ms, remaining_ms(view.lease.deadline_ms, now_ms));
  return body;
}

std::expected<ReadOptions, Problem> lock_read_of(const Services& services, const Request& request) {
  HOLDFAST_TRY(check_key(request.parameter, "the lock's name"));
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  ReadOptions options;
  HOLDFAST_ASSIGN(options, take_read_options(query, services.clock->now()));
  HOLDFAST_TRY(finish_query(query));
  if (options.is_past())
    return std::unexpected(bad_request("locks have no past: leave 'revision' and 'at' out"));
  return options;
}

}  // namespace

Task<Outcome> acquire_lock(Services& services, Request request) {
  const auto call = acquire_of(services, request);
  if (!call) co_return std::unexpected(call.error());
  if (services.lock_waiters->is_full())
    co_return std::unexpected(
        Problem{.code = http::Code::kTooManyRequests,
                .detail = fmt::format("{} requests for locks wait at this node already; nothing "
                                      "was changed, try again later or at another node",
                                      LockWaiters::kPlacesMax)});
  std::optional<LockWaiters::Place> place;
  place.emplace(*services.lock_waiters, call->name, call->until, request.caller);
  LockWaiters::Place::Waiting waiting_in_line = place->turn();
  LockWaiters::Turn turn = co_await waiting_in_line;
  while (turn == LockWaiters::Turn::kTry) {
    Gate::Waiting waiting = services.gate->propose(call->change.command, call->change.deadline);
    const Gate::Outcome outcome = co_await waiting;
    const bool is_had = outcome && outcome->status == ReplyStatus::kOk;
    const bool is_held = outcome && outcome->status == ReplyStatus::kLockHeld;
    if (is_had || is_held) place->is_held();
    // Under a name of its own the client may come back for the answer: the lease ends it else.
    if (is_had && place->has_waited() && !call->has_name_of_its_own && request.caller.has_gone()) {
      Task<bool> giving = give_back(services, call->name, outcome->token);
      co_await giving;
    }
    if (!is_held) co_return answer_holder(services, call->name, std::nullopt, outcome);
    if (services.clock->now() >= call->until)
      co_return std::unexpected(
          held(call->name, outcome->owner, outcome->token, outcome->retry_ms));
    turn = co_await waiting_in_line;
  }
  place.reset();
  if (turn == LockWaiters::Turn::kOver) co_return std::unexpected(problem_of_stop());
  if (turn == LockWaiters::Turn::kGone) co_return std::unexpected(problem_of_gone());
  Task<Problem> asking = why_not_had(services, call->name);
  Problem problem = co_await asking;
  co_return std::unexpected(std::move(problem));
}

Task<Outcome> keep_lock_alive(Services& services, Request request) {
  const auto call = call_of<KeepLockAliveCommand>(services, request);
  if (!call) co_return std::unexpected(call.error());
  Gate::Waiting waiting = services.gate->propose(call->change.command, call->change.deadline);
  const Gate::Outcome outcome = co_await waiting;
  co_return answer_holder(services, call->name, call->token, outcome);
}

Task<Outcome> release_lock(Services& services, Request request) {
  const auto call = call_of<ReleaseLockCommand>(services, request);
  if (!call) co_return std::unexpected(call.error());
  Gate::Waiting waiting = services.gate->propose(call->change.command, call->change.deadline);
  const Gate::Outcome outcome = co_await waiting;
  if (outcome && outcome->status == ReplyStatus::kOk)
    co_return answer_change(services, outcome, show_released);
  co_return answer_holder(services, call->name, call->token, outcome);
}

Task<Outcome> show_lock(Services& services, Request request) {
  const auto options = lock_read_of(services, request);
  if (!options) co_return std::unexpected(options.error());
  Task<std::expected<Revision, Problem>> fixing = read_revision(services, *options);
  const std::expected<Revision, Problem> revision = co_await fixing;
  if (!revision) co_return std::unexpected(revision.error());
  const uint64_t now_ms = cluster_now_ms(services);
  Result<std::optional<LockAndLease>> found;
  auto work = [&] { found = read_lock(*services.engine, request.parameter); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  if (!found) co_return std::unexpected(problem_of(found.error()));
  if (!*found)
    co_return Answered{http::answer(not_held(request.parameter, std::nullopt)), *revision};
  co_return Answered{
      Response(200, "application/json", read_body(request.parameter, **found, now_ms)), *revision};
}

}  // namespace holdfast
