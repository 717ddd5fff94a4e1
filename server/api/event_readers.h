#pragma once

// Who follows the events of this node on one io thread. A reader holds the number of the last event
// that it was told, and nothing else: who is slow costs nobody anything, and is ended when what it
// lacks is not kept any more. Everything here runs on that io thread.

#include <coroutine>
#include <cstdint>
#include <set>
#include <vector>

#include "server/api/services.h"
#include "storage/base/events.h"

namespace holdfast {

class EventReader;

class EventReaders {
 public:
  // Whoever was told nothing for so long is told that there is nothing.
  static constexpr Duration kProgressEvery = std::chrono::seconds(10);

  // `services` outlives this, which outlives every reader.
  explicit EventReaders(const Services& services) : services_(services) {}
  ~EventReaders();
  EventReaders(const EventReaders&) = delete;
  EventReaders& operator=(const EventReaders&) = delete;

  // Something may have happened, or time has passed. Called very often, and cheap.
  void look(Instant now);
  // The node stops: every reader ends, and those that begin after this do so at once.
  void end();

 private:
  friend class EventReader;

  const Services& services_;
  std::set<EventReader*> readers_;
  uint64_t told_ = 0;  // all that waited then were woken for it
  bool over_ = false;
  Instant next_sweep_{};
};

// One of them, behind event `number`.
class EventReader {
 public:
  EventReader(EventReaders& home, uint64_t number);
  ~EventReader() { home_.readers_.erase(this); }
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  // Until there is something to take.
  class Waiting {
   public:
    bool await_ready() const noexcept { return reader_.has_news(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { reader_.waiter_ = waiter; }
    void await_resume() const noexcept {}

   private:
    friend class EventReader;
    explicit Waiting(EventReader& reader) : reader_(reader) {}
    EventReader& reader_;
  };
  Waiting wait() { return Waiting(*this); }

  struct News {
    enum class Kind : uint8_t {
      kEvents,
      kProgress,  // nothing more has happened
      kOverflow,  // what comes behind `upto` is not kept any more
      kOver,      // the node stops
    };
    Kind kind = Kind::kProgress;
    uint64_t upto = 0;
    std::vector<Events::Kept> events;
  };
  News take();

 private:
  friend class EventReaders;
  bool has_news() const;

  EventReaders& home_;
  uint64_t told_;
  bool progress_is_due_ = false;
  Instant told_at_;
  std::coroutine_handle<> waiter_;
};

}  // namespace holdfast
