#pragma once

// The client for coroutines of Boost.Asio: `co_await client.get("key")`. What is tried again, and
// what an end means, is decided where KvClient's is (caller.h); waiting takes no thread. Any
// thread, many coroutines at once, each of which goes on on its own executor.
//
// A coroutine that is cancelled, or destroyed with its loop, leaves its call where it was: of a
// change nobody knows then whether it was made.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/awaiting.h"
#include "client/caller_pool.h"
#include "client/kv_calls.h"

namespace holdfast {

// False: no more is wanted. No more is read before it has ended.
using AsyncChangeSink = std::function<Awaitable<bool>(const WatchedRevision&)>;
using AsyncEventSink = std::function<Awaitable<bool>(const NodeEvent*)>;

class AsyncClient : public KvCalls<AsyncClient, Awaitable> {
 public:
  // Of more than `calls_max` calls at once, the others wait; what follows something does not count.
  AsyncClient(KvClientOptions options, size_t calls_max);
  // No coroutine may wait for a call any more.
  ~AsyncClient() = default;
  AsyncClient(const AsyncClient&) = delete;
  AsyncClient& operator=(const AsyncClient&) = delete;

  // As KvClient's of these names. Arguments with names of their own: GCC 12 ends a temporary that
  // is an aggregate twice, where it is made inside of a co_await expression.
  Awaitable<std::vector<WriteOutcome<BulkAnswer>>> bulk(std::vector<std::string> lines);
  // `sink` and `place` must live until the end.
  Awaitable<ReadOutcome<HttpResponse>> snapshot(Consistency consistency, BodySink& sink);
  Awaitable<ReadOutcome<void>> watch(const WatchQuery& query, AsyncChangeSink on_change);
  Awaitable<ReadOutcome<void>> follow_events(EventsPlace& place, AsyncEventSink on_event);

 private:
  friend class KvCalls<AsyncClient, Awaitable>;

  // Made of a caller; what it makes must not outlive that.
  template <class T>
  using Making = std::function<Task<T>(Caller&)>;

  template <class Outcome>
  Awaitable<Outcome> make_call(Call<Outcome> call) {
    return on_strand<Outcome>(make_with_taken<Outcome>(
        [call = std::move(call)](Caller& caller) { return caller.make(call); }));
  }
  template <class T>
  Awaitable<T> make_with_taken(Making<T> making) {
    Awaitable<CallerPool::Taken> taking = callers_.take();
    const CallerPool::Taken taken = co_await std::move(taking);
    Awaitable<T> carrying = carry_out_awaited(making(*taken), Listener());
    co_return co_await std::move(carrying);
  }
  template <class T>
  Awaitable<T> make_with_own(Making<T> making, Listener listener) {
    const std::unique_ptr<Caller> caller = callers_.make();
    Awaitable<T> carrying = carry_out_awaited(making(*caller), std::move(listener));
    co_return co_await std::move(carrying);
  }

  CallerPool callers_;
};

}  // namespace holdfast
