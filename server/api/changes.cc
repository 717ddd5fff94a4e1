#include "server/api/changes.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "server/api/lifetimes.h"
#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/base/codec.h"
#include "storage/kv/growth.h"
#include "storage/kv/idempotency.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Code;
using http::Problem;
using http::Request;
using http::Response;

constexpr std::string_view kKeyField = "Idempotency-Key";

void add_part(std::string& text, std::string_view part) {
  put_fixed(text, uint64_t{part.size()});
  text.append(part);
}

void add_query(std::string& text, std::string_view query) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    const std::string_view name = parameter.substr(0, parameter.find('='));
    // They bound only the waiting, and show only how it went.
    if (name != "timeout" && name != "explain") add_part(text, parameter);
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

// Parts with their lengths, so that bytes moved from one to the next make another text.
Once::Fingerprint fingerprint_of(const Request& request) {
  std::string text;
  add_part(text, name_of(request.method()));
  add_part(text, request.path());
  add_query(text, request.query());
  for (const std::string_view field : {"If-Match", "If-None-Match"}) {
    for (const std::string_view value : request.headers(field)) {
      add_part(text, field);
      add_part(text, value);
    }
  }
  return {checksum(request.body, checksum(text)), checksum(request.body, ~checksum(text, 1))};
}

bool is_once_key(std::string_view key) {
  const auto is_visible = [](char c) { return c > ' ' && c < 0x7f; };
  return !key.empty() && key.size() <= kOnceKeyBytesMax && std::ranges::all_of(key, is_visible);
}

// Where in the request the reply was refused; empty: it had but one part.
std::string place_of(const Reply& reply) {
  if (reply.refused == 0) return "";
  return fmt::format("{}[{}]: ", reply.succeeded ? "then" : "else", reply.refused - 1);
}

Response refused(const Reply& reply) {
  if (reply.status == ReplyStatus::kPreconditionFailed) return precondition_failed(reply.current);
  return http::answer(problem_of_reply(reply));
}

}  // namespace

std::expected<std::optional<Once>, Problem> once_of(const Request& request) {
  // RFC 9110, section 14.4: a part must not be stored as if it were the whole.
  if (request.header("Content-Range")) {
    return std::unexpected(bad_request("Content-Range: a value is stored as a whole only"));
  }
  const std::vector<std::string_view> keys = request.headers(kKeyField);
  if (keys.empty()) return std::nullopt;
  if (keys.size() > 1 || !is_once_key(keys[0])) {
    return std::unexpected(bad_request(fmt::format(
        "{} must be given once, with 1 to {} visible characters", kKeyField, kOnceKeyBytesMax)));
  }
  return Once{std::string(keys[0]), fingerprint_of(request)};
}

std::expected<Once, Problem> once_of_line(std::string_view key, std::string_view asked) {
  if (!is_once_key(key)) {
    return std::unexpected(bad_request(
        fmt::format("idempotency_key: it must have 1 to {} visible characters", kOnceKeyBytesMax)));
  }
  std::string text;
  add_part(text, "POST");
  add_part(text, "/v1/bulk");
  return Once{std::string(key),
              {checksum(asked, checksum(text)), checksum(asked, ~checksum(text, 1))}};
}

std::expected<void, Problem> refuse_once(const Request& request) {
  if (!request.header(kKeyField)) return {};
  return std::unexpected(
      bad_request(fmt::format("{}: this call keeps no answer under a key", kKeyField)));
}

std::expected<void, Problem> check_room(const Services& services, const Command& command) {
  if (!grows(command) || !services.status->read()->raft.refuses_growth) return {};
  std::string detail =
      "the disks of the cluster are short of room; nothing was changed. Reads and deletes go on, "
      "and deletes make room: for it the past of all keys is given up, where this lasts, whatever "
      "keep_history says. GET /v1/cluster says whose disk it is";
  // The refusal comes before it is looked up what was done under the key.
  if (command.once)
    detail +=
        ". This speaks of this request alone: an earlier one under its Idempotency-Key may have "
        "been done; send it again when there is room, and the answer will say so";
  return std::unexpected(Problem{
      .code = Code::kNoSpace, .detail = std::move(detail), .retry_after = std::chrono::seconds(5)});
}

