// One thread, one loop: a coroutine follows a prefix while another, under a lock, changes it.

#include <cstdio>
#include <exception>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "client/async_client.h"
#include "client/async_lock.h"

using holdfast::AsyncClient;
using holdfast::AsyncLock;
using holdfast::LockOptions;
using holdfast::OnLoss;
using holdfast::parse_endpoints;
using holdfast::PutAnswer;
using holdfast::ReadOutcome;
using holdfast::ScanPage;
using holdfast::ScanQuery;
using holdfast::WatchedRevision;
using holdfast::WatchQuery;

namespace {

constexpr int kChanges = 20;
int seen = 0;  // only the loop's thread counts

boost::asio::awaitable<void> change_under_lock(AsyncClient& client, LockOptions options) {
  OnLoss on_loss = [](const std::string& why) { std::fprintf(stderr, "stop: %s\n", why.c_str()); };
  auto outcome = co_await AsyncLock::acquire(std::move(options), std::move(on_loss));
  auto* lock = std::get_if<std::unique_ptr<AsyncLock>>(&outcome);
  if (lock == nullptr) co_return;
  for (int i = 0; i < kChanges && (*lock)->is_held(); ++i) {
    const auto put = co_await client.put("examples/async_follow/k", std::to_string(i));
    if (!std::holds_alternative<PutAnswer>(put)) std::fprintf(stderr, "one may be missing\n");
  }
  co_await (*lock)->release();
}

// Whatever it awaits here, the watch waits for it, and reads no more meanwhile.
boost::asio::awaitable<bool> take(const WatchedRevision& change) {
  seen += static_cast<int>(change.events.size());
  co_return seen < kChanges;
}

boost::asio::awaitable<void> follow(AsyncClient& client, LockOptions options) {
  const ScanQuery now{.prefix = "examples/async_follow/"};
  const ReadOutcome<ScanPage> page = co_await client.scan(now);
  if (!page) co_return;
  // Nothing is missed between the two.
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::co_spawn(executor, change_under_lock(client, options), boost::asio::detached);
  const WatchQuery query{.prefix = now.prefix, .from = page->revision + 1};
  const ReadOutcome<void> followed = co_await client.watch(query, take);
  if (!followed) std::fprintf(stderr, "%s\n", followed.error().message.c_str());
}

}  // namespace

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  AsyncClient client({.endpoints = *endpoints}, 4);
  LockOptions options{
      .cluster = {.endpoints = *endpoints}, .name = "examples/async_follow", .owner = "me"};
  options.wait = std::chrono::seconds(30);
  boost::asio::io_context loop;
  boost::asio::co_spawn(loop, follow(client, options), boost::asio::detached);
  loop.run();
  std::printf("%d changes were made and seen\n", seen);
  return seen == kChanges ? 0 : 1;
}
