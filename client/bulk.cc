// Many lines on one request, each an outcome of its own.

#include <algorithm>

#include <fmt/format.h>

#include "client/caller.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using LineOutcome = WriteOutcome<BulkAnswer>;

// What the lines without an answer of their own came to. The node may have begun them: it begins
// each when it has come, and not when the whole request has.
LineOutcome rest_of(const std::expected<HttpResponse, NoAnswer>& answer, const Endpoint& endpoint) {
  if (!answer && !answer.error().is_connected)
    return Refusal{.code = "unreachable", .retryable = true, .message = answer.error().message};
  if (!answer) return Unknown{answer.error().message};
  const Problem problem = read_problem(answer->body);
  const std::string why = fmt::format(
      "{}: {}", endpoint.url(),
      problem.detail.empty() ? fmt::format("HTTP status {}", answer->status) : problem.detail);
  const bool is_refused = answer->status >= 300 && (answer->status < 500 || problem.is_not_applied);
  if (!is_refused) return Unknown{why};
  return Refusal{.status = answer->status,
                 .code = problem.code,
                 .retryable = problem.is_retryable,
                 .message = why};
}

LineOutcome outcome_of(std::string_view line, const Endpoint& endpoint, bool& is_last) {
  const Result<std::optional<LineProblem>> read = read_bulk_line(line);
  if (!read) return Unknown{fmt::format("{}: {}", endpoint.url(), read.error().message)};
  if (!*read) return BulkAnswer{std::string(line)};
  const LineProblem& told = **read;
  is_last = told.is_last;
  std::string why = fmt::format("{}: {}", endpoint.url(), told.problem.detail);
  if (!told.problem.is_not_applied) return Unknown{std::move(why)};
  return Refusal{.status = told.status,
                 .code = told.problem.code,
                 .retryable = told.problem.is_retryable,
                 .message = std::move(why)};
}

}  // namespace

Task<std::vector<LineOutcome>> Caller::bulk(const std::vector<std::string>& lines) {
  // What hangs at one node is worth asking another. The node answers a little before that.
  const Duration patience = connections_.size() > 1 ? timeout_ / 2 : timeout_;
  const Duration at_node = std::min<Duration>(patience - patience / 10, std::chrono::seconds(60));
  HttpRequest request{.method = "POST",
                      .target = fmt::format("/v1/bulk?timeout={}ms",
                                            std::max<int64_t>(1, at_node / milliseconds(1))),
                      .headers = {{"Content-Type", "application/x-ndjson"}},
                      .body = {},
                      .is_answered_meanwhile = true};
  for (const std::string& line : lines) request.body += line;
  std::string text;
  BodySink sink{.take =
                    [&text](std::string_view bytes) {
                      text.append(bytes);
                      return true;
                    },
                .patience = patience};
  HttpConnection& connection = connections_[current_];
  Task<std::expected<HttpResponse, NoAnswer>> exchange =
      connection.begin(request, clock_.now() + patience, &sink);
  const std::expected<HttpResponse, NoAnswer> answer = co_await std::move(exchange);
  std::vector<LineOutcome> outcomes;
  outcomes.reserve(lines.size());
  size_t begin = 0;
  for (size_t end = 0; outcomes.size() < lines.size(); begin = end + 1) {
    end = text.find('\n', begin);
    if (end == std::string::npos) break;
    bool is_last = false;
    outcomes.push_back(outcome_of(std::string_view(text).substr(begin, end - begin),
                                  connection.endpoint(), is_last));
    if (is_last) outcomes.resize(lines.size(), outcomes.back());
  }
  outcomes.resize(lines.size(), rest_of(answer, connection.endpoint()));
  counts_.sent += lines.size();
  bool is_well = true;
  for (const LineOutcome& outcome : outcomes) {
    const auto* const refusal = std::get_if<Refusal>(&outcome);
    counts_.unknown += std::holds_alternative<Unknown>(outcome) ? 1 : 0;
    counts_.refused += refusal != nullptr && refusal->retryable ? 1 : 0;
    is_well = is_well && std::holds_alternative<BulkAnswer>(outcome);
  }
  if (!is_well) turn_to_next_endpoint();
  co_return outcomes;
}

}  // namespace holdfast