std::expected<void, Problem> refuse_body(const Request& request) {
  if (request.body.empty()) return {};
  return std::unexpected(bad_request("this call takes no body"));
}

Problem problem_of_reply(const Reply& reply) {
  switch (reply.status) {
    case ReplyStatus::kRangeTooLarge:
      return {.code = Code::kRangeTooLarge,
              .detail = fmt::format("{}more than {} keys or {} bytes would be passed or changed at "
                                    "once; nothing was changed, do it in smaller parts",
                                    place_of(reply), kRangeKeysMax, kRangeBytesMax),
              .figures = {{"limit", kRangeKeysMax}}};
    case ReplyStatus::kRevisionTooNew:
      return http::bad_request(
          fmt::format("the revision is not there yet: the newest is {}", reply.revision.value));
    case ReplyStatus::kReadTooLarge:
      return {.code = Code::kRangeTooLarge,
              .detail = fmt::format("{}more than {} bytes of keys and values would be read at "
                                    "once, with {} more for each key that is shown; nothing was "
                                    "changed, read less or apart",
                                    place_of(reply), kReadBytesMax, kItemBytes),
              .figures = {{"limit", kReadBytesMax}}};
    case ReplyStatus::kLeaseNotFound: {
      Problem problem = lease_not_found(reply.lease);
      problem.detail = place_of(reply) + problem.detail;
      return problem;
    }
    case ReplyStatus::kLeaseExists:
      return {.code = Code::kConflict,
              .detail = "the id that was drawn is taken; nothing was changed, try again",
              .retryable = true};
    case ReplyStatus::kOnceMismatch:
      return {.code = Code::kIdempotencyMismatch,
              .detail =
                  "this Idempotency-Key was used with another method, path, query, condition "
                  "or body; nothing was changed, give each change a key of its own"};
    case ReplyStatus::kOnceFull:
      return {.code = Code::kTooManyRequests,
              .detail =
                  "too many answers are kept for Idempotency-Keys already, each for ten "
                  "minutes; nothing was changed, try again later, or without a key",
              .retry_after = std::chrono::ceil<std::chrono::seconds>(
                  std::chrono::milliseconds(reply.retry_ms))};
    case ReplyStatus::kAnswerTooLarge:
      return {.code = Code::kRangeTooLarge,
              .detail = fmt::format("the answer would have more than {} bytes, too many to be kept "
                                    "for an Idempotency-Key; nothing was changed, ask for less of "
                                    "what is there, or without a key",
                                    Idempotency::kAnswerBytesMax),
              .figures = {{"limit", Idempotency::kAnswerBytesMax}}};
    case ReplyStatus::kLockHeld:  // told by who asks for a lock, for it knows the name
    case ReplyStatus::kOk:
    case ReplyStatus::kPreconditionFailed:
      break;
  }
  fatal(fmt::format("a reply of status {} is no refusal", static_cast<int>(reply.status)));
}

Response precondition_failed(Revision current) {
  Response response =
      http::answer({.code = Code::kPreconditionFailed,
                    .detail = current ? fmt::format("the key's entity tag is {}", etag_of(current))
                                      : "the key does not exist"});
  if (current) response.add_header("ETag", etag_of(current));
  return response;
}

Outcome answer_change(const Services& services, const Gate::Outcome& outcome, ShowReply show) {
  if (!outcome) return std::unexpected(problem_of_change(outcome.error()));
  Response response =
      outcome->status == ReplyStatus::kOk ? show(services, *outcome) : refused(*outcome);
  if (outcome->replayed) response.add_header("Idempotency-Replayed", "true");
  return Answered{std::move(response), outcome->revision};
}

Task<Outcome> make_change(Services& services, ChangeCall change, ShowReply show) {
  Gate::Waiting waiting = services.gate->propose(std::move(change.command), change.deadline,
                                                 tracing_of(change.explained));
  const Gate::Outcome outcome = co_await waiting;
  Outcome answer = answer_change(services, outcome, show);
  if (change.explained && answer) {
    change.explained->note_change(waiting.trace(), services.clock->now());
    answer->explained = std::move(change.explained);
  }
  co_return answer;
}

}  // namespace holdfast
