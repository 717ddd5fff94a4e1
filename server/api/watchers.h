#pragma once

// Who watches keys on one io thread. While anybody does, the feed of changes is read once for all
// of them by a reader thread, and each revision wakes those whose keys it has. What was read lately
// is kept for them, within bounds; whoever reads more slowly, or begins in the past, reads the feed
// by itself from where it stands, and costs nobody else anything. So a watch holds a position and
// no events. Everything here runs on that io thread.

#include <coroutine>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/api/services.h"
#include "server/api/watch_index.h"
#include "server/http/task.h"

namespace holdfast {

class Watch;

// What a watch shows.
struct Watched {
  KeyRange range;
  bool prev = false;              // with each event the row that it replaced
  std::optional<bool> only_puts;  // or, if false, only deletes

  bool shows(bool is_put) const { return !only_puts || *only_puts == is_put; }
};

// What one revision did to keys that somebody watches; shared by all who show it.
struct SeenRevision {
  struct Event {
    std::string key;
    bool is_put;
    std::string text;  // as JSON, without braces
    std::string prev;  // likewise; empty where nobody wants it or it is not kept
  };
  Revision revision;
  std::vector<Event> events;
  size_t bytes() const;
};

class Watchers {
 public:
  // What is kept for those who are not quite as fast as the writes.
  static constexpr size_t kRecentBytesMax = size_t{16} << 20;
  static constexpr size_t kRecentMax = 4096;
  // Whoever was told nothing for so long is told how far it is.
  static constexpr Duration kProgressEvery = std::chrono::seconds(10);
  // One connection may hold many watches, so their number and what their ranges take are bounded.
  static constexpr size_t kWatchesMax = 100'000;
  static constexpr size_t kRangeBytesMax = size_t{32} << 20;

  // `services` outlives this, which outlives every watch.
  explicit Watchers(const Services& services) : services_(services) {}
  ~Watchers();
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  // The store's revision may have moved, or time has passed. Called very often, and cheap.
  void look(Instant now);
  // The node stops: every watch ends, and those that begin after this do so at once.
  void end();
  size_t size() const { return watches_.size(); }
  // No watch may be added.
  bool is_full() const { return size() >= kWatchesMax || range_bytes_ >= kRangeBytesMax; }
  // The store holds what is still to be read for those who watch.
  bool is_behind() const;

 private:
  friend class Watch;
  using Id = WatchIndex::Id;
  struct Wanted {
    Revision revision;
    std::vector<std::string> keys;
  };

  Id add(Watch& watch);
  void remove(Id id, const Watched& what);
  Detached read_on();
  Task<bool> read_page();
  Task<bool> read_wanted(std::vector<Wanted> wanted);
  std::vector<Wanted> wanted_of(const std::vector<Change>& page) const;
  void admit(SeenRevision seen);
  void let_all_read_back(Revision upto);
  void fail_all(const Error& error);
  void wake(const std::vector<Id>& ids);
  void wake_all();

  const Services& services_;
  std::map<Id, Watch*> watches_;
  std::map<Id, Watch*> failed_;  // that have not been told yet
  WatchIndex index_;
  size_t want_prev_ = 0;    // how many
  size_t range_bytes_ = 0;  // of all keys that bound them
  Id next_id_ = 1;
  Revision seen_;  // read up to here, and told to those whom it concerns
  Revision
      decided_;  // as far it is fixed what is read for them: who comes later reads it by itself
  Revision evicted_;  // what was read up to here is not kept, but for nobody wanted it
  std::deque<std::shared_ptr<const SeenRevision>> recent_;
  size_t recent_bytes_ = 0;
  bool reads_ = false;
  bool over_ = false;
  Instant next_sweep_{};
};

// One watch, from revision `from` on: everything of that and of all later ones, in order, each
// once.
class Watch {
 public:
  Watch(Watchers& home, Watched what, Revision from);
  ~Watch() { home_.remove(id_, what_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Is told once that there is something to take. It may end the watch then.
  class Waiter {
   public:
    virtual void on_news() = 0;

   protected:
    ~Waiter() = default;
  };
  bool has_news() const {
    return home_.over_ || error_ || lags_ || pending_.has_value() || progress_is_due_;
  }
  // Where there is nothing yet.
  void tell(Waiter& waiter) { waiter_ = &waiter; }

  // Until there is something to take.
  class Waiting final : public Waiter {
   public:
    bool await_ready() const noexcept { return watch_.has_news(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept {
      coroutine_ = waiter;
      watch_.tell(*this);
    }
    void await_resume() const noexcept {}
    void on_news() override { coroutine_.resume(); }

   private:
    friend class Watch;
    explicit Waiting(Watch& watch) : watch_(watch) {}
    Watch& watch_;
    std::coroutine_handle<> coroutine_;
  };
  Waiting wait() { return Waiting(*this); }

  struct News {
    enum class Kind : uint8_t {
      kChanges,
      kProgress,  // nothing more up to `upto`
      kOverflow,  // the history floor has overtaken it: what comes behind `upto` is lost to it
      kOver,      // the node stops
      kNothing,   // of `take_some`: not in what was read
    };
    struct Item {
      Revision revision;
      std::string data;  // all that this watch shows of the revision, as JSON
    };
    Kind kind = Kind::kProgress;
    Revision upto;
    std::vector<Item> items;
  };
  // An error ends the watch: the storage failed. Otherwise as long as it is not over.
  Task<Result<News>> take();
  // The same, but no more than a page of the feed is read for it: for those who must not wait long
  // for one watch, since they have others.
  Task<Result<News>> take_some();

  Revision told() const { return told_; }  // everything up to there
  bool lags() const { return lags_; }      // a `take` reads the feed

 private:
  friend class Watchers;
  struct Page;

  Revision behind_what_is_known() const;
  void read_back_from(Revision first);
  bool note(const SeenRevision& seen, bool is_put);  // true: that is the first for it
  void take_recent(std::vector<News::Item>& items);
  Task<Result<News>> read_back();
  News as_of_now(News news);

  Watchers& home_;
  const Watched what_;
  const Watchers::Id id_;
  Revision told_;                    // and all before it
  std::optional<Revision> pending_;  // the first behind `told_` that may have something
  bool lags_ = false;                // it reads the feed by itself
  bool progress_is_due_ = false;
  Instant told_at_;
  std::optional<Error> error_;
  Waiter* waiter_ = nullptr;
};

}  // namespace holdfast
