#include "server/api/lock_waiters.h"

#include <algorithm>

#include <boost/asio/post.hpp>

#include "storage/base/check.h"

namespace holdfast {
namespace {

// How often it is looked who of those who wait is gone.
constexpr Duration kLookWhoIsGoneEvery = std::chrono::seconds(1);

}  // namespace

LockWaiters::~LockWaiters() {
  CHECK(places_ == 0, "{} still wait for locks", places_);
}

bool LockWaiters::is_behind() const {
  return places_ > 0 && told_ != services_.machine->freed_locks().count();
}

void LockWaiters::look(Instant now) {
  if (places_ == 0) return;
  if (is_behind()) take_news();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now)
    deadlines_.begin()->second->resume(Turn::kTimeOver);
  if (now < next_sweep_) return;
  next_sweep_ = now + kLookWhoIsGoneEvery;
  std::vector<Place*> gone;
  for (const auto& [until, place] : deadlines_)
    if (place->caller_.has_gone()) gone.push_back(place);
  // Who is resumed leaves, and resumes nobody else by it.
  for (Place* const place : gone) place->resume(Turn::kGone);
}

void LockWaiters::take_news() {
  const FreedLocks::News news = services_.machine->freed_locks().news(told_);
  told_ = news.count;
  std::vector<std::string> names = news.names;
  if (news.any)
    for (const auto& [name, line] : lines_) names.push_back(name);
  for (const std::string& name : names) {
    const auto line = lines_.find(name);
    if (line == lines_.end()) continue;
    line->second.may_be_free = true;
    wake_first(name);
  }
}

// Whoever is woken may leave, and with it the line.
void LockWaiters::wake_first(const std::string& name) {
  const auto line = lines_.find(name);
  if (line == lines_.end() || !line->second.may_be_free) return;
  Place& first = *line->second.places.front();
  if (!first.waiter_) return;
  if (first.caller_.has_gone()) return first.resume(Turn::kGone);
  line->second.may_be_free = false;
  first.tries_ = true;
  first.resume(Turn::kTry);
}

// Not at once: the last one in a line would else go on in a stack of all before it.
void LockWaiters::wake_first_soon(const std::string& name) {
  due_.push_back(name);
  if (std::exchange(wake_is_due_, true)) return;
  boost::asio::post(*services_.loop, [this] { wake_due(); });
}

void LockWaiters::wake_due() {
  wake_is_due_ = false;
  for (const std::string& name : std::exchange(due_, {})) wake_first(name);
}

void LockWaiters::end() {
  over_ = true;
  while (!deadlines_.empty()) deadlines_.begin()->second->resume(Turn::kOver);
}

LockWaiters::Place::Place(LockWaiters& home, const std::string& name, Instant until,
                          http::Caller caller)
    : home_(home), name_(name), until_(until), caller_(caller) {
  // Whoever is the first begins with what is known now: its try sees what was before.
  if (home.places_++ == 0) home.told_ = home.services_.machine->freed_locks().count();
  std::list<Place*>& places = home.lines_[name].places;
  at_ = places.insert(places.end(), this);
}

LockWaiters::Place::~Place() {
  if (waiter_) {
    home_.deadlines_.erase({until_, this});
    --home_.waiting_;
  }
  --home_.places_;
  const auto line = home_.lines_.find(name_);
  line->second.places.erase(at_);
  // How its try ends is not known: the next one has to see for itself.
  if (tries_) line->second.may_be_free = true;
  if (line->second.places.empty()) {
    home_.lines_.erase(line);
  } else if (line->second.may_be_free) {
    home_.wake_first_soon(name_);
  }
}

bool LockWaiters::Place::has_turn() {
  if (home_.over_) {
    turn_ = Turn::kOver;
    return true;
  }
  Line& line = home_.lines_.at(name_);
  if (line.places.front() == this && line.may_be_free) {
    line.may_be_free = false;
    tries_ = true;
    turn_ = Turn::kTry;
    return true;
  }
  turn_ = Turn::kTimeOver;
  return until_ <= home_.services_.clock->now();
}

void LockWaiters::Place::wait(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  has_waited_ = true;
  home_.deadlines_.emplace(until_, this);
  ++home_.waiting_;
}

void LockWaiters::Place::resume(Turn turn) {
  turn_ = turn;
  home_.deadlines_.erase({until_, this});
  --home_.waiting_;
  std::exchange(waiter_, {}).resume();
}

void LockWaiters::Place::is_held() {
  tries_ = false;
}

}  // namespace holdfast
