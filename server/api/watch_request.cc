#include "server/api/watch_request.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/answers.h"
#include "server/api/json_body.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;

std::expected<std::optional<bool>, Problem> take_filter(http::Query& query) {
  const std::optional<std::string> filter = query.take("filter");
  if (!filter) return std::nullopt;
  if (*filter == "put") return true;
  if (*filter == "delete") return false;
  return std::unexpected(bad_request("'filter' must be put or delete"));
}

std::expected<KeyRange, Problem> take_watched(http::Query& query) {
  const std::optional<std::string> key = query.take("key");
  KeyRange range;
  HOLDFAST_ASSIGN(range, take_range(query));
  if (!key) return range;
  if (range.bounded)
    return std::unexpected(bad_request("give 'key', or 'prefix', 'start' and 'end', not both"));
  HOLDFAST_TRY(check_key(*key));
  return range_of_key(*key);
}

// As a URL would say it: so there is one set of rules.
std::expected<http::Query, Problem> query_of(JsonFields& fields) {
  http::Query query;
  for (const char* const name : {"key", "prefix", "start", "end"}) {
    std::optional<std::string> bytes;
    HOLDFAST_ASSIGN(bytes, fields.take_bytes(name));
    if (bytes) query.add(name, *std::move(bytes));
  }
  for (const char* const name : {"from", "min_revision"}) {
    std::optional<uint64_t> number;
    HOLDFAST_ASSIGN(number, fields.take_number(name));
    if (number) query.add(name, std::to_string(*number));
  }
  for (const char* const name : {"filter", "consistency", "max_lag", "timeout"}) {
    std::optional<std::string> text;
    HOLDFAST_ASSIGN(text, fields.take_text(name));
    if (text) query.add(name, *std::move(text));
  }
  bool prev = false;
  HOLDFAST_ASSIGN(prev, fields.take_flag("prev"));
  query.add("prev", prev ? "true" : "false");
  HOLDFAST_TRY(fields.finish());
  return query;
}

std::expected<std::string, Problem> take_id(JsonFields& fields) {
  std::optional<std::string> id;
  HOLDFAST_ASSIGN(id, fields.take_text("id"));
  if (id && !id->empty() && id->size() <= WatchMessage::kIdBytesMax) return *std::move(id);
  return std::unexpected(bad_field(
      fields.path_of("id"), fmt::format("it must be text of 1 to {} bytes, by which the answers "
                                        "to this watch are known",
                                        WatchMessage::kIdBytesMax)));
}

std::expected<WatchMessage, Problem> message_of(std::string_view text, Instant now,
                                                std::optional<std::string>& id) {
  nlohmann::json json;
  HOLDFAST_ASSIGN(json, parse_few_fields(text));
  if (!json.is_object() || json.size() != 1 || !(json.contains("watch") || json.contains("cancel")))
    return std::unexpected(
        bad_request("a message is {\"watch\":{\"id\":…}} or {\"cancel\":{\"id\":…}}"));
  const std::string act = json.begin().key();
  auto fields = JsonFields::of(json.front(), act);
  if (!fields) return std::unexpected(std::move(fields).error());
  HOLDFAST_ASSIGN(id, take_id(*fields));
  WatchMessage message{.id = *id, .begins = std::nullopt};
  if (act == "cancel") {
    HOLDFAST_TRY(fields->finish());
    return message;
  }
  http::Query query;
  HOLDFAST_ASSIGN(query, query_of(*fields));
  HOLDFAST_ASSIGN(message.begins, watch_of(query, now));
  return message;
}

}  // namespace

std::expected<WatchRead, Problem> watch_of(http::Query& query, Instant now) {
  WatchRead read;
  HOLDFAST_ASSIGN(read.options, take_read_options(query, now));
  HOLDFAST_ASSIGN(read.what.range, take_watched(query));
  HOLDFAST_ASSIGN(read.what.prev, take_flag(query, "prev"));
  HOLDFAST_ASSIGN(read.what.only_puts, take_filter(query));
  std::optional<uint64_t> from;
  HOLDFAST_ASSIGN(from, take_number(query, "from"));
  HOLDFAST_TRY(finish_query(query));
  if (read.options.is_past())
    return std::unexpected(bad_request("a watch begins with 'from', not 'revision' or 'at'"));
  if (from && *from == 0)
    return std::unexpected(bad_request("'from' must be the first revision to show, 1 or more"));
  if (from) read.from = Revision{*from};
  return read;
}

std::expected<WatchMessage, BadMessage> parse_watch_message(std::string_view text, Instant now) {
  BadMessage bad;
  auto message = message_of(text, now, bad.id);
  if (message) return *std::move(message);
  bad.problem = std::move(message).error();
  // The reader of JSON knows bodies of requests.
  constexpr std::string_view kWhole = "the body";
  std::string& detail = bad.problem.detail;
  if (detail.starts_with(kWhole)) detail.replace(0, kWhole.size(), "the message");
  return std::unexpected(std::move(bad));
}

}  // namespace holdfast
