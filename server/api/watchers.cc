#include "server/api/watchers.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "server/api/items.h"
#include "server/api/json_text.h"
#include "server/api/lifetimes.h"
#include "server/api/readers.h"
#include "server/gate.h"
#include "server/http/body_stream.h"
#include "storage/base/check.h"
#include "storage/base/log.h"

namespace holdfast {
namespace {

constexpr size_t kFeedPage = 256;                 // revisions
constexpr size_t kEventsBytes = size_t{4} << 20;  // of what is read at a time for all
constexpr Duration kSweepEvery = std::chrono::seconds(1);

// On a reader thread. The past from `floor` on is kept.
struct SeenEvents {
  const Engine& engine;
  Revision floor;
  uint64_t now_ms;

  Result<SeenRevision::Event> read(const std::string& key, Revision revision, bool prev) const {
    SeenRevision::Event event{.key = key, .is_put = false, .text = {}, .prev = {}};
    HOLDFAST_ASSIGN(const std::optional<Row> row, engine.get(key, revision, ReadTier::kDisk));
    event.is_put = row.has_value();
    event.text = row ? "\"type\":\"put\"," : "\"type\":\"delete\",";
    append_json_bytes(event.text, "key", key);
    event.text.push_back(',');
    if (row) {
      append_row(event.text, row->info, row->value, now_ms);
    } else {
      fmt::format_to(std::back_inserter(event.text), "\"mod_revision\":{}", revision.value);
    }
    if (!prev || revision <= floor) return event;
    HOLDFAST_ASSIGN(const std::optional<Row> old, engine.get(key, revision - 1, ReadTier::kDisk));
    append_prev(event.prev, old ? &*old : nullptr, now_ms);
    return event;
  }
};

size_t range_bytes(const KeyRange& range) {
  return range.start.size() + range.end.size();
}

// Nothing: none of the events is shown.
std::string data_of(const SeenRevision& seen, const Watched& what) {
  std::string data;
  for (const SeenRevision::Event& event : seen.events) {
    if (!what.shows(event.is_put) || !what.range.has(event.key)) continue;
    if (data.empty()) {
      data = fmt::format("{{\"revision\":{},\"events\":[", seen.revision.value);
    } else {
      data.push_back(',');
    }
    data.append("{").append(event.text);
    if (what.prev && !event.prev.empty()) data.append(",").append(event.prev);
    data.push_back('}');
  }
  if (!data.empty()) data.append("]}");
  return data;
}

}  // namespace

size_t SeenRevision::bytes() const {
  size_t bytes = sizeof *this;
  for (const Event& event : events)
    bytes += sizeof event + event.key.size() + event.text.size() + event.prev.size();
  return bytes;
}

Watchers::~Watchers() {
  CHECK(watches_.empty() && failed_.empty() && !reads_, "{} watches are left", watches_.size());
}

Watchers::Id Watchers::add(Watch& watch) {
  // Whoever is the first begins where the store is; nobody wanted what was before.
  if (watches_.empty() && !reads_) {
    recent_.clear();
    recent_bytes_ = 0;
    seen_ = decided_ = evicted_ = services_.gate->revision();
  }
  watches_.emplace(next_id_, &watch);
  index_.add(watch.what_.range, next_id_);
  range_bytes_ += range_bytes(watch.what_.range);
  if (watch.what_.prev) ++want_prev_;
  return next_id_++;
}

void Watchers::remove(Id id, const Watched& what) {
  if (watches_.erase(id) == 0) {
    failed_.erase(id);
    return;
  }
  index_.remove(what.range, id);
  range_bytes_ -= range_bytes(what.range);
  if (what.prev) --want_prev_;
}

bool Watchers::is_behind() const {
  return !over_ && !watches_.empty() && seen_ < services_.gate->revision();
}

void Watchers::look(Instant now) {
  if (watches_.empty()) return;
  if (!reads_ && is_behind()) read_on();
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepEvery;
  std::vector<Id> due;
  for (const auto& [id, watch] : watches_) {
    if (watch->waiter_ == nullptr || now - watch->told_at_ < kProgressEvery) continue;
    watch->progress_is_due_ = true;
    due.push_back(id);
  }
  wake(due);
}

void Watchers::end() {
  over_ = true;
  wake_all();
}

Detached Watchers::read_on() {
  reads_ = true;
  bool goes_on = true;
  while (goes_on && is_behind()) {
    Task<bool> reading = read_page();
    goes_on = co_await reading;
  }
  reads_ = false;
}

// False: not now.
Task<bool> Watchers::read_page() {
  const Revision target = services_.gate->revision();
  const Revision first = seen_ + 1;
  Result<std::vector<Change>> page;
  auto work = [&] { page = services_.engine->changes(first, kFeedPage); };
  Readers::Waiting waiting = services_.readers->run(*services_.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return false;
  if (services_.machine->history_floor() > first) {
    let_all_read_back(target);
    co_return true;
  }
  if (!page) {
    fail_all(page.error());
    co_return false;
  }
  decided_ = std::max(decided_, page->empty() ? target : page->back().revision);
  Task<bool> reading = read_wanted(wanted_of(*page));
  const bool all_read = co_await reading;
  if (!all_read) co_return false;
  seen_ = decided_;
  co_return true;
}

std::vector<Watchers::Wanted> Watchers::wanted_of(const std::vector<Change>& page) const {
  std::vector<Wanted> wanted;
  std::vector<Id> found;
  for (const Change& change : page) {
    Wanted here{change.revision, {}};
    for (const std::string& key : change.keys) {
      found.clear();
      index_.find(key, found);
      if (!found.empty()) here.keys.push_back(key);
    }
    if (!here.keys.empty()) wanted.push_back(std::move(here));
  }
  return wanted;
}

Task<bool> Watchers::read_wanted(std::vector<Wanted> wanted) {
  for (size_t next = 0; next < wanted.size();) {
    const SeenEvents reader{*services_.engine, services_.machine->history_floor(),
                            cluster_now_ms(services_)};
    const bool prev = want_prev_ > 0;
    std::vector<SeenRevision> read;
    Result<> outcome;
    auto work = [&] {
      for (size_t bytes = 0; next < wanted.size() && bytes < kEventsBytes; ++next) {
        SeenRevision& seen = read.emplace_back(wanted[next].revision);
        for (const std::string& key : wanted[next].keys) {
          Result<SeenRevision::Event> event = reader.read(key, seen.revision, prev);
          if (!event) return void(outcome = std::unexpected(std::move(event).error()));
          seen.events.push_back(*std::move(event));
        }
        bytes += seen.bytes();
      }
    };
    Readers::Waiting waiting = services_.readers->run(*services_.loop, work);
    const bool done = co_await waiting;
    if (!done) co_return false;
    // Below the floor nothing that was read means anything.
    if (services_.machine->history_floor() > read.front().revision) co_return false;
    if (!outcome) fail_all(outcome.error());
    if (!outcome) co_return false;
    for (SeenRevision& seen : read) admit(std::move(seen));
  }
  co_return true;
}

void Watchers::admit(SeenRevision read) {
  const auto seen = std::make_shared<const SeenRevision>(std::move(read));
  recent_.push_back(seen);
  recent_bytes_ += seen->bytes();
  while (recent_.size() > 1 && (recent_.size() > kRecentMax || recent_bytes_ > kRecentBytesMax)) {
    evicted_ = recent_.front()->revision;
    recent_bytes_ -= recent_.front()->bytes();
    recent_.pop_front();
  }
  seen_ = std::max(seen_, seen->revision);
  std::vector<Id> to_wake;
  std::vector<Id> found;
  for (const SeenRevision::Event& event : seen->events) {
    found.clear();
    index_.find(event.key, found);
    for (const Id id : found) {
      if (watches_.at(id)->note(*seen, event.is_put)) to_wake.push_back(id);
    }
  }
  wake(to_wake);
}

// The history floor has overtaken what was read for all: each sees by itself whether that concerns
// it.
void Watchers::let_all_read_back(Revision upto) {
  for (const auto& [id, watch] : watches_) watch->read_back_from(watch->behind_what_is_known());
  seen_ = decided_ = std::max(decided_, upto);
  wake_all();
}

void Watchers::fail_all(const Error& error) {
  log_error("the feed of changes cannot be read, and every watch here ends: {}", error.message);
  // They are watches no more, or a slow client's would have the feed read again and again.
  for (const auto& [id, watch] : watches_) {
    index_.remove(watch->what_.range, id);
    watch->error_ = error;
  }
  failed_.merge(watches_);
  want_prev_ = 0;
  range_bytes_ = 0;
  // Whoever is told may end others with itself.
  while (!failed_.empty()) {
    Watch& watch = *failed_.begin()->second;
    failed_.erase(failed_.begin());
    if (watch.waiter_ != nullptr) std::exchange(watch.waiter_, nullptr)->on_news();
  }
}

// Whoever is woken may end others, and itself.
void Watchers::wake(const std::vector<Id>& ids) {
  for (const Id id : ids) {
    const auto found = watches_.find(id);
    if (found == watches_.end() || found->second->waiter_ == nullptr) continue;
    std::exchange(found->second->waiter_, nullptr)->on_news();
  }
}

void Watchers::wake_all() {
  std::vector<Id> ids;
  for (const auto& [id, watch] : watches_) ids.push_back(id);
  wake(ids);
}

Watch::Watch(Watchers& home, Watched what, Revision from)
    : home_(home),
      what_(std::move(what)),
      id_(home.add(*this)),
      told_(from - 1),
      lags_(from <= home.decided_),
      told_at_(home.services_.clock->now()) {}

bool Watch::note(const SeenRevision& seen, bool is_put) {
  if (pending_ || seen.revision <= told_ || !what_.shows(is_put)) return false;
  pending_ = seen.revision;
  return true;
}

// The first revision that may have something for it.
Revision Watch::behind_what_is_known() const {
  return std::max(told_ + 1, pending_.value_or(home_.seen_ + 1));
}

void Watch::read_back_from(Revision first) {
  if (!lags_) told_ = first - 1;
  lags_ = true;
}

Watch::News Watch::as_of_now(News news) {
  told_at_ = home_.services_.clock->now();
  progress_is_due_ = false;
  news.upto = told_;
  return news;
}

Task<Result<Watch::News>> Watch::take() {
  for (;;) {
    Task<Result<News>> taking = take_some();
    Result<News> news = co_await taking;
    if (!news || news->kind != News::Kind::kNothing) co_return news;
  }
}

Task<Result<Watch::News>> Watch::take_some() {
  if (home_.over_) co_return as_of_now({.kind = News::Kind::kOver});
  if (error_) co_return std::unexpected(*error_);
  // What it wants next is kept no more.
  if (pending_ && home_.evicted_ >= behind_what_is_known()) read_back_from(behind_what_is_known());
  News news;
  if (lags_) {
    Task<Result<News>> reading = read_back();
    Result<News> read = co_await reading;
    if (!read) co_return read;
    news = *std::move(read);
    if (news.kind == News::Kind::kOverflow) co_return as_of_now(std::move(news));
    if (news.items.empty() && (lags_ || pending_)) co_return News{.kind = News::Kind::kNothing};
  } else if (pending_) {
    take_recent(news.items);
  } else {
    told_ = std::max(told_, home_.seen_);
  }
  if (!news.items.empty()) news.kind = News::Kind::kChanges;
  co_return as_of_now(std::move(news));
}

void Watch::take_recent(std::vector<News::Item>& items) {
  const auto begin = std::ranges::lower_bound(home_.recent_, behind_what_is_known(), {},
                                              [](const auto& seen) { return seen->revision; });
  pending_.reset();
  size_t bytes = 0;
  for (auto next = begin; next != home_.recent_.end(); ++next) {
    if (bytes >= http::kPieceBytes) {
      pending_ = (*next)->revision;
      return;
    }
    told_ = (*next)->revision;
    std::string data = data_of(**next, what_);
    bytes += data.size();
    if (!data.empty()) items.push_back({told_, std::move(data)});
  }
  told_ = std::max(told_, home_.seen_);
}

// What a watch reads of the feed by itself, at one time.
struct Watch::Page {
  Revision reached;
  std::vector<News::Item> items;

  Result<> read(const SeenEvents& reader, const Watched& what, Revision first, Revision last) {
    HOLDFAST_ASSIGN(const std::vector<Change> changes, reader.engine.changes(first, kFeedPage));
    reached = last;
    size_t bytes = 0;
    for (const Change& change : changes) {
      if (change.revision > last) return {};
      reached = change.revision;
      SeenRevision seen{change.revision, {}};
      for (const std::string& key : change.keys) {
        if (!what.range.has(key)) continue;
        HOLDFAST_ASSIGN(SeenRevision::Event event, reader.read(key, change.revision, what.prev));
        seen.events.push_back(std::move(event));
      }
      std::string data = data_of(seen, what);
      bytes += data.size();
      if (!data.empty()) items.push_back({change.revision, std::move(data)});
      if (bytes >= http::kPieceBytes) return {};
    }
    return {};
  }
};

Task<Result<Watch::News>> Watch::read_back() {
  const Services& services = home_.services_;
  const Revision first = told_ + 1;
  const Revision last = home_.decided_;
  News news;
  if (first <= last) {
    const SeenEvents reader{*services.engine, services.machine->history_floor(),
                            cluster_now_ms(services)};
    Page page{last, {}};
    Result<> outcome;
    auto work = [&] { outcome = page.read(reader, what_, first, last); };
    Readers::Waiting waiting = services.readers->run(*services.loop, work);
    const bool done = co_await waiting;
    if (!done)
      co_return fail(ErrorCode::kUnavailable, "a watch: too many reads wait on this node already");
    if (services.machine->history_floor() > first) {
      news.kind = News::Kind::kOverflow;
      co_return news;
    }
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    told_ = page.reached;
    news.items = std::move(page.items);
  }
  lags_ = told_ < last;
  co_return news;
}

}  // namespace holdfast
