#include "server/api/events.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/cluster.h"
#include "server/api/event_readers.h"
#include "server/api/event_text.h"
#include "server/api/parameters.h"
#include "server/http/body_stream.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;
using http::bad_request;
using http::Problem;
using http::Request;
using http::Response;

// EPOCH-NUMBER, as its events bear it.
struct EventId {
  uint64_t epoch;
  uint64_t number;

  std::string text() const { return fmt::format("{:016x}-{}", epoch, number); }
};

std::optional<EventId> parse_event_id(std::string_view text) {
  constexpr size_t kEpochDigits = 16;
  EventId id{};
  if (text.size() < kEpochDigits + 2 || text[kEpochDigits] != '-') return std::nullopt;
  const char* const dash = text.data() + kEpochDigits;
  const char* const end = text.data() + text.size();
  const auto epoch = std::from_chars(text.data(), dash, id.epoch, 16);
  const auto number = std::from_chars(dash + 1, end, id.number);
  if (epoch.ec != std::errc() || epoch.ptr != dash) return std::nullopt;
  if (number.ec != std::errc() || number.ptr != end) return std::nullopt;
  return id;
}

struct EventsRead {
  std::optional<EventId> last;        // the client has seen all up to there
  std::optional<uint64_t> kept_most;  // of what is kept, at the beginning
};

std::expected<EventsRead, Problem> events_read_of(Services& services, const Request& request) {
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  EventsRead read;
  // Nothing here waits for anybody.
  HOLDFAST_TRY(take_deadline(query, services.clock->now()));
  HOLDFAST_ASSIGN(read.kept_most, take_number(query, "last"));
  HOLDFAST_TRY(finish_query(query));
  if (read.kept_most && *read.kept_most > Events::kKeptMax)
    return std::unexpected(bad_request(
        fmt::format("'last' must be from 0 to {}: more is not kept", Events::kKeptMax)));
  const std::optional<std::string_view> text = request.header("Last-Event-ID");
  if (!text) return read;
  read.last = parse_event_id(*text);
  if (!read.last)
    return std::unexpected(bad_request("'Last-Event-ID' is no id that a stream of events gave"));
  return read;
}

// Where a stream begins, and what it is told first.
struct EventsBegin {
  uint64_t behind;
  std::string first;
};

std::string progress_text(EventId id) {
  std::string out;
  append_event(out, "progress", id.text(), fmt::format("{{\"id\":\"{}\"}}", id.text()));
  return out;
}

// What the client had seen is not where this begins, and it is told why.
std::string reset_text(const Services& services, EventId begin, const std::string& why,
                       std::optional<uint64_t> missed) {
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  Json data = {{"id", begin.text()},
               {"time", time_text(services.clock->wall())},
               {"node", status->name},
               {"term", status->raft.term.value},
               {"reason", why}};
  data["missed"] = missed ? Json(*missed) : Json();
  std::string out;
  append_event(out, "reset", begin.text(), data.dump());
  return out;
}

EventsBegin begin_of(const Services& services, const EventsRead& read) {
  const Events& events = *services.events;
  const uint64_t oldest = events.oldest();
  const uint64_t newest = events.newest();
  EventId begin{events.epoch(), oldest - 1};
  if (!read.last) {
    if (read.kept_most)
      begin.number = std::max(begin.number, newest - std::min(newest, *read.kept_most));
    return {begin.number, progress_text(begin)};
  }
  if (read.last->epoch != events.epoch() || read.last->number > newest)
    return {begin.number,
            reset_text(services, begin,
                       "the id is of another process: of another node, or of this one before it "
                       "was started anew; what this one keeps follows from its beginning",
                       std::nullopt)};
  if (read.last->number < begin.number)
    return {begin.number, reset_text(services, begin, "what followed the id is not kept any more",
                                     begin.number - read.last->number)};
  return {read.last->number, progress_text(*read.last)};
}

Json json_value_of(const Event::Value& value) {
  return std::visit([](const auto& held) { return Json(held); }, value);
}

std::string data_of(const Events::Kept& kept, EventId id, const std::string& node) {
  Json data = {{"id", id.text()},
               {"time", time_text(kept.wall_ms)},
               {"node", node},
               {"term", kept.term.value},
               {"kind", name_of(kept.event.kind)},
               {"level", name_of(kept.event.level)},
               {"text", kept.event.text},
               {"fields", Json::object()}};
  for (const auto& [name, value] : kept.event.fields) data["fields"][name] = json_value_of(value);
  // A path, or a reason of the system's, need not be UTF-8.
  return data.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class EventsStream final : public http::BodyStream {
 public:
  EventsStream(Services& services, uint64_t behind)
      : epoch_(services.events->epoch()),
        node_(services.status->read()->name),
        reader_(*services.event_readers, behind) {}

  bool is_endless() const override { return true; }

  Task<bool> ready() override {
    if (is_over_) co_return false;
    EventReader::Waiting news = reader_.wait();
    co_await news;
    co_return true;
  }

  Task<Result<std::string>> next() override { co_return text_of(reader_.take()); }

 private:
  using Kind = EventReader::News::Kind;

  std::string text_of(const EventReader::News& news) {
    std::string out;
    switch (news.kind) {
      case Kind::kEvents:
        for (const Events::Kept& kept : news.events) {
          const EventId id{epoch_, kept.number};
          append_event(out, "event", id.text(), data_of(kept, id, node_));
        }
        return out;
      case Kind::kProgress:
        return progress_text({epoch_, news.upto});
      case Kind::kOverflow: {
        is_over_ = true;
        const EventId id{epoch_, news.upto};
        append_event(out, "overflow", id.text(), fmt::format("{{\"id\":\"{}\"}}", id.text()));
        return out;
      }
      case Kind::kOver:
        break;
    }
    return out;
  }

  const uint64_t epoch_;
  const std::string node_;
  EventReader reader_;
  bool is_over_ = false;
};

}  // namespace

Task<Outcome> follow_events(Services& services, Request request) {
  auto read = events_read_of(services, request);
  if (!read) co_return std::unexpected(std::move(read).error());
  EventsBegin begin = begin_of(services, *read);
  Response response(200, "text/event-stream", std::move(begin.first));
  response.add_header("Cache-Control", "no-store");
  if (request.method() == http::Method::kHead) {
    response.body.clear();
    response.says_length = false;
  } else {
    response.stream = std::make_shared<EventsStream>(services, begin.behind);
  }
  co_return Answered{std::move(response), services.gate->revision()};
}

}  // namespace holdfast
