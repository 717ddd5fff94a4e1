#include <optional>
#include <utility>

#include <fmt/format.h>

#include "client/event_stream.h"
#include "client/kv_client.h"

namespace holdfast {
namespace {

// A node that has nothing to tell says so every ten seconds.
constexpr Duration kNodeSilence = std::chrono::seconds(30);
constexpr Duration kPauseBetweenStreams = std::chrono::milliseconds(100);

}  // namespace

ReadOutcome<void> KvClient::follow_events(EventsPlace& place, const EventSink& on_event) {
  bool is_enough = false;
  std::optional<Refusal> refusal;
  // False: it goes on no more.
  const auto take = [&](const StreamEvent& event) {
    Result<NodeEvent> told = NodeEvent{};
    if (event.name == "event") told = read_node_event(event.data);
    if (event.name == "reset") told = read_events_reset(event.data);
    if (!told) {
      refusal = Refusal{.code = "bad_answer", .message = std::move(told).error().message};
      return false;
    }
    place.last_id = event.id;
    is_enough = !on_event(told->body.empty() ? nullptr : &*told);
    return !is_enough;
  };
  Instant heard = clock_.now();
  for (;;) {
    EventStream events;
    BodySink sink{.take =
                      [&](std::string_view bytes) {
                        for (const StreamEvent& event : events.take(bytes))
                          if (!take(event)) return false;
                        return true;
                      },
                  .patience = kNodeSilence};
    HttpRequest request{.method = "GET", .target = "/v1/events", .headers = {}, .body = {}};
    if (place.most) request.target += fmt::format("?last={}", *place.most);
    if (!place.last_id.empty()) request.headers.push_back({"Last-Event-ID", place.last_id});
    WriteOutcome<HttpResponse> outcome = call(std::move(request), Effect::kReads, &sink);
    if (is_enough) return {};
    if (refusal) return std::unexpected(*std::move(refusal));
    if (sink.begun) heard = clock_.now();
    // Where it broke off, or its node has stopped, that may come back.
    auto* const refused = std::get_if<Refusal>(&outcome);
    const bool is_given_up =
        refused != nullptr && (!refused->retryable || clock_.now() - heard >= timeout_);
    if (is_given_up) return std::unexpected(std::move(*refused));
    wait_(kPauseBetweenStreams);
  }
}

}  // namespace holdfast
