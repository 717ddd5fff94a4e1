#include "server/api/event_readers.h"

#include <utility>

#include "storage/base/check.h"

namespace holdfast {
namespace {

constexpr size_t kEventsAtOnce = 64;
constexpr Duration kLookForProgressEvery = std::chrono::seconds(1);

}  // namespace

EventReaders::~EventReaders() {
  CHECK(readers_.empty(), "{} readers of events are left", readers_.size());
}

void EventReaders::look(Instant now) {
  if (readers_.empty()) return;
  const bool sweeps = now >= next_sweep_;
  const uint64_t newest = services_.events->newest();
  if (!sweeps && !over_ && newest == told_) return;
  told_ = newest;
  if (sweeps) next_sweep_ = now + kLookForProgressEvery;
  // Whoever is woken may end others, and itself.
  const std::vector<EventReader*> readers(readers_.begin(), readers_.end());
  for (EventReader* const reader : readers) {
    if (!readers_.contains(reader) || !reader->waiter_) continue;
    reader->progress_is_due_ = now - reader->told_at_ >= kProgressEvery;
    if (reader->has_news()) std::exchange(reader->waiter_, {}).resume();
  }
}

void EventReaders::end() {
  over_ = true;
  look(services_.clock->now());
}

EventReader::EventReader(EventReaders& home, uint64_t number)
    : home_(home), told_(number), told_at_(home.services_.clock->now()) {
  home_.readers_.insert(this);
}

bool EventReader::has_news() const {
  return home_.over_ || progress_is_due_ || home_.services_.events->newest() > told_;
}

EventReader::News EventReader::take() {
  const Events& events = *home_.services_.events;
  told_at_ = home_.services_.clock->now();
  progress_is_due_ = false;
  News news{.kind = News::Kind::kProgress, .upto = told_, .events = {}};
  if (home_.over_) {
    news.kind = News::Kind::kOver;
    return news;
  }
  news.events = events.behind(told_, kEventsAtOnce);
  if (news.events.empty()) return news;
  if (news.events.front().number != told_ + 1) {
    news.kind = News::Kind::kOverflow;
    news.events.clear();
    return news;
  }
  news.kind = News::Kind::kEvents;
  news.upto = told_ = news.events.back().number;
  return news;
}

}  // namespace holdfast
