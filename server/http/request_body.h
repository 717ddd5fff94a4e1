#pragma once

// The body of a request that is taken while it is sent (BodyForm::kStreamed). The session puts in
// what comes and reads no more while it is full; the handler takes it out, and need not take it to
// the end. Everything on the io thread.

#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/http/problem.h"

namespace holdfast::http {

class RequestBody : public std::enable_shared_from_this<RequestBody> {
 public:
  struct Wiring {
    std::function<void(std::function<void()>)> defer;  // run on this io thread, after this turn
    std::function<void()> has_room;                    // it was full, and is so no more
  };
  // Full with `room` bytes that nobody has taken: what came with the last of them stays in it.
  RequestBody(size_t room, Wiring wiring) : room_(room), wiring_(std::move(wiring)) {}
  RequestBody(const RequestBody&) = delete;
  RequestBody& operator=(const RequestBody&) = delete;

  // Of what has come and was not taken when a body fails.
  enum class Rest : uint8_t { kStands, kDropped };

  // The session. After `end` or `fail` nothing is added: what comes is thrown away.
  void add(std::string bytes);
  void end();  // all of it has come
  void fail(Problem why, Rest rest);
  bool is_over() const { return ended_ || failure_; }
  bool is_full() const { return !is_over() && bytes_.size() >= room_; }
  size_t held() const { return bytes_.size() + held_elsewhere_; }

  // The handler. One coroutine waits at a time; it is resumed behind the turn, never in a call.
  class Waiting {
   public:
    bool await_ready() const noexcept { return !body_.bytes_.empty() || body_.is_over(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { body_.waiter_ = waiter; }
    void await_resume() const noexcept {}

   private:
    friend class RequestBody;
    explicit Waiting(RequestBody& body) : body_(body) {}
    RequestBody& body_;
  };
  Waiting wait() { return Waiting(*this); }  // until there is something to take, or the end
  std::string take();                        // empty: that was all
  // Once all was taken: why the body is not whole. Null: it is, or more comes.
  const Problem* failure() const { return failure_ ? &*failure_ : nullptr; }
  // The client is gone, or the node stops: nothing more of it should be begun.
  bool is_dropped() const { return dropped_; }
  // Called once that is so, in a call of the session.
  void set_on_drop(std::function<void()> act) { on_drop_ = std::move(act); }
  // How many bytes of it the handler still works on: they count for the thread.
  void note_held(size_t bytes) { held_elsewhere_ = bytes; }

 private:
  void wake();

  const size_t room_;
  const Wiring wiring_;
  std::function<void()> on_drop_;
  std::string bytes_;
  size_t held_elsewhere_ = 0;
  bool ended_ = false;
  bool dropped_ = false;
  std::optional<Problem> failure_;
  std::coroutine_handle<> waiter_;
};

}  // namespace holdfast::http
