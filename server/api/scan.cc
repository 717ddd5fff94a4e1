#include "server/api/scan.h"

#include <fmt/format.h>

#include "server/api/json_text.h"
#include "server/api/key_range.h"
#include "server/api/kv.h"
#include "server/api/parameters.h"
#include "server/api/readers.h"
#include "server/api/reads.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;
using http::Request;
using http::Response;

enum class Shows : uint8_t { kItems, kKeys, kCount };

struct Scan {
  ReadOptions options;
  KeyRange range;  // what is left to scan
  bool reverse = false;
  uint64_t range_checksum = 0;  // of the range that the first page began with
  Shows shows = Shows::kItems;
  uint64_t limit = kPageItems;
};

struct Page {
  Revision revision;
  std::string items;  // JSON, without the brackets
  uint64_t count = 0;
  std::optional<std::string> next_key;
  bool out_of_time = false;
};

std::expected<void, Problem> take_shape(http::Query& query, Scan& scan) {
  bool keys_only = false;
  bool count_only = false;
  HOLDFAST_ASSIGN(keys_only, take_flag(query, "keys_only"));
  HOLDFAST_ASSIGN(count_only, take_flag(query, "count_only"));
  if (keys_only && count_only) {
    return std::unexpected(bad_request("give 'keys_only' or 'count_only', not both"));
  }
  scan.shows = count_only ? Shows::kCount : keys_only ? Shows::kKeys : Shows::kItems;
  std::optional<uint64_t> limit;
  HOLDFAST_ASSIGN(limit, take_number(query, "limit"));
  if (limit && (*limit == 0 || *limit > kPageItemsMax)) {
    return std::unexpected(bad_request(fmt::format("'limit' must be from 1 to {}", kPageItemsMax)));
  }
  // Counting brings nothing that would have to be cut into pages.
  scan.limit = limit.value_or(count_only ? UINT64_MAX : kPageItems);
  return {};
}

// A cursor has all that the first page fixed; what is given beside it must say the same.
std::expected<void, Problem> continue_at(std::string_view text, bool reverse_given, Scan& scan) {
  const std::optional<Cursor> cursor = decode_cursor(text);
  if (!cursor)
    return std::unexpected(bad_request("'cursor' is not one that a scan gave as 'next'"));
  const bool other_range = scan.range.bounded && checksum_of(scan.range) != cursor->range_checksum;
  if (other_range || (reverse_given && scan.reverse != cursor->reverse)) {
    return std::unexpected(bad_request("'cursor' belongs to a scan of another range or direction"));
  }
  if (scan.options.at) {
    return std::unexpected(bad_request("'cursor' has a revision already: leave 'revision' out"));
  }
  scan.range = {cursor->start, cursor->end};
  scan.reverse = cursor->reverse;
  scan.range_checksum = cursor->range_checksum;
  // The revision is fixed: it only has to be there.
  scan.options.consistency = Consistency::kLocal;
  scan.options.at = cursor->revision;
  scan.options.min_revision = std::max(scan.options.min_revision, cursor->revision);
  return {};
}

std::expected<Scan, Problem> scan_of(Services& services, const Request& request) {
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  Scan scan;
  HOLDFAST_ASSIGN(scan.options, take_read_options(query, services.clock->now()));
  HOLDFAST_ASSIGN(scan.range, take_range(query));
  HOLDFAST_TRY(take_shape(query, scan));
  const std::optional<std::string> reverse = query.take("reverse");
  if (reverse && *reverse != "true" && *reverse != "false") {
    return std::unexpected(bad_request("'reverse' must be true or false"));
  }
  scan.reverse = reverse == "true";
  scan.range_checksum = checksum_of(scan.range);
  if (const auto cursor = query.take("cursor")) {
    HOLDFAST_TRY(continue_at(*cursor, reverse.has_value(), scan));
  }
  HOLDFAST_TRY(finish_query(query));
  return scan;
}

void append_item(std::string& items, Shows shows, std::string_view key, const RowInfo& info,
                 std::string_view value) {
  items.append(items.empty() ? "{" : ",{");
  append_json_bytes(items, "key", key);
  if (shows == Shows::kItems) {
    items.push_back(',');
    append_json_bytes(items, "value", value);
  }
  fmt::format_to(std::back_inserter(items),
                 ",\"create_revision\":{},\"mod_revision\":{},\"version\":{}}}",
                 info.create_revision.value, info.mod_revision.value, info.version);
}

