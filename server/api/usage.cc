#include "server/api/usage.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/api/key_range.h"
#include "server/api/parameters.h"
#include "server/api/readers.h"
#include "server/api/reads.h"

namespace holdfast {
namespace {

struct Usage {
  uint64_t keys = 0;
  uint64_t bytes = 0;   // of keys and their newest values
  uint64_t stored = 0;  // of all versions, in files and memory
  bool is_exact = true;
};

// On a reader thread.
Result<Usage> measure(const Engine& engine, const KeyRange& range, Revision at) {
  Usage usage;
  std::string next;  // the first key that was not counted
  const auto count = [&](std::string_view key, const RowInfo&, std::string_view value) {
    if (usage.keys == kCountedKeys) {
      next = key;
      return false;
    }
    ++usage.keys;
    usage.bytes += key.size() + value.size();
    return true;
  };
  HOLDFAST_TRY(engine.scan({.start = range.start, .end = range.end, .at = at}, count));
  HOLDFAST_ASSIGN(usage.stored, engine.approximate_bytes(range.start, range.end));
  if (next.empty()) return usage;
  usage.is_exact = false;
  HOLDFAST_ASSIGN(const uint64_t counted, engine.approximate_bytes(range.start, next));
  HOLDFAST_ASSIGN(const uint64_t rest, engine.approximate_bytes(next, range.end));
  const double times =
      1 + static_cast<double>(rest) / static_cast<double>(std::max<uint64_t>(counted, 1));
  usage.keys = static_cast<uint64_t>(static_cast<double>(usage.keys) * times);
  usage.bytes = static_cast<uint64_t>(static_cast<double>(usage.bytes) * times);
  return usage;
}

struct UsageRead {
  KeyRange range;
  Instant deadline;
};

std::expected<UsageRead, http::Problem> usage_of(Services& services, const http::Request& request) {
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  UsageRead read;
  HOLDFAST_ASSIGN(read.deadline, take_deadline(query, services.clock->now()));
  HOLDFAST_ASSIGN(read.range, take_range(query));
  HOLDFAST_TRY(finish_query(query));
  return read;
}

}  // namespace

Task<Outcome> show_usage(Services& services, http::Request request) {
  auto read = usage_of(services, request);
  if (!read) co_return std::unexpected(std::move(read).error());
  ReadOptions options;
  options.deadline = read->deadline;
  Result<Usage> usage;
  std::expected<Revision, http::Problem> revision;
  do {
    Task<std::expected<Revision, http::Problem>> fixing = read_revision(services, options);
    revision = co_await fixing;
    if (!revision) co_return std::unexpected(std::move(revision).error());
    auto work = [&] { usage = measure(*services.engine, read->range, *revision); };
    Readers::Waiting waiting = services.readers->run(*services.loop, work);
    const bool done = co_await waiting;
    if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  } while (forgotten(services, *revision));
  if (!usage) co_return std::unexpected(problem_of(usage.error()));
  http::Response response(
      200, "application/json",
      fmt::format("{{\"revision\":{},\"keys\":{},\"bytes\":{},\"stored_bytes\":{},\"exact\":{}}}\n",
                  revision->value, usage->keys, usage->bytes, usage->stored, usage->is_exact));
  co_return Answered{std::move(response), *revision};
}

}  // namespace holdfast
