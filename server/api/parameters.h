#pragma once

// The query parameters and header fields that several calls share, checked once.

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/explain.h"
#include "server/http/problem.h"
#include "server/http/query.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/kv/command.h"

namespace holdfast {

enum class Consistency : uint8_t { kLinearizable, kLocal };

// How to read: `consistency`, `max_lag`, `min_revision`, `revision`, `at`, `timeout`.
struct ReadOptions {
  Consistency consistency = Consistency::kLinearizable;
  std::optional<Duration> max_lag;
  Revision min_revision;
  std::optional<Revision> at;     // the past: this revision,
  std::optional<uint64_t> at_ms;  // or the newest one made by then, in milliseconds since 1970
  bool is_past() const { return at || at_ms; }
  Explained explained;  // of the calls that take `explain`
  Instant deadline;
};

std::expected<http::Query, http::Problem> parse_query(const http::Request& request);
// Of a call that takes none.
std::expected<void, http::Problem> refuse_parameters(const http::Request& request);
// Whatever was not taken is an error.
std::expected<void, http::Problem> finish_query(const http::Query& query);

inline constexpr Duration kTimeout = std::chrono::seconds(5);  // where `timeout` is not given
std::expected<Instant, http::Problem> take_deadline(http::Query& query, Instant now,
                                                    Duration if_none = kTimeout);
// Of a call that takes no parameter but `timeout`.
std::expected<Instant, http::Problem> deadline_of(const http::Request& request, Instant now);
std::expected<ReadOptions, http::Problem> take_read_options(http::Query& query, Instant now);
// Nothing if it is not there.
std::expected<std::optional<uint64_t>, http::Problem> take_number(http::Query& query,
                                                                  std::string_view name);
// `true` or `false`; false if it is not there.
std::expected<bool, http::Problem> take_flag(http::Query& query, std::string_view name);

// Whether the request's Accept asks for `type` by its name (RFC 9110, section 12.5.1).
bool accepts(const http::Request& request, std::string_view type);

// If-Match and If-None-Match. A weak tag, and one that is no revision, matches nothing.
std::expected<std::vector<Condition>, http::Problem> conditions_of(const http::Request& request);

}  // namespace holdfast
