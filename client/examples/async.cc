// Many calls at once from one thread, as coroutines of Boost.Asio.

#include <cstdio>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "client/async_client.h"

using holdfast::AsyncClient;
using holdfast::parse_endpoints;
using holdfast::PutAnswer;
using holdfast::ReadOutcome;
using holdfast::Value;
using holdfast::WriteOutcome;

namespace {

constexpr int kCoroutines = 50;
int done = 0;  // only the loop's thread counts

boost::asio::awaitable<void> store_and_read(AsyncClient& client, int number) {
  const std::string key = "examples/async/" + std::to_string(number);
  const WriteOutcome<PutAnswer> put = co_await client.put(key, std::to_string(number * number));
  if (!std::holds_alternative<PutAnswer>(put)) co_return;
  const ReadOutcome<Value> read = co_await client.get(key);
  if (read && read->bytes == std::to_string(number * number)) ++done;
}

}  // namespace

int main(int count, char** values) {
  const auto endpoints = parse_endpoints(count > 1 ? values[1] : "http://127.0.0.1:4653");
  if (!endpoints) return std::fprintf(stderr, "%s\n", endpoints.error().message.c_str()), 1;
  AsyncClient client({.endpoints = *endpoints}, 8);
  boost::asio::io_context loop;
  for (int i = 0; i < kCoroutines; ++i)
    boost::asio::co_spawn(loop, store_and_read(client, i), boost::asio::detached);
  loop.run();
  std::printf("%d of %d were stored and read back\n", done, kCoroutines);
  return done == kCoroutines ? 0 : 1;
}
