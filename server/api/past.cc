#include "server/api/past.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/changes.h"
#include "server/api/json_body.h"
#include "server/api/json_text.h"
#include "server/api/parameters.h"
#include "server/api/readers.h"
#include "server/api/reads.h"
#include "server/api/scan.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;
using http::Request;
using http::Response;

struct HistoryRead {
  ReadOptions options;
  uint64_t limit = kVersions;
};

struct Versions {
  Revision at;
  Revision floor;
  std::string items;  // JSON, without the brackets
  uint64_t count = 0;
  std::optional<Revision> next;  // the newest that did not fit
};

std::expected<HistoryRead, Problem> history_of(Services& services, const Request& request) {
  HOLDFAST_TRY(check_key(request.parameter));
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  HistoryRead read;
  HOLDFAST_ASSIGN(read.options, take_read_options(query, services.clock->now()));
  HOLDFAST_ASSIGN(read.options.explained, take_explain(query, services.clock->now()));
  std::optional<uint64_t> limit;
  HOLDFAST_ASSIGN(limit, take_number(query, "limit"));
  HOLDFAST_TRY(finish_query(query));
  if (limit && (*limit == 0 || *limit > kVersionsMax)) {
    return std::unexpected(bad_request(fmt::format("'limit' must be from 1 to {}", kVersionsMax)));
  }
  read.limit = limit.value_or(kVersions);
  return read;
}

void append_version(std::string& items, Revision revision, const RowInfo* info,
                    std::string_view value) {
  fmt::format_to(std::back_inserter(items), "{}{{\"type\":\"{}\",\"mod_revision\":{}",
                 items.empty() ? "" : ",", info != nullptr ? "put" : "delete", revision.value);
  if (info != nullptr) {
    fmt::format_to(std::back_inserter(items), ",\"create_revision\":{},\"version\":{},",
                   info->create_revision.value, info->version);
    append_json_bytes(items, "value", value);
  }
  items.push_back('}');
}

// On a reader thread.
Result<> read_versions(const Engine& engine, const std::string& key, uint64_t limit,
                       Versions& versions) {
  return engine.versions(key, versions.floor, versions.at,
                         [&](Revision revision, const RowInfo* info, std::string_view value) {
                           if (versions.count == limit || versions.items.size() >= kPageBytesMax) {
                             versions.next = revision;
                             return false;
                           }
                           append_version(versions.items, revision, info, value);
                           ++versions.count;
                           return true;
                         });
}

Outcome answer_history(const std::string& key, const Versions& versions) {
  if (versions.count == 0) {
    const Problem problem{
        .code = http::Code::kKeyNotFound,
        .detail = fmt::format("nothing is known of the key from revision {} to {}",
                              versions.floor.value, versions.at.value)};
    return Answered{http::answer(problem), versions.at};
  }
  std::string body = fmt::format("{{\"revision\":{},", versions.at.value);
  append_json_bytes(body, "key", key);
  fmt::format_to(std::back_inserter(body),
                 ",\"compact_revision\":{},\"versions\":[{}],\"count\":{}", versions.floor.value,
                 versions.items, versions.count);
  if (versions.next) fmt::format_to(std::back_inserter(body), ",\"next\":{}", versions.next->value);
  body.append("}\n");
  return Answered{Response(200, "application/json", std::move(body)), versions.at};
}

// What a changing call has.
struct Order {
  nlohmann::json body;
  std::optional<Once> once;
  Instant deadline;
};

std::expected<Order, Problem> order_of(Services& services, const Request& request) {
  Order order;
  HOLDFAST_ASSIGN(order.once, once_of(request));
  HOLDFAST_ASSIGN(order.deadline, deadline_of(request, services.clock->now()));
  HOLDFAST_ASSIGN(order.body, parse_few_fields(request.body));
  return order;
}

std::expected<Revision, Problem> floor_in(const nlohmann::json& body) {
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(body, ""));
  HOLDFAST_ASSIGN(const std::optional<uint64_t> revision, fields.take_number("revision"));
  HOLDFAST_TRY(fields.finish());
  if (revision.value_or(0) > 0) return Revision{*revision};
  return std::unexpected(
      bad_field("revision", "it must be the oldest revision to keep, 1 or more"));
}

