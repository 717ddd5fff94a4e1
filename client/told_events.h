#pragma once

// The events of one stream, as they come, to be told one at a time: no more is read meanwhile.

#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "client/event_stream.h"
#include "client/http_connection.h"
#include "client/task.h"

namespace holdfast {

// Before the stream that goes on where one has ended.
inline constexpr Pause kBetweenStreams{std::chrono::milliseconds(100)};

class ToldEvents {
 public:
  // `tell` says of each event whether more is wanted. Both must outlive the exchange.
  using Tell = std::function<Task<bool>(const StreamEvent&)>;
  explicit ToldEvents(const Tell& tell) : tell_(tell) {}
  ToldEvents(const ToldEvents&) = delete;
  ToldEvents& operator=(const ToldEvents&) = delete;

  BodySink sink() {
    return {.take =
                [this](std::string_view bytes) {
                  for (StreamEvent& event : stream_.take(bytes)) fresh_.push_back(std::move(event));
                  return true;
                },
            .patience = kSilence,
            .deal = [this] { return tell_all(); }};
  }

 private:
  // A node that has nothing to tell says so every ten seconds.
  static constexpr Duration kSilence = std::chrono::seconds(30);

  Task<bool> tell_all() {
    const std::vector<StreamEvent> events = std::exchange(fresh_, {});
    for (const StreamEvent& event : events) {
      const bool goes_on = co_await tell_(event);
      if (!goes_on) co_return false;
    }
    co_return true;
  }

  const Tell& tell_;
  EventStream stream_;
  std::vector<StreamEvent> fresh_;
};

}  // namespace holdfast
