#include "server/api/scan.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "server/api/changes.h"
#include "server/api/items.h"
#include "server/api/key_range.h"
#include "server/api/lifetimes.h"
#include "server/api/parameters.h"
#include "server/api/readers.h"
#include "server/api/reads.h"
#include "server/http/body_stream.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;
using http::Request;
using http::Response;

constexpr std::string_view kLinesType = "application/x-ndjson";

enum class Shows : uint8_t { kItems, kKeys, kCount };
enum class Form : uint8_t {
  kPage,   // one JSON object, cut where it grows large
  kLines,  // an item a line, to the end
};

struct Scan {
  ReadOptions options;
  KeyRange range;  // what is left to scan
  bool reverse = false;
  uint64_t range_checksum = 0;  // of the range that the first page began with
  Shows shows = Shows::kItems;
  Form form = Form::kPage;
  uint64_t limit = kPageItems;
  uint64_t cluster_now_ms = 0;
};

struct Page {
  Revision revision;
  std::string items;  // JSON, without the brackets; or lines
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
  const bool has_pages = scan.form == Form::kPage;
  if (limit && (*limit == 0 || (has_pages && *limit > kPageItemsMax))) {
    return std::unexpected(
        bad_request(has_pages ? fmt::format("'limit' must be from 1 to {}", kPageItemsMax)
                              : "'limit' must be 1 or more"));
  }
  // Counting brings nothing that would have to be cut into pages.
  scan.limit = limit.value_or(count_only || !has_pages ? UINT64_MAX : kPageItems);
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
  if (scan.options.is_past()) {
    return std::unexpected(
        bad_request("'cursor' has a revision already: leave 'revision' and 'at' out"));
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
  if (accepts(request, kLinesType)) scan.form = Form::kLines;
  HOLDFAST_ASSIGN(scan.options, take_read_options(query, services.clock->now()));
  HOLDFAST_ASSIGN(scan.options.explained, take_explain(query, services.clock->now()));
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

void append_scanned(std::string& items, const Scan& scan, std::string_view key, const RowInfo& info,
                    std::string_view value) {
  if (scan.form == Form::kPage && !items.empty()) items.push_back(',');
  append_item(items, key, info, scan.shows == Shows::kItems ? std::optional(value) : std::nullopt,
              scan.cluster_now_ms);
  if (scan.form == Form::kLines) items.push_back('\n');
}

// On a reader thread. The clock is looked at now and then: a count may pass over very many keys.
Result<> read_page(const Engine& engine, const Clock& clock, const Scan& scan, Page& page) {
  constexpr uint64_t kKeysBetweenLooks = 4096;
  // A stream comes back for more, and other reads have their turn meanwhile.
  constexpr uint64_t kKeysOfPiece = 65'536;
  const size_t bytes_max = scan.form == Form::kPage ? kPageBytesMax : http::kPieceBytes;
  const uint64_t keys_max =
      scan.form == Form::kPage ? scan.limit : std::min(scan.limit, kKeysOfPiece);
  if (!scan.range.end.empty() && scan.range.start >= scan.range.end) return {};
  return engine.scan({scan.range.start, scan.range.end, page.revision, scan.reverse},
                     [&](std::string_view key, const RowInfo& info, std::string_view value) {
                       const bool full = page.count > 0 && scan.shows != Shows::kCount &&
                                         page.items.size() + key.size() + value.size() > bytes_max;
                       if (page.count == keys_max || full) {
                         page.next_key = std::string(key);
                         return false;
                       }
                       ++page.count;
                       if (scan.shows != Shows::kCount)
                         append_scanned(page.items, scan, key, info, value);
                       page.out_of_time = page.count % kKeysBetweenLooks == 0 &&
                                          clock.now() > scan.options.deadline;
                       return !page.out_of_time;
                     });
}

// What is left of the range behind a page.
void go_on_at(const std::string& next_key, Scan& scan) {
  if (scan.reverse) {
    scan.range.end = next_key + '\0';  // the first key behind it: an end is exclusive
  } else {
    scan.range.start = next_key;
  }
}

Answered answer_page(Scan scan, Page page) {
  std::string body = fmt::format("{{\"revision\":{}", page.revision.value);
  if (scan.shows != Shows::kCount) body.append(",\"items\":[").append(page.items).append("]");
  fmt::format_to(std::back_inserter(body), ",\"count\":{}", page.count);
  if (page.next_key) {
    go_on_at(*page.next_key, scan);
    const Cursor cursor{page.revision, scan.reverse, scan.range.start, scan.range.end,
                        scan.range_checksum};
    body.append(",\"next\":\"").append(encode_cursor(cursor)).append("\"");
  }
  body.append("}\n");
  return {Response(200, "application/json", std::move(body)), page.revision};
}

std::expected<KeyRange, Problem> range_to_delete(const Request& request, http::Query& query) {
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

// On a reader thread. Awaited in the caller's frame.
Task<std::expected<Page, Problem>> next_page(Services& services, const Scan& scan,
                                             Revision revision) {
  Page page{.revision = revision};
  Result<> outcome;
  auto work = [&] { outcome = read_page(*services.engine, *services.clock, scan, page); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  if (auto gone = forgotten(services, revision)) co_return std::unexpected(*std::move(gone));
  if (!outcome) co_return std::unexpected(problem_of(outcome.error()));
  if (page.out_of_time) co_return std::unexpected(problem_of_read(raft::RefusalReason::kTimeout));
  co_return page;
}

// The lines of a scan, page after page, each read when it is asked for.
class Lines final : public http::BodyStream {
 public:
  Lines(Services& services, Scan scan) : services_(services), scan_(std::move(scan)) {}

  // The lines of one page, with the last line of all behind the last page.
  std::string take(Page page) {
    revision_ = page.revision;
    count_ += page.count;
    scan_.limit -= page.count;
    ended_ = !page.next_key || scan_.limit == 0;
    if (ended_) {
      fmt::format_to(std::back_inserter(page.items), "{{\"revision\":{},\"count\":{}}}\n",
                     revision_.value, count_);
    } else {
      go_on_at(*page.next_key, scan_);
    }
    // It was for the first byte.
    scan_.options.deadline = Instant::max();
    return std::move(page.items);
  }
  bool ended() const { return ended_; }

  Task<Result<std::string>> next() override {
    std::string lines;
    while (lines.empty() && !ended_) {
      Task<std::expected<Page, Problem>> reading = next_page(services_, scan_, revision_);
      std::expected<Page, Problem> page = co_await reading;
      if (!page) co_return fail(ErrorCode::kIo, "a scan: " + page.error().detail);
      lines = take(std::move(*page));
    }
    co_return lines;
  }

 private:
  Services& services_;
  Scan scan_;  // what is left
  Revision revision_;
  uint64_t count_ = 0;
  bool ended_ = false;
};

Answered answer_lines(Services& services, Scan scan, Page page) {
  const Revision revision = page.revision;
  auto lines = std::make_shared<Lines>(services, std::move(scan));
  Response response(200, kLinesType, lines->take(std::move(page)));
  if (!lines->ended()) response.stream = std::move(lines);
  return {std::move(response), revision};
}

std::expected<ChangeCall, Problem> range_deletion_of(Services& services, const Request& request) {
  Command command;
  HOLDFAST_ASSIGN(command.once, once_of(request));
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  ChangeCall change;
  HOLDFAST_ASSIGN(change.deadline, take_deadline(query, services.clock->now()));
  HOLDFAST_ASSIGN(change.explained, take_explain(query, services.clock->now()));
  KeyRange range;
  HOLDFAST_ASSIGN(range, range_to_delete(request, query));
  HOLDFAST_TRY(finish_query(query));
  command.act = DeleteRangeCommand{std::move(range.start), std::move(range.end)};
  change.command = encode_command(std::move(command));
  return change;
}

Response show_deleted_range(const Services&, const Reply& reply) {
  return {200, "application/json",
          fmt::format("{{\"revision\":{},\"deleted\":{}}}\n", reply.revision.value, reply.deleted)};
}

}  // namespace

Task<Outcome> scan_keys(Services& services, Request request) {
  auto scan = scan_of(services, request);
  if (!scan) co_return std::unexpected(std::move(scan).error());
  const Explained explained = scan->options.explained;
  std::expected<Page, Problem> page;
  do {
    Task<std::expected<Revision, Problem>> fixing = read_revision(services, scan->options);
    std::expected<Revision, Problem> revision = co_await fixing;
    if (!revision) co_return std::unexpected(std::move(revision).error());
    scan->cluster_now_ms = cluster_now_ms(services);
    const Instant began = explained ? services.clock->now() : Instant();
    Task<std::expected<Page, Problem>> reading = next_page(services, *scan, *revision);
    page = co_await reading;
    if (explained) explained->note_read(Explain::Source::kReader, services.clock->now() - began);
  } while (!page && page.error().code == http::Code::kCompacted && !scan->options.is_past());
  if (!page) co_return std::unexpected(std::move(page).error());
  Answered answer = scan->form == Form::kLines
                        ? answer_lines(services, std::move(*scan), std::move(*page))
                        : answer_page(std::move(*scan), std::move(*page));
  answer.explained = explained;
  co_return answer;
}

Task<Outcome> delete_range(Services& services, Request request) {
  auto change = range_deletion_of(services, request);
  if (!change) co_return std::unexpected(std::move(change).error());
  Task<Outcome> making = make_change(services, *std::move(change), show_deleted_range);
  co_return co_await making;
}

}  // namespace holdfast
