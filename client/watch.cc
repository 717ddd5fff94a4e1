#include <optional>
#include <utility>

#include <fmt/format.h>

#include "client/caller.h"
#include "client/text_forms.h"
#include "client/told_events.h"

namespace holdfast {
namespace {

std::string target_of(const WatchQuery& query) {
  std::string target = query.key.empty() ? "/v1/watch?prefix=" + query_encoded(query.prefix)
                                         : "/v1/watch?key=" + query_encoded(query.key);
  if (query.from > 0) target += fmt::format("&from={}", query.from);
  if (query.has_prev) target += "&prev=true";
  if (!query.filter.empty()) target += "&filter=" + query.filter;
  return target;
}

// What one watch has come to, over all its connections.
struct WatchProgress {
  std::string last_id;  // everything up to there was told
  bool is_enough = false;
  std::optional<Refusal> refusal;

  // False: it goes on no more.
  Task<bool> tell(const StreamEvent& event) {
    if (event.name == "overflow") {
      refusal = Refusal{.status = 410,
                        .code = "compacted",
                        .message = fmt::format("what followed revision {} is not kept any more: "
                                               "read the keys anew, and watch from there",
                                               event.id)};
      co_return false;
    }
    if (event.name == "change") {
      const Result<WatchedRevision> change = read_watched_revision(event.data);
      if (!change) {
        refusal = Refusal{.code = "bad_answer", .message = change.error().message};
        co_return false;
      }
      const ChangeToTell told{&*change};
      const Supply supply = co_await told;
      is_enough = !supply.goes_on;
    }
    last_id = event.id;
    co_return !is_enough;
  }
};

}  // namespace

Task<ReadOutcome<void>> Caller::watch(WatchQuery query) {
  WatchProgress progress;
  const ToldEvents::Tell tell = [&progress](const StreamEvent& event) {
    return progress.tell(event);
  };
  for (;;) {
    ToldEvents events(tell);
    BodySink sink = events.sink();
    HttpRequest request{.method = "GET", .target = target_of(query), .headers = {}, .body = {}};
    if (!progress.last_id.empty()) request.headers.push_back({"Last-Event-ID", progress.last_id});
    CallExtent extent;
    Task<WriteOutcome<HttpResponse>> sending =
        send(std::move(request), Effect::kReads, &sink, extent);
    WriteOutcome<HttpResponse> outcome = co_await std::move(sending);
    if (progress.is_enough) co_return ReadOutcome<void>();
    if (progress.refusal) co_return std::unexpected(*std::move(progress.refusal));
    // Where it broke off, or its node has stopped, another goes on.
    auto* const refusal = std::get_if<Refusal>(&outcome);
    if (refusal != nullptr && refusal->code != "cut_off")
      co_return std::unexpected(std::move(*refusal));
    turn_to_next_endpoint();
    co_await kBetweenStreams;
  }
}

}  // namespace holdfast
