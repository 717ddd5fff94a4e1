#pragma once

// What a watch is asked for, in a query or in a message to a WebSocket: the same fields by the same
// rules.

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "server/api/parameters.h"
#include "server/api/watchers.h"
#include "server/http/problem.h"
#include "server/http/query.h"

namespace holdfast {

struct WatchRead {
  ReadOptions options;
  Watched what;
  std::optional<Revision> from;
};

// Takes all of `query`, and refuses what is left.
std::expected<WatchRead, http::Problem> watch_of(http::Query& query, Instant now);

// {"watch":{"id":…}} or {"cancel":{"id":…}}.
struct WatchMessage {
  static constexpr size_t kIdBytesMax = 128;

  std::string id;                   // 1 to 128 bytes
  std::optional<WatchRead> begins;  // nothing: it is cancelled
};
struct BadMessage {
  std::optional<std::string> id;  // where it names one
  http::Problem problem;
};
// `text` is UTF-8.
std::expected<WatchMessage, BadMessage> parse_watch_message(std::string_view text, Instant now);

}  // namespace holdfast
