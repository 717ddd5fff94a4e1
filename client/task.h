#pragma once

// What a call does, apart from who waits for it: a coroutine that stops where it needs something
// from outside, and goes on once it has been supplied. The blocking client and the awaiting one
// supply the same tasks, each in its way, so that what is decided is decided once.

#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <sys/socket.h>
#include <utility>
#include <variant>
#include <vector>

#include "client/endpoint.h"
#include "storage/base/clock.h"
#include "storage/base/result.h"

namespace holdfast {

struct NodeEvent;
struct WatchedRevision;

// The socket `fd` is ready for one of `events`, as poll names them, or it is `until`.
struct Readiness {
  int fd;
  short events;
  Instant until;
};
struct Pause {
  Duration length;
};
struct Lookup {
  const Endpoint* endpoint;
};
// The caller is told of it, and says whether more is wanted. Null: the node is there.
struct ChangeToTell {
  const WatchedRevision* change;
};
struct EventToTell {
  const NodeEvent* event;
};
using Need = std::variant<Pause, Readiness, Lookup, ChangeToTell, EventToTell>;

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// What a need came to.
struct Supply {
  short events = 0;                            // of a Readiness: what is there; 0: it is too late
  Result<std::vector<SocketAddress>> found{};  // of a Lookup
  bool goes_on = true;                         // of what was told
};

// Where a task stands: its innermost coroutine waits for what it needs.
struct Standing {
  std::coroutine_handle<> waiting;
  Need need;
  Supply supply;
};

// A coroutine that ends with a T. It begins when it is awaited by another, or started.
template <class T>
class [[nodiscard]] Task {
 public:
  struct Promise;
  using promise_type = Promise;  // as the language wants it named
  using Handle = std::coroutine_handle<Promise>;

  explicit Task(Handle coroutine) : coroutine_(coroutine) {}
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }
  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
  Task& operator=(Task&&) = delete;

  // Until it needs something, for which `standing` then waits, or has ended.
  void start(Standing& standing) {
    coroutine_.promise().standing = &standing;
    coroutine_.resume();
  }
  bool is_done() const { return coroutine_.done(); }
  // Once it is done; what was thrown in it is thrown on.
  T take() { return coroutine_.promise().take(); }

  class Awaiting;

 private:
  Handle coroutine_;
};

// Stops until the need is supplied.
class Needing {
 public:
  Needing(Need need, Standing& standing) : need_(need), standing_(standing) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) noexcept {
    standing_.waiting = waiting;
    standing_.need = need_;
  }
  Supply await_resume() { return std::exchange(standing_.supply, {}); }

 private:
  const Need need_;
  Standing& standing_;
};

// Stops until the awaited task has ended, which goes on in its place meanwhile.
template <class T>
class Task<T>::Awaiting {
 public:
  Awaiting(Task& task, Standing& standing) : task_(task) {
    task_.coroutine_.promise().standing = &standing;
  }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
    task_.coroutine_.promise().waiting = waiting;
    return task_.coroutine_;
  }
  T await_resume() { return task_.take(); }

 private:
  Task& task_;
};

template <class T>
struct Task<T>::Promise {
  Task get_return_object() { return Task(Handle::from_promise(*this)); }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() const noexcept { return End{}; }
  template <class U>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }

  Needing await_transform(Need need) { return {need, *standing}; }
  template <class U>
  auto await_transform(Task<U>&& task) {
    return typename Task<U>::Awaiting(task, *standing);
  }

  T take() {
    if (thrown) std::rethrow_exception(thrown);
    return *std::move(result);
  }

  struct End {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(Handle ended) const noexcept {
      const std::coroutine_handle<> next = ended.promise().waiting;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  Standing* standing = nullptr;
  std::coroutine_handle<> waiting;  // who awaits it; none: it was started
  std::optional<T> result;
  std::exception_ptr thrown;
};

// `supplier(need)` supplies what is needed, one after the other.
template <class T, class Supplier>
T carry_out(Task<T> task, Supplier&& supplier) {
  Standing standing;
  for (task.start(standing); !task.is_done(); standing.waiting.resume())
    standing.supply = supplier(std::as_const(standing.need));
  return task.take();
}

}  // namespace holdfast
