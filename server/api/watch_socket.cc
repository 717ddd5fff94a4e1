#include "server/api/watch_socket.h"

#include <utility>

#include <fmt/format.h>

#include "server/api/json_text.h"
#include "server/api/reads.h"
#include "server/api/watch.h"
#include "server/http/frames.h"

namespace holdfast {
namespace {

using http::Code;
using http::Problem;

// {"id":…,"what":body}
void append_message(std::string& out, const std::optional<std::string>& id, std::string_view what,
                    std::string_view body) {
  std::string text = "{";
  if (id) {
    append_json_bytes(text, "id", *id);
  } else {
    text.append("\"id\":null");
  }
  text.append(",\"").append(what).append("\":").append(body).append("}");
  http::append_text_frame(out, text);
}

std::string revision_text(Revision revision) {
  return fmt::format("{{\"revision\":{}}}", revision.value);
}

}  // namespace

// One watch; it waits for the revision that it begins with as long as there is no `watch`.
struct WatchSocket::Entry final : Watch::Waiter {
  Entry(WatchSocket& home_in, std::string id_in) : home(home_in), id(std::move(id_in)) {}

  void on_news() override {
    home.with_news_.push_back(this);
    home.wake();
  }

  WatchSocket& home;
  const std::string id;
  std::optional<Watch> watch;
  bool is_cancelled = false;  // before it has begun
};

class WatchSocket::Waiting {
 public:
  explicit Waiting(WatchSocket& socket) : socket_(socket) {}
  bool await_ready() const noexcept { return socket_.has_news(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { socket_.waiter_ = waiter; }
  void await_resume() const noexcept {}

 private:
  WatchSocket& socket_;
};

WatchSocket::WatchSocket(Services& services) : services_(services) {}
WatchSocket::~WatchSocket() = default;

void WatchSocket::hear(std::string message) {
  if (over_) return;
  auto heard = parse_watch_message(message, services_.clock->now());
  if (!heard) {
    refuse(heard.error().id, heard.error().problem);
  } else if (heard->begins) {
    begin(heard->id, *std::move(heard->begins));
  } else {
    cancel(heard->id);
  }
  wake();
}

void WatchSocket::begin(const std::string& id, WatchRead read) {
  if (entries_.contains(id))
    return refuse(id, {.code = Code::kConflict,
                       .detail = "a watch of this id goes on already; it was not changed",
                       .retryable = false});
  if (entries_.size() >= kWatchesMax)
    return refuse(id, {.code = Code::kTooManyRequests,
                       .detail = fmt::format("this connection has {} watches, its limit; cancel "
                                             "some, or open another",
                                             kWatchesMax),
                       .figures = {{"limit", kWatchesMax}}});
  entries_.emplace(id, std::make_unique<Entry>(*this, id));
  ++beginning_;
  fix_beginning(shared_from_this(), id, std::move(read));
}

// Holds the socket, whose client may be gone meanwhile.
Detached WatchSocket::fix_beginning(std::shared_ptr<WatchSocket> self, std::string id,
                                    WatchRead read) {
  Task<std::expected<Revision, Problem>> fixing = read_revision(self->services_, read.options);
  const std::expected<Revision, Problem> newest = co_await fixing;
  self->begun(id, std::move(read), newest);
}

void WatchSocket::begun(const std::string& id, WatchRead read,
                        const std::expected<Revision, Problem>& newest) {
  --beginning_;
  if (over_) return;
  Entry& entry = *entries_.at(id);
  std::optional<Problem> problem;
  const Revision from = read.from.value_or(newest.value_or(Revision{}) + 1);
  if (!newest) {
    problem = newest.error();
  } else if (problem = no_room_for_watches(services_); !problem) {
    problem = forgotten(services_, from);
  }
  if (entry.is_cancelled) {
    append_message(answers_, id, "cancelled", "{}");
    forget(entry);
  } else if (problem) {
    refuse(id, *problem);
    forget(entry);
  } else {
    append_message(answers_, id, "progress", revision_text(from - 1));
    entry.watch.emplace(*services_.watchers, std::move(read.what), from);
    listen(entry);
  }
  wake();
}

void WatchSocket::cancel(std::string_view id) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second->is_cancelled)
    return refuse(std::string(id), {.code = Code::kNotFound,
                                    .detail = "no watch of this id goes on here; it may have ended "
                                              "by itself"});
  Entry& entry = *found->second;
  // It is answered once the replica has answered.
  if (!entry.watch) {
    entry.is_cancelled = true;
    return;
  }
  append_message(answers_, entry.id, "cancelled", revision_text(entry.watch->told()));
  forget(entry);
}

void WatchSocket::listen(Entry& entry) {
  if (entry.watch->has_news()) {
    with_news_.push_back(&entry);
  } else {
    entry.watch->tell(entry);
  }
}

void WatchSocket::forget(Entry& entry) {
  std::erase(with_news_, &entry);
  const auto found = entries_.find(entry.id);
  if (taken_ == &entry) dropped_ = std::move(found->second);
  entries_.erase(found);
}

Task<bool> WatchSocket::ready() {
  Waiting news(*this);
  co_await news;
  co_return !over_;
}

// A turn for each that has something to tell, as long as there is room. Whoever must read the feed
// by itself ends a piece, so that nobody waits for more than one such read.
Task<Result<std::string>> WatchSocket::next() {
  std::string piece;
  bool goes_on = true;
  while (goes_on) {
    piece.append(std::exchange(answers_, {}));
    if (over_ || with_news_.empty() || piece.size() >= http::kPieceBytes) break;
    Entry& entry = *with_news_.front();
    goes_on = !entry.watch->lags();
    if (!goes_on && !piece.empty()) break;
    with_news_.pop_front();
    Task<Result<>> taking = take_from(entry, piece);
    const Result<> outcome = co_await taking;
    if (!outcome) co_return std::unexpected(outcome.error());
  }
  co_return piece;
}

Task<Result<>> WatchSocket::take_from(Entry& entry, std::string& piece) {
  taken_ = &entry;
  Task<Result<Watch::News>> taking = entry.watch->take_some();
  const Result<Watch::News> news = co_await taking;
  taken_ = nullptr;
  // It was cancelled meanwhile, or the client is gone.
  if (std::exchange(dropped_, nullptr)) co_return Result<>();
  co_return tell(entry, news, piece);
}

Result<> WatchSocket::tell(Entry& entry, const Result<Watch::News>& news, std::string& piece) {
  using Kind = Watch::News::Kind;
  if (!news) {
    if (news.error().code != ErrorCode::kUnavailable) return std::unexpected(news.error());
    Problem problem{.code = Code::kOverloaded,
                    .detail = "this node reads too much at once; watch again behind `revision`",
                    .figures = {{"revision", entry.watch->told().value}}};
    append_message(piece, entry.id, "error", http::json_of(problem));
    forget(entry);
    return {};
  }
  switch (news->kind) {
    case Kind::kChanges:
      for (const Watch::News::Item& item : news->items)
        append_message(piece, entry.id, "change", item.data);
      break;
    case Kind::kProgress:
      append_message(piece, entry.id, "progress", revision_text(news->upto));
      break;
    case Kind::kNothing:
      break;
    case Kind::kOverflow:
      append_message(piece, entry.id, "overflow", overflow_text(services_, news->upto));
      forget(entry);
      return {};
    case Kind::kOver:
      over_ = true;
      return {};
  }
  listen(entry);
  return {};
}

void WatchSocket::refuse(const std::optional<std::string>& id, const Problem& problem) {
  append_message(answers_, id, "error", http::json_of(problem));
}

void WatchSocket::hang_up() {
  over_ = true;
  answers_.clear();
  with_news_.clear();
  if (taken_ != nullptr && !dropped_) dropped_ = std::move(entries_.find(taken_->id)->second);
  entries_.clear();
  wake();
}

void WatchSocket::wake() {
  if (waiter_) std::exchange(waiter_, {}).resume();
}

}  // namespace holdfast
