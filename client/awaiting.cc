#include "client/awaiting.h"

#include <cstring>
#include <memory>
#include <poll.h>
#include <string>
#include <tuple>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace holdfast {
namespace net = boost::asio;

namespace {

using boost::system::error_code;

// A socket of somebody else's, which the loop looks at as long as this lives.
class WatchedSocket {
 public:
  WatchedSocket(const net::any_io_executor& executor, int fd)
      : socket_(executor, fd), alarm_(executor) {}
  ~WatchedSocket() { release(); }
  WatchedSocket(const WatchedSocket&) = delete;
  WatchedSocket& operator=(const WatchedSocket&) = delete;

  net::steady_timer& alarm() { return alarm_; }
  void release() {
    if (socket_.is_open()) socket_.release();
  }
  // Rings the alarm when one of `events` is there.
  static void ring_at(const std::shared_ptr<WatchedSocket>& self, short events) {
    const auto ring = [self](error_code error) {
      if (!error) self->alarm_.cancel();
    };
    if ((events & POLLIN) != 0)
      self->socket_.async_wait(net::posix::descriptor_base::wait_read, ring);
    if ((events & POLLOUT) != 0)
      self->socket_.async_wait(net::posix::descriptor_base::wait_write, ring);
  }

 private:
  net::posix::stream_descriptor socket_;
  net::steady_timer alarm_;
};

// What waits in the loop holds on to the socket: it is let go when nobody waits for it any more.
struct Letting {
  WatchedSocket& socket;
  ~Letting() { socket.release(); }
};

Awaitable<short> ready(Readiness need) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  for (;;) {
    pollfd entry{.fd = need.fd, .events = need.events, .revents = 0};
    if (::poll(&entry, 1, 0) > 0) co_return entry.revents;
    if (SystemClock().now() >= need.until) co_return short{0};
    const auto watched = std::make_shared<WatchedSocket>(executor, need.fd);
    const Letting letting{*watched};
    watched->alarm().expires_at(need.until);
    WatchedSocket::ring_at(watched, need.events);
    co_await watched->alarm().async_wait(net::as_tuple(net::use_awaitable));
  }
}

Awaitable<Result<std::vector<SocketAddress>>> look_up_awaited(Endpoint endpoint) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  net::ip::tcp::resolver resolver(executor);
  const std::string port = std::to_string(endpoint.port);
  const auto answer =
      co_await resolver.async_resolve(endpoint.host, port, net::ip::resolver_base::numeric_service,
                                      net::as_tuple(net::use_awaitable));
  if (const error_code error = std::get<0>(answer); error)
    co_return fail(ErrorCode::kUnavailable,
                   fmt::format("no address for '{}': {}", endpoint.host, error.message()));
  std::vector<SocketAddress> addresses;
  for (const auto& result : std::get<1>(answer)) {
    const net::ip::tcp::endpoint found = result.endpoint();
    SocketAddress& address = addresses.emplace_back();
    address.size = static_cast<socklen_t>(found.size());
    std::memcpy(&address.bytes, found.data(), found.size());
  }
  co_return addresses;
}

Awaitable<void> pause_for(Duration length) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  net::steady_timer alarm(executor);
  alarm.expires_after(length);
  co_await alarm.async_wait(net::use_awaitable);
}

}  // namespace

Awaitable<Supply> supply_awaited(Need need) {
  Supply supply;
  if (const auto* const readiness = std::get_if<Readiness>(&need)) {
    supply.events = co_await ready(*readiness);
  } else if (const auto* const pause = std::get_if<Pause>(&need)) {
    co_await pause_for(pause->length);
  } else {
    Awaitable<Result<std::vector<SocketAddress>>> looking =
        look_up_awaited(*std::get<Lookup>(need).endpoint);
    supply.found = co_await std::move(looking);
  }
  co_return supply;
}

}  // namespace holdfast