std::expected<SettingsCommand, Problem> settings_in(const nlohmann::json& body) {
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(body, ""));
  HOLDFAST_ASSIGN(const std::optional<std::string> text, fields.take_text("keep_history"));
  HOLDFAST_TRY(fields.finish());
  if (!text)
    return std::unexpected(bad_request("the body names no setting; there is keep_history"));
  const std::optional<Duration> keep = parse_duration(*text);
  constexpr Duration kMin = std::chrono::milliseconds(Settings::kKeepHistoryMsMin);
  constexpr Duration kMax = std::chrono::milliseconds(Settings::kKeepHistoryMsMax);
  if (!keep || *keep < kMin || *keep > kMax)
    return std::unexpected(
        bad_field("keep_history", fmt::format("it must be a duration from {} to {}, as 30m or 2h",
                                              duration_text(kMin), duration_text(kMax))));
  SettingsCommand change;
  change.keep_history_ms = static_cast<uint64_t>(*keep / std::chrono::milliseconds(1));
  return change;
}

Response show_floor(const Services& services, const Reply&) {
  return {200, "application/json",
          fmt::format("{{\"compact_revision\":{}}}\n", services.machine->history_floor().value)};
}

Response show_all_settings(const Services& services, const Reply&) {
  return {200, "application/json", settings_text(services.machine->settings()) + "\n"};
}

}  // namespace

std::string settings_text(const Settings& settings) {
  return fmt::format("{{\"keep_history\":\"{}\"}}",
                     duration_text(std::chrono::milliseconds(settings.keep_history_ms)));
}

Task<Outcome> show_history(Services& services, Request request) {
  auto read = history_of(services, request);
  if (!read) co_return std::unexpected(std::move(read).error());
  const Explained explained = read->options.explained;
  Versions versions;
  Result<> outcome;
  std::optional<Problem> gone;
  do {
    Task<std::expected<Revision, Problem>> fixing = read_revision(services, read->options);
    std::expected<Revision, Problem> revision = co_await fixing;
    if (!revision) co_return std::unexpected(std::move(revision).error());
    versions = {.at = *revision, .floor = services.machine->history_floor()};
    auto work = [&] {
      outcome = read_versions(*services.engine, request.parameter, read->limit, versions);
    };
    const Instant began = explained ? services.clock->now() : Instant();
    Readers::Waiting waiting = services.readers->run(*services.loop, work);
    const bool done = co_await waiting;
    if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
    if (explained) explained->note_read(Explain::Source::kReader, services.clock->now() - began);
    gone = forgotten(services, versions.at);
    // What lay between two floors may be there or not: once more, from the higher one.
  } while ((gone && !read->options.is_past()) ||
           (!gone && services.machine->history_floor() != versions.floor));
  if (gone) co_return std::unexpected(*std::move(gone));
  if (!outcome) co_return std::unexpected(problem_of(outcome.error()));
  Outcome answer = answer_history(request.parameter, versions);
  if (answer) answer->explained = explained;
  co_return answer;
}

Task<Outcome> compact_history(Services& services, Request request) {
  auto order = order_of(services, request);
  if (!order) co_return std::unexpected(std::move(order).error());
  auto floor = floor_in(order->body);
  if (!floor) co_return std::unexpected(std::move(floor).error());
  Command command{.act = CompactCommand{*floor}, .once = order->once};
  Gate::Waiting waiting =
      services.gate->propose(encode_command(std::move(command)), order->deadline);
  const Gate::Outcome outcome = co_await waiting;
  co_return answer_change(services, outcome, show_floor);
}

Task<Outcome> show_settings(Services& services, Request request) {
  const auto deadline = deadline_of(request, services.clock->now());
  if (!deadline) co_return std::unexpected(deadline.error());
  Gate::Waiting barrier = services.gate->read_barrier(*deadline);
  const Gate::Outcome outcome = co_await barrier;
  if (!outcome) co_return std::unexpected(problem_of_read(outcome.error().reason));
  co_return Answered{show_all_settings(services, {}), services.gate->revision()};
}

Task<Outcome> change_settings(Services& services, Request request) {
  auto order = order_of(services, request);
  if (!order) co_return std::unexpected(std::move(order).error());
  auto change = settings_in(order->body);
  if (!change) co_return std::unexpected(std::move(change).error());
  Command command{.act = *change, .once = order->once};
  Gate::Waiting waiting =
      services.gate->propose(encode_command(std::move(command)), order->deadline);
  const Gate::Outcome outcome = co_await waiting;
  co_return answer_change(services, outcome, show_all_settings);
}

}  // namespace holdfast
