#include <optional>
#include <utility>

#include <fmt/format.h>

#include "client/caller.h"
#include "client/told_events.h"

namespace holdfast {
namespace {

// What following one node has come to, over all its connections.
struct EventsProgress {
  EventsPlace& place;
  bool is_enough = false;
  std::optional<Refusal> refusal;

  // False: it goes on no more.
  Task<bool> tell(const StreamEvent& event) {
    Result<NodeEvent> read = NodeEvent{};
    if (event.name == "event") read = read_node_event(event.data);
    if (event.name == "reset") read = read_events_reset(event.data);
    if (!read) {
      refusal = Refusal{.code = "bad_answer", .message = std::move(read).error().message};
      co_return false;
    }
    place.last_id = event.id;
    const EventToTell told{read->body.empty() ? nullptr : &*read};
    const Supply supply = co_await told;
    is_enough = !supply.goes_on;
    co_return !is_enough;
  }
};

}  // namespace

Task<ReadOutcome<void>> Caller::follow_events(EventsPlace& place) {
  EventsProgress progress{.place = place, .refusal = {}};
  const ToldEvents::Tell tell = [&progress](const StreamEvent& event) {
    return progress.tell(event);
  };
  Instant heard = clock_.now();
  for (;;) {
    ToldEvents events(tell);
    BodySink sink = events.sink();
    HttpRequest request{.method = "GET", .target = "/v1/events", .headers = {}, .body = {}};
    if (place.most) request.target += fmt::format("?last={}", *place.most);
    if (!place.last_id.empty()) request.headers.push_back({"Last-Event-ID", place.last_id});
    CallExtent extent;
    Task<WriteOutcome<HttpResponse>> sending =
        send(std::move(request), Effect::kReads, &sink, extent);
    WriteOutcome<HttpResponse> outcome = co_await std::move(sending);
    if (progress.is_enough) co_return ReadOutcome<void>();
    if (progress.refusal) co_return std::unexpected(*std::move(progress.refusal));
    if (sink.begun) heard = clock_.now();
    // Where it broke off, or its node has stopped, that may come back.
    auto* const refused = std::get_if<Refusal>(&outcome);
    const bool is_given_up =
        refused != nullptr && (!refused->retryable || clock_.now() - heard >= timeout_);
    if (is_given_up) co_return std::unexpected(std::move(*refused));
    co_await kBetweenStreams;
  }
}

}  // namespace holdfast
