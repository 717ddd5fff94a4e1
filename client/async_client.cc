#include "client/async_client.h"

#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace holdfast {

namespace net = boost::asio;

AsyncClient::AsyncClient(KvClientOptions options, size_t calls_max)
    : clients_(std::move(options), calls_max), threads_(calls_max) {}

AsyncClient::~AsyncClient() {
  threads_.join();
}

AsyncClient::Awaitable<void> AsyncClient::enter() {
  co_await net::post(threads_, net::bind_executor(threads_, net::use_awaitable));
}

AsyncClient::Awaitable<void> AsyncClient::leave() {
  const net::any_io_executor home = co_await net::this_coro::executor;
  co_await net::post(home, net::use_awaitable);
}

// What is given by reference is the caller's, whose coroutine waits for the end of the call.
AsyncClient::Awaitable<WriteOutcome<PutAnswer>> AsyncClient::put(std::string key, std::string value,
                                                                 const Condition& condition,
                                                                 const Lifetime& lifetime) {
  co_await enter();
  WriteOutcome<PutAnswer> outcome = clients_.take()->put(key, value, condition, lifetime);
  co_await leave();
  co_return outcome;
}

AsyncClient::Awaitable<WriteOutcome<PutAnswer>> AsyncClient::put(std::string key,
                                                                 std::string value) {
  static const Condition always;
  static const Lifetime for_ever;
  return put(std::move(key), std::move(value), always, for_ever);
}

AsyncClient::Awaitable<WriteOutcome<DeleteAnswer>> AsyncClient::remove(std::string key,
                                                                       const Condition& condition) {
  co_await enter();
  WriteOutcome<DeleteAnswer> outcome = clients_.take()->remove(key, condition);
  co_await leave();
  co_return outcome;
}

AsyncClient::Awaitable<WriteOutcome<DeleteAnswer>> AsyncClient::remove(std::string key) {
  static const Condition always;
  return remove(std::move(key), always);
}

AsyncClient::Awaitable<WriteOutcome<TxnAnswer>> AsyncClient::transact(std::string json) {
  co_await enter();
  WriteOutcome<TxnAnswer> outcome = clients_.take()->transact(std::move(json));
  co_await leave();
  co_return outcome;
}

AsyncClient::Awaitable<ReadOutcome<Value>> AsyncClient::get(std::string key, const Moment& moment) {
  co_await enter();
  ReadOutcome<Value> outcome = clients_.take()->get(key, moment);
  co_await leave();
  co_return outcome;
}

AsyncClient::Awaitable<ReadOutcome<Value>> AsyncClient::get(std::string key) {
  static const Moment newest;
  return get(std::move(key), newest);
}

AsyncClient::Awaitable<ReadOutcome<ScanPage>> AsyncClient::scan(const ScanQuery& query) {
  co_await enter();
  ReadOutcome<ScanPage> outcome = clients_.take()->scan(query);
  co_await leave();
  co_return outcome;
}

AsyncClient::Awaitable<ReadOutcome<ClusterView>> AsyncClient::cluster() {
  co_await enter();
  ReadOutcome<ClusterView> outcome = clients_.take()->cluster();
  co_await leave();
  co_return outcome;
}

}  // namespace holdfast
