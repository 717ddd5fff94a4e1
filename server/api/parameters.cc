#include "server/api/parameters.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "storage/base/text.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;
using http::Query;
using std::chrono::seconds;

constexpr Duration kTimeoutMax = seconds(60);

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// One list of entity tags (RFC 9110, section 8.8.3), added to `condition`. Gives back how many.
std::expected<size_t, Problem> add_tags(std::string_view list, std::string_view field,
                                        Condition& condition) {
  const auto malformed = [&] {
    return std::unexpected(
        bad_request(fmt::format("{} must be * or a list of entity tags, as \"7\"", field)));
  };
  const auto skip_spaces = [&] {
    list.remove_prefix(std::min(list.find_first_not_of(" \t"), list.size()));
  };
  size_t tags = 0;
  skip_spaces();
  while (!list.empty()) {
    ++tags;
    const bool weak = list.starts_with("W/");
    if (weak) list.remove_prefix(2);
    if (!list.starts_with('"')) return malformed();
    const size_t end = list.find('"', 1);
    if (end == std::string_view::npos) return malformed();
    const auto revision = parse_number(list.substr(1, end - 1));
    // Tags are compared as text: "07" is none of ours.
    const bool is_ours = revision && *revision > 0 && list[1] != '0';
    if (!weak && is_ours) condition.revisions.push_back({*revision});
    list.remove_prefix(end + 1);
    skip_spaces();
    if (list.empty()) break;
    if (!list.starts_with(',')) return malformed();
    list.remove_prefix(1);
    skip_spaces();
  }
  return tags;
}

std::expected<void, Problem> add_condition(const http::Request& request, std::string_view field,
                                           Condition::Kind kind,
                                           std::vector<Condition>& conditions) {
  const std::vector<std::string_view> values = request.headers(field);
  if (values.empty()) return {};
  Condition condition{.kind = kind};
  size_t tags = 0;
  for (const std::string_view value : values) {
    if (value == "*" && values.size() == 1) {
      condition.any = true;
    } else {
      size_t more = 0;
      HOLDFAST_ASSIGN(more, add_tags(value, field, condition));
      tags += more;
    }
  }
  if (!condition.any && tags == 0) {
    return std::unexpected(bad_request(fmt::format("{} is empty", field)));
  }
  conditions.push_back(std::move(condition));
  return {};
}

}  // namespace

std::expected<Query, Problem> parse_query(const http::Request& request) {
  auto query = Query::parse(request.query());
  if (!query) return std::unexpected(bad_request(query.error().message));
  return std::move(*query);
}

std::expected<void, Problem> refuse_parameters(const http::Request& request) {
  Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  return finish_query(query);
}

std::expected<void, Problem> finish_query(const Query& query) {
  const Result<> outcome = query.finish();
  if (!outcome) return std::unexpected(bad_request(outcome.error().message));
  return {};
}

std::expected<std::optional<uint64_t>, Problem> take_number(Query& query, std::string_view name) {
  const auto text = query.take(name);
  if (!text) return std::nullopt;
  const auto number = parse_number(*text);
  if (!number) {
    return std::unexpected(bad_request(fmt::format("'{}' must be a whole number", name)));
  }
  return number;
}

std::expected<bool, Problem> take_flag(Query& query, std::string_view name) {
  const auto text = query.take(name);
  if (!text || *text == "false") return false;
  if (*text == "true") return true;
  return std::unexpected(bad_request(fmt::format("'{}' must be true or false", name)));
}

std::expected<Instant, Problem> take_deadline(Query& query, Instant now, Duration if_none) {
  const auto text = query.take("timeout");
  if (!text) return now + if_none;
  const auto timeout = parse_duration(*text);
  if (!timeout || *timeout <= Duration::zero() || *timeout > kTimeoutMax) {
    return std::unexpected(
        bad_request("'timeout' must be a duration from 1ms to 60s, as 250ms, 2s or 1m"));
  }
  return now + *timeout;
}

std::expected<Instant, Problem> deadline_of(const http::Request& request, Instant now) {
  Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  Instant deadline;
  HOLDFAST_ASSIGN(deadline, take_deadline(query, now));
  HOLDFAST_TRY(finish_query(query));
  return deadline;
}

std::expected<ReadOptions, Problem> take_read_options(Query& query, Instant now) {
  ReadOptions options;
  HOLDFAST_ASSIGN(options.deadline, take_deadline(query, now));
  const std::string consistency = query.take("consistency").value_or("linearizable");
  if (consistency == "local") {
    options.consistency = Consistency::kLocal;
  } else if (consistency != "linearizable") {
    return std::unexpected(bad_request("'consistency' must be linearizable or local"));
  }
  if (const auto lag = query.take("max_lag")) {
    options.max_lag = parse_duration(*lag);
    if (!options.max_lag) {
      return std::unexpected(bad_request("'max_lag' must be a duration, as 500ms"));
    }
    if (options.consistency != Consistency::kLocal) {
      return std::unexpected(bad_request("'max_lag' goes with consistency=local only"));
    }
  }
  std::optional<uint64_t> revision;
  HOLDFAST_ASSIGN(revision, take_number(query, "min_revision"));
  options.min_revision = {revision.value_or(0)};
  HOLDFAST_ASSIGN(revision, take_number(query, "revision"));
  if (revision) options.at = Revision{*revision};
  if (revision && *revision == 0) {
    return std::unexpected(bad_request("'revision' must be 1 or more"));
  }
  if (const auto time = query.take("at")) {
    options.at_ms = parse_time(*time);
    if (!options.at_ms) {
      return std::unexpected(
          bad_request("'at' must be a time as 2026-11-25T14:03:05Z (RFC 3339; a '+' in a query is "
                      "written %2B)"));
    }
    if (options.at) return std::unexpected(bad_request("give 'revision' or 'at', not both"));
  }
  return options;
}

bool accepts(const http::Request& request, std::string_view type) {
  for (std::string_view list : request.headers("Accept")) {
    while (!list.empty()) {
      const std::string_view range = list.substr(0, list.find(','));
      list.remove_prefix(std::min(list.size(), range.size() + 1));
      const size_t semicolon = range.find(';');
      if (!http::same_word(trimmed(range.substr(0, semicolon)), type)) continue;
      // A weight of zero means: not this.
      const std::string_view weight =
          semicolon == std::string_view::npos ? "" : trimmed(range.substr(semicolon + 1));
      return weight.find_first_not_of("qQ=0.") != std::string_view::npos || weight.empty();
    }
  }
  return false;
}

std::expected<std::vector<Condition>, Problem> conditions_of(const http::Request& request) {
  std::vector<Condition> conditions;
  HOLDFAST_TRY(add_condition(request, "If-Match", Condition::Kind::kMatch, conditions));
  HOLDFAST_TRY(add_condition(request, "If-None-Match", Condition::Kind::kNoneMatch, conditions));
  return conditions;
}

}  // namespace holdfast