// On a reader thread. The clock is looked at now and then: a count may pass over very many keys.
Result<> read_page(const Engine& engine, const Clock& clock, const Scan& scan, Page& page) {
  constexpr uint64_t kKeysBetweenLooks = 4096;
  if (!scan.range.end.empty() && scan.range.start >= scan.range.end) return {};
  return engine.scan({scan.range.start, scan.range.end, page.revision, scan.reverse},
                     [&](std::string_view key, const RowInfo& info, std::string_view value) {
                       const bool full =
                           page.count > 0 && scan.shows != Shows::kCount &&
                           page.items.size() + key.size() + value.size() > kPageBytesMax;
                       if (page.count == scan.limit || full) {
                         page.next_key = std::string(key);
                         return false;
                       }
                       ++page.count;
                       if (scan.shows != Shows::kCount)
                         append_item(page.items, scan.shows, key, info, value);
                       page.out_of_time = page.count % kKeysBetweenLooks == 0 &&
                                          clock.now() > scan.options.deadline;
                       return !page.out_of_time;
                     });
}

Answered answer_page(const Scan& scan, Page page) {
  std::string body = fmt::format("{{\"revision\":{}", page.revision.value);
  if (scan.shows != Shows::kCount) body.append(",\"items\":[").append(page.items).append("]");
  fmt::format_to(std::back_inserter(body), ",\"count\":{}", page.count);
  if (page.next_key) {
    Cursor cursor{page.revision, scan.reverse, scan.range.start, scan.range.end,
                  scan.range_checksum};
    if (scan.reverse) {
      cursor.end = *page.next_key + '\0';  // the first key behind it: an end is exclusive
    } else {
      cursor.start = *page.next_key;
    }
    body.append(",\"next\":\"").append(encode_cursor(cursor)).append("\"");
  }
  body.append("}\n");
  return {Response(200, "application/json", std::move(body)), page.revision};
}

std::expected<KeyRange, Problem> range_to_delete(const Request& request, http::Query& query) {
  HOLDFAST_TRY(refuse_unkept_promises(request));
  HOLDFAST_TRY(refuse_body(request));
  if (request.header("If-Match") || request.header("If-None-Match")) {
    return std::unexpected(bad_request("a range has no entity tag: conditions are for one key"));
  }
  KeyRange range;
  HOLDFAST_ASSIGN(range, take_range(query));
  if (range.bounded) return range;
  return std::unexpected(
      bad_request("give 'prefix', 'start' or 'end'; start=%00 means every key there is"));
}

}  // namespace

Task<Outcome> scan_keys(Services& services, Request request) {
  auto scan = scan_of(services, request);
  if (!scan) co_return std::unexpected(std::move(scan).error());
  Task<std::expected<Revision, Problem>> fixing = read_revision(services, scan->options);
  std::expected<Revision, Problem> revision = co_await fixing;
  if (!revision) co_return std::unexpected(std::move(revision).error());
  Page page{.revision = *revision};
  Result<> outcome;
  auto work = [&] { outcome = read_page(*services.engine, *services.clock, *scan, page); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  if (!outcome) co_return std::unexpected(problem_of(outcome.error()));
  if (page.out_of_time) co_return std::unexpected(problem_of_read(raft::RefusalReason::kTimeout));
  co_return answer_page(*scan, std::move(page));
}

Task<Outcome> delete_range(Services& services, Request request) {
  auto query = parse_query(request);
  if (!query) co_return std::unexpected(std::move(query).error());
  auto deadline = take_deadline(*query, services.clock->now());
  if (!deadline) co_return std::unexpected(std::move(deadline).error());
  auto range = range_to_delete(request, *query);
  if (!range) co_return std::unexpected(std::move(range).error());
  auto rest = finish_query(*query);
  if (!rest) co_return std::unexpected(std::move(rest).error());
  Command command;
  command.act = DeleteRangeCommand{std::move(range->start), std::move(range->end)};
  Gate::Waiting waiting = services.gate->propose(encode_command(std::move(command)), *deadline);
  const Gate::Outcome outcome = co_await waiting;
  if (!outcome) co_return std::unexpected(problem_of_change(outcome.error()));
  if (outcome->status == ReplyStatus::kRangeTooLarge) {
    co_return std::unexpected(
        Problem{.code = http::Code::kRangeTooLarge,
                .detail = fmt::format("the range holds more than {} keys or {} bytes of them; "
                                      "nothing was deleted, delete it in smaller ranges",
                                      kRangeKeysMax, kRangeBytesMax),
                .figures = {{"limit", kRangeKeysMax}}});
  }
  Response response(200, "application/json",
                    fmt::format("{{\"revision\":{},\"deleted\":{}}}\n", outcome->revision.value,
                                outcome->deleted));
  co_return Answered{std::move(response), outcome->revision};
}

}  // namespace holdfast
