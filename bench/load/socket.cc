#include "bench/load/socket.h"

#include <cerrno>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <system_error>

#include <fmt/format.h>

namespace holdfast::load {
namespace {

std::unexpected<Error> unreachable(const Endpoint& endpoint, std::string_view why) {
  return fail(ErrorCode::kUnavailable,
              fmt::format("nobody answers at {}: {}", endpoint.authority(), why));
}

std::string words_of(int number) {
  return std::generic_category().message(number);
}

}  // namespace

Result<Descriptor> begin_connecting(const Endpoint& endpoint) {
  const addrinfo hints{.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* listed = nullptr;
  const int failed =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &listed);
  if (failed != 0) return unreachable(endpoint, ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(listed, &::freeaddrinfo);
  Descriptor socket(::socket(addresses->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return unreachable(endpoint, words_of(errno));
  const int on = 1;
  ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket.number(), addresses->ai_addr, addresses->ai_addrlen) != 0 &&
      errno != EINPROGRESS) {
    return unreachable(endpoint, words_of(errno));
  }
  return socket;
}

int connect_error(const Descriptor& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

Result<Descriptor> connect_now(const Endpoint& endpoint, Duration patience) {
  HOLDFAST_ASSIGN(Descriptor socket, begin_connecting(endpoint));
  pollfd waiting{.fd = socket.number(), .events = POLLOUT, .revents = 0};
  const auto patience_ms = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
  const int ready = ::poll(&waiting, 1, static_cast<int>(patience_ms));
  if (ready == 0) return unreachable(endpoint, "no connection in time");
  if (const int error = connect_error(socket); error != 0) {
    return unreachable(endpoint, words_of(error));
  }
  return socket;
}

}  // namespace holdfast::load
