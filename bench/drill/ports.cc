#include "bench/drill/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace holdfast::drill {
namespace {

// Below the ports that Linux gives by itself, from 32768 on: an outgoing connection would have a
// node's port while the node is down, and it could not come back.
constexpr uint16_t kFirst = 10'000;
constexpr uint16_t kEnd = 32'768;
constexpr uint16_t kApart = 16;  // processes that start together seldom try the same ones

Descriptor bound(int type, uint16_t port) {
  Descriptor socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    socket.close();
  return socket;
}

}  // namespace

Ports::Ports()
    : next_(static_cast<uint16_t>(kFirst + ::getpid() % ((kEnd - kFirst) / kApart) * kApart)) {}

Result<uint16_t> Ports::take() {
  for (int tried = 0; tried < kEnd - kFirst; ++tried) {
    const uint16_t port = std::exchange(next_, next_ + 1 == kEnd ? kFirst : next_ + 1);
    // The nodes speak TCP only, so this keeps the number, and keeps nobody from listening.
    Descriptor number = bound(SOCK_DGRAM, port);
    if (!number.is_open() || !bound(SOCK_STREAM, port).is_open()) continue;
    held_.push_back(std::move(number));
    return port;
  }
  return fail(ErrorCode::kUnavailable, "no port of loopback is free");
}

}  // namespace holdfast::drill
