#include "replication/transport/timed_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <utility>

#include <fmt/core.h>

#include "replication/transport/frame.h"
#include "storage/base/check.h"

namespace holdfast {
namespace {

std::unexpected<Error> unavailable(const std::string& why) {
  return fail(ErrorCode::kUnavailable, why);
}

// Rounded up, so that nobody wakes before the time and spins.
int poll_milliseconds(Duration duration) {
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<int64_t>(rounded, 0, 1'000'000));
}

struct FreeAddresses {
  void operator()(addrinfo* first) const { ::freeaddrinfo(first); }
};

}  // namespace

Interrupt::Interrupt() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(event_.number() >= 0, "no event descriptor: {}", std::strerror(errno));
}

void Interrupt::raise() {
  raised_.store(true, std::memory_order_release);
  ::eventfd_write(event_.number(), 1);
}

void Interrupt::clear() {
  eventfd_t ignored = 0;
  ::eventfd_read(event_.number(), &ignored);
  raised_.store(false, std::memory_order_release);
}

void Interrupt::wait(Duration duration) const {
  pollfd event{event_.number(), POLLIN, 0};
  ::poll(&event, 1, poll_milliseconds(duration));
}

TimedSocket::TimedSocket(Descriptor connected, const Clock& clock, const Interrupt& interrupt)
    : socket_(std::move(connected)), clock_(&clock), interrupt_(&interrupt) {
  const int number = socket_.number();
  ::fcntl(number, F_SETFL, ::fcntl(number, F_GETFL) | O_NONBLOCK);
  const int on = 1;  // refused, it costs speed only
  ::setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Result<TimedSocket> TimedSocket::dial(const std::string& host, const std::string& port,
                                      const Clock& clock, const Interrupt& interrupt,
                                      Duration patience) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  const int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &first);
  if (code != 0) return unavailable(::gai_strerror(code));
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(first);
  const Instant deadline = clock.now() + patience;
  std::string why = "it has no address";
  for (const addrinfo* address = first; address != nullptr; address = address->ai_next) {
    Descriptor made(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (made.number() < 0) return unavailable(std::strerror(errno));
    TimedSocket socket(std::move(made), clock, interrupt);
    const int number = socket.socket_.number();
    if (::connect(number, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
      why = std::strerror(errno);
      continue;
    }
    HOLDFAST_TRY(socket.wait_for(POLLOUT, deadline));
    int error = 0;
    socklen_t error_bytes = sizeof error;
    ::getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
    if (error == 0) return socket;
    why = std::strerror(error);
  }
  return unavailable(why);
}

Result<> TimedSocket::wait_for(short events, Instant deadline) const {
  for (;;) {
    if (interrupt_->raised()) return unavailable("it was called off");
    const Duration left = deadline - clock_->now();
    if (left <= Duration(0)) return unavailable("no progress in time");
    std::array<pollfd, 2> watched{pollfd{socket_.number(), events, 0},
                                  pollfd{interrupt_->descriptor(), POLLIN, 0}};
    ::poll(watched.data(), watched.size(), poll_milliseconds(left));
    if (watched[0].revents != 0 && !interrupt_->raised()) return {};
  }
}

Result<> TimedSocket::send(std::string_view bytes, Duration patience) {
  const Instant deadline = clock_->now() + patience;
  while (!bytes.empty()) {
    HOLDFAST_TRY(wait_for(POLLOUT, deadline));
    const ssize_t sent = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      return unavailable(std::strerror(errno));
    }
  }
  return {};
}

Result<std::string> TimedSocket::receive(size_t count, Duration patience) {
  const Instant deadline = clock_->now() + patience;
  std::string bytes(count, '\0');
  size_t have = 0;
  while (have < count) {
    HOLDFAST_TRY(wait_for(POLLIN, deadline));
    const ssize_t got = ::recv(socket_.number(), bytes.data() + have, count - have, 0);
    if (got == 0) return unavailable("the connection ended");
    if (got > 0) {
      have += static_cast<size_t>(got);
    } else if (errno != EAGAIN && errno != EINTR) {
      return unavailable(std::strerror(errno));
    }
  }
  return bytes;
}

Result<std::string> TimedSocket::receive_frame(size_t part_bytes_max, Duration patience) {
  HOLDFAST_ASSIGN(std::string frame, receive(kFrameHeadBytes, patience));
  HOLDFAST_ASSIGN(const size_t body_bytes, frame_body_bytes(frame, part_bytes_max));
  HOLDFAST_ASSIGN(const std::string body, receive(body_bytes, patience));
  return frame + body;
}

bool TimedSocket::has_news() const {
  pollfd watched{socket_.number(), POLLIN, 0};
  return ::poll(&watched, 1, 0) > 0;
}

void TimedSocket::close_gently(Duration patience) {
  ::shutdown(socket_.number(), SHUT_WR);
  const Instant deadline = clock_->now() + patience;
  std::string unread(64 << 10, '\0');
  while (wait_for(POLLIN, deadline)) {
    const ssize_t got = ::recv(socket_.number(), unread.data(), unread.size(), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
  }
}

void say_and_close(Descriptor connection, std::string_view bytes) {
  ::send(connection.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(connection.number(), SHUT_WR);
}

}  // namespace holdfast
