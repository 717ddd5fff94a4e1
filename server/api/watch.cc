#include "server/api/watch.h"

#include <charconv>
#include <memory>

#include <fmt/format.h>

#include "server/api/event_text.h"
#include "server/api/parameters.h"
#include "server/api/reads.h"
#include "server/api/watch_request.h"
#include "server/api/watch_socket.h"
#include "server/api/watchers.h"
#include "server/http/body_stream.h"
#include "server/http/handshake.h"

namespace holdfast {
namespace {

using http::bad_request;
using http::Problem;
using http::Request;
using http::Response;

// `id` is what everything is told up to.
void append_revision(std::string& out, std::string_view name, Revision id, std::string_view data) {
  append_event(out, name, fmt::format_int(id.value).str(), data);
}

std::string progress_event(Revision id) {
  std::string out;
  append_revision(out, "progress", id, fmt::format("{{\"revision\":{}}}", id.value));
  return out;
}

// An id of ours, with which a client comes back: it has seen everything up to there.
std::expected<std::optional<Revision>, Problem> last_event_of(const Request& request) {
  const std::optional<std::string_view> text = request.header("Last-Event-ID");
  if (!text) return std::nullopt;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error == std::errc() && end == text->data() + text->size() && number < UINT64_MAX)
    return Revision{number};
  return std::unexpected(bad_request("'Last-Event-ID' is no id that a watch gave"));
}

std::expected<WatchRead, Problem> watch_of_request(Services& services, const Request& request) {
  http::Query query;
  HOLDFAST_ASSIGN(query, parse_query(request));
  WatchRead read;
  HOLDFAST_ASSIGN(read, watch_of(query, services.clock->now()));
  std::optional<Revision> last;
  HOLDFAST_ASSIGN(last, last_event_of(request));
  if (last) read.from = *last + 1;
  return read;
}

class WatchStream final : public http::BodyStream {
 public:
  WatchStream(Services& services, Watched what, Revision from)
      : services_(services), watch_(*services.watchers, std::move(what), from) {}

  bool is_endless() const override { return true; }

  Task<bool> ready() override {
    if (is_over_) co_return false;
    Watch::Waiting news = watch_.wait();
    co_await news;
    co_return true;
  }

  Task<Result<std::string>> next() override {
    Task<Result<Watch::News>> taking = watch_.take();
    const Result<Watch::News> news = co_await taking;
    if (!news) co_return std::unexpected(news.error());
    co_return text_of(*news);
  }

 private:
  using Kind = Watch::News::Kind;

  std::string text_of(const Watch::News& news) {
    std::string out;
    switch (news.kind) {
      case Kind::kChanges:
        for (const Watch::News::Item& item : news.items)
          append_revision(out, "change", item.revision, item.data);
        return out;
      case Kind::kProgress:
        return progress_event(news.upto);
      case Kind::kOverflow:
        is_over_ = true;
        append_revision(out, "overflow", news.upto, overflow_text(services_, news.upto));
        return out;
      case Kind::kOver:
      case Kind::kNothing:
        break;
    }
    return out;
  }

  Services& services_;
  Watch watch_;
  bool is_over_ = false;
};

Outcome open_socket(Services& services, const Request& request) {
  if (!request.query().empty())
    return std::unexpected(bad_request(
        "a WebSocket takes no query: its watches are begun by messages, {\"watch\":{\"id\":…}}"));
  Response response = http::shake_hands(request);
  if (response.status == 101) response.conversation = std::make_shared<WatchSocket>(services);
  return Answered{std::move(response), services.gate->revision()};
}

}  // namespace

std::optional<Problem> no_room_for_watches(const Services& services) {
  if (!services.watchers->is_full()) return std::nullopt;
  return Problem{.code = http::Code::kOverloaded,
                 .detail = "this node has as many watches as it can hold; watch at another"};
}

std::string overflow_text(const Services& services, Revision upto) {
  return fmt::format("{{\"revision\":{},\"compact_revision\":{}}}", upto.value,
                     services.machine->history_floor().value);
}

Task<Outcome> watch_keys(Services& services, Request request) {
  if (http::means_web_socket(request)) co_return open_socket(services, request);
  auto read = watch_of_request(services, request);
  if (!read) co_return std::unexpected(std::move(read).error());
  Task<std::expected<Revision, Problem>> fixing = read_revision(services, read->options);
  const std::expected<Revision, Problem> revision = co_await fixing;
  if (!revision) co_return std::unexpected(revision.error());
  if (auto full = no_room_for_watches(services)) co_return std::unexpected(*std::move(full));
  const Revision from = read->from.value_or(*revision + 1);
  if (auto gone = forgotten(services, from)) co_return std::unexpected(*std::move(gone));
  Response response(200, "text/event-stream", progress_event(from - 1));
  response.add_header("Cache-Control", "no-store");
  if (request.method() == http::Method::kHead) {
    response.body.clear();
    response.says_length = false;
  } else {
    response.stream = std::make_shared<WatchStream>(services, std::move(read->what), from);
  }
  co_return Answered{std::move(response), *revision};
}

}  // namespace holdfast
