#pragma once

// The client for coroutines of Boost.Asio: `co_await client.get("key")`. Each call is made by a
// thread of the client's own, with all the tries, deadlines and outcomes of KvClient; the coroutine
// goes on where it was, on its own executor. Any thread, many coroutines at once.

#include <cstddef>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "client/client_pool.h"

namespace holdfast {

class AsyncClient {
 public:
  // Of more than `calls_max` calls at once, the others wait.
  AsyncClient(KvClientOptions options, size_t calls_max);
  // Waits for the calls that are being made. No coroutine may wait for one any more.
  ~AsyncClient();
  AsyncClient(const AsyncClient&) = delete;
  AsyncClient& operator=(const AsyncClient&) = delete;

  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  // Arguments with names of their own: GCC 12 ends a temporary that is an aggregate twice, where it
  // is made inside of a co_await expression.
  Awaitable<WriteOutcome<PutAnswer>> put(std::string key, std::string value);
  Awaitable<WriteOutcome<PutAnswer>> put(std::string key, std::string value,
                                         const Condition& condition, const Lifetime& lifetime);
  Awaitable<WriteOutcome<DeleteAnswer>> remove(std::string key);
  Awaitable<WriteOutcome<DeleteAnswer>> remove(std::string key, const Condition& condition);
  Awaitable<WriteOutcome<TxnAnswer>> transact(std::string json);
  Awaitable<ReadOutcome<Value>> get(std::string key);
  Awaitable<ReadOutcome<Value>> get(std::string key, const Moment& moment);
  Awaitable<ReadOutcome<ScanPage>> scan(const ScanQuery& query);
  Awaitable<ReadOutcome<ClusterView>> cluster();

 private:
  // The coroutine that awaits this goes on in a thread of this client, and behind `leave` where it
  // was.
  Awaitable<void> enter();
  Awaitable<void> leave();

  ClientPool clients_;
  boost::asio::thread_pool threads_;  // as many as there may be clients: none waits for one
};

}  // namespace holdfast
