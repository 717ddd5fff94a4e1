#include "client/kv_client.h"

#include <thread>
#include <utility>

namespace holdfast {

KvClient make_kv_client(KvClientOptions options) {
  return {make_caller(std::move(options)),
          [](Duration pause) { std::this_thread::sleep_for(pause); }};
}

std::vector<WriteOutcome<BulkAnswer>> KvClient::bulk(const std::vector<std::string>& lines) {
  return carry_out(caller_.bulk(lines), [this](const Need& need) { return supply(need); });
}

ReadOutcome<HttpResponse> KvClient::snapshot(Consistency consistency, BodySink& sink) {
  return carry_out(caller_.make(calls::snapshot(consistency), &sink),
                   [this](const Need& need) { return supply(need); });
}

ReadOutcome<void> KvClient::watch(const WatchQuery& query, const ChangeSink& on_change) {
  return carry_out(caller_.watch(query), [&](const Need& need) {
    const auto* const told = std::get_if<ChangeToTell>(&need);
    return told == nullptr ? supply(need) : Supply{.goes_on = on_change(*told->change)};
  });
}

ReadOutcome<void> KvClient::follow_events(EventsPlace& place, const EventSink& on_event) {
  return carry_out(caller_.follow_events(place), [&](const Need& need) {
    const auto* const told = std::get_if<EventToTell>(&need);
    return told == nullptr ? supply(need) : Supply{.goes_on = on_event(told->event)};
  });
}

}  // namespace holdfast
