#pragma once

// Who waits for locks on one io thread: a line for each lock, first come, first served. Nobody asks
// the store meanwhile: the first in a line tries when the lock has come free here, as the state
// machine tells (storage/kv/freed_locks), and only then. Everything here runs on that io thread.

#include <coroutine>
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/api/services.h"
#include "server/http/caller.h"

namespace holdfast {

class LockWaiters {
 public:
  static constexpr size_t kPlacesMax = 4096;

  // `services` outlives this, which outlives every place.
  explicit LockWaiters(const Services& services) : services_(services) {}
  ~LockWaiters();
  LockWaiters(const LockWaiters&) = delete;
  LockWaiters& operator=(const LockWaiters&) = delete;

  // Locks may have come free, or time has passed. Called very often, and cheap.
  void look(Instant now);
  // The node stops: nobody waits any more.
  void end();

  bool is_full() const { return places_ >= kPlacesMax; }
  size_t waiting() const { return waiting_; }  // of them those who do nothing but wait
  // There is news of locks for those who wait.
  bool is_behind() const;

  enum class Turn : uint8_t {
    kTry,       // the first in line, and the lock may be free
    kTimeOver,  // it was not so in time
    kGone,      // the client is not there any more
    kOver,      // the node stops
  };

  // A place in the line for one lock, for as long as this lives. A coroutine awaits its
  // turn; each time that it has tried it says what came of it, or leaves.
  class Place {
   public:
    // Waits until `until` at most.
    Place(LockWaiters& home, const std::string& name, Instant until, http::Caller caller);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    class Waiting {
     public:
      bool await_ready() { return place_.has_turn(); }
      void await_suspend(std::coroutine_handle<> waiter) { place_.wait(waiter); }
      Turn await_resume() const noexcept { return place_.turn_; }

     private:
      friend class Place;
      explicit Waiting(Place& place) : place_(place) {}
      Place& place_;
    };
    // A handler writes: LockWaiters::Place::Waiting waiting = place.turn();
    //                   const LockWaiters::Turn turn = co_await waiting;
    Waiting turn() { return Waiting(*this); }
    // Somebody has the lock, as the try has shown; or this one has it now.
    void is_held();
    // It did not have its turn at once.
    bool has_waited() const { return has_waited_; }

   private:
    friend class LockWaiters;
    bool has_turn();
    void wait(std::coroutine_handle<> waiter);
    void resume(Turn turn);

    LockWaiters& home_;
    const std::string name_;
    const Instant until_;
    const http::Caller caller_;
    std::list<Place*>::iterator at_;
    std::coroutine_handle<> waiter_;
    Turn turn_ = Turn::kTry;
    bool tries_ = false;  // what comes of it is not known yet
    bool has_waited_ = false;
  };

 private:
  struct Line {
    std::list<Place*> places;
    bool may_be_free = true;  // since the last try began
  };

  void take_news();
  void wake_first(const std::string& name);
  void wake_first_soon(const std::string& name);
  void wake_due();

  const Services& services_;
  std::map<std::string, Line, std::less<>> lines_;
  std::set<std::pair<Instant, Place*>> deadlines_;  // of those who wait
  std::vector<std::string> due_;                    // lines whose first is to be woken
  size_t places_ = 0;
  size_t waiting_ = 0;
  uint64_t told_ = 0;  // the count of freed locks up to which all have been told
  Instant next_sweep_{};
  bool wake_is_due_ = false;
  bool over_ = false;
};

}  // namespace holdfast
