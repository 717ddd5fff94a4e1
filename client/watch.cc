#include <optional>
#include <utility>

#include <fmt/format.h>

#include "client/event_stream.h"
#include "client/kv_client.h"
#include "client/text_forms.h"

namespace holdfast {
namespace {

// A node that has nothing to tell says so every ten seconds.
constexpr Duration kSilence = std::chrono::seconds(30);
constexpr Duration kPauseBetween = std::chrono::milliseconds(100);

std::string target_of(const WatchQuery& query) {
  std::string target = query.key.empty() ? "/v1/watch?prefix=" + query_encoded(query.prefix)
                                         : "/v1/watch?key=" + query_encoded(query.key);
  if (query.from > 0) target += fmt::format("&from={}", query.from);
  if (query.has_prev) target += "&prev=true";
  if (!query.filter.empty()) target += "&filter=" + query.filter;
  return target;
}

}  // namespace

// What one watch has come to, over all its connections.
struct KvClient::WatchProgress {
  const ChangeSink& on_change;
  std::string last_id;  // everything up to there was told
  bool is_enough = false;
  std::optional<Refusal> refusal;

  // False: it goes on no more.
  bool take(const StreamEvent& event) {
    if (event.name == "overflow") {
      refusal = Refusal{.status = 410,
                        .code = "compacted",
                        .message = fmt::format("what followed revision {} is not kept any more: "
                                               "read the keys anew, and watch from there",
                                               event.id)};
      return false;
    }
    if (event.name == "change") {
      Result<WatchedRevision> change = read_watched_revision(event.data);
      if (!change) {
        refusal = Refusal{.code = "bad_answer", .message = std::move(change).error().message};
        return false;
      }
      is_enough = !on_change(*change);
    }
    last_id = event.id;
    return !is_enough;
  }
};

ReadOutcome<void> KvClient::watch(const WatchQuery& query, const ChangeSink& on_change) {
  WatchProgress progress{.on_change = on_change, .last_id = {}, .refusal = {}};
  for (;;) {
    EventStream events;
    BodySink sink{.take =
                      [&](std::string_view bytes) {
                        for (const StreamEvent& event : events.take(bytes))
                          if (!progress.take(event)) return false;
                        return true;
                      },
                  .patience = kSilence};
    HttpRequest request{.method = "GET", .target = target_of(query), .headers = {}, .body = {}};
    if (!progress.last_id.empty()) request.headers.push_back({"Last-Event-ID", progress.last_id});
    WriteOutcome<HttpResponse> outcome = call(std::move(request), Effect::kReads, &sink);
    if (progress.is_enough) return {};
    if (progress.refusal) return std::unexpected(*std::move(progress.refusal));
    // Where it broke off, or its node has stopped, another goes on.
    auto* const refusal = std::get_if<Refusal>(&outcome);
    if (refusal != nullptr && refusal->code != "cut_off")
      return std::unexpected(std::move(*refusal));
    turn_to_next_endpoint();
    wait_(kPauseBetween);
  }
}

}  // namespace holdfast
