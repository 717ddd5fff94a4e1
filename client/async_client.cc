#include "client/async_client.h"

#include <utility>

namespace holdfast {
AsyncClient::AsyncClient(KvClientOptions options, size_t calls_max)
    : callers_(std::move(options), calls_max) {}

Awaitable<std::vector<WriteOutcome<BulkAnswer>>> AsyncClient::bulk(std::vector<std::string> lines) {
  using Outcomes = std::vector<WriteOutcome<BulkAnswer>>;
  return on_strand(make_with_taken<Outcomes>(
      [lines = std::move(lines)](Caller& caller) { return caller.bulk(lines); }));
}

Awaitable<ReadOutcome<HttpResponse>> AsyncClient::snapshot(Consistency consistency,
                                                           BodySink& sink) {
  using Outcome = ReadOutcome<HttpResponse>;
  return on_strand(make_with_own<Outcome>(
      [consistency, &sink](Caller& caller) {
        return caller.make(calls::snapshot(consistency), &sink);
      },
      Listener()));
}

Awaitable<ReadOutcome<void>> AsyncClient::watch(const WatchQuery& query,
                                                AsyncChangeSink on_change) {
  return on_strand(
      make_with_own<ReadOutcome<void>>([query](Caller& caller) { return caller.watch(query); },
                                       [on_change = std::move(on_change)](const Need& need) {
                                         return on_change(*std::get<ChangeToTell>(need).change);
                                       }));
}

Awaitable<ReadOutcome<void>> AsyncClient::follow_events(EventsPlace& place,
                                                        AsyncEventSink on_event) {
  return on_strand(make_with_own<ReadOutcome<void>>(
      [&place](Caller& caller) { return caller.follow_events(place); },
      [on_event = std::move(on_event)](const Need& need) {
        return on_event(std::get<EventToTell>(need).event);
      }));
}

}  // namespace holdfast
