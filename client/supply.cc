#include "client/supply.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <system_error>

#include <fmt/format.h>

#include "storage/base/check.h"

namespace holdfast {
namespace {

// Which of the events are there, 0 when it is too late.
short wait_for(const Readiness& need, const Clock& clock) {
  while (true) {
    const Duration left = need.until - clock.now();
    if (left <= Duration::zero()) return 0;
    const auto whole = std::chrono::floor<std::chrono::seconds>(left);
    const timespec patience{.tv_sec = whole.count(), .tv_nsec = (left - whole).count()};
    pollfd entry{.fd = need.fd, .events = need.events, .revents = 0};
    const int ready = ::ppoll(&entry, 1, &patience, nullptr);
    if (ready > 0) return entry.revents;
    CHECK(ready == 0 || errno == EINTR, "ppoll: {}", std::generic_category().message(errno));
  }
}

Result<std::vector<SocketAddress>> look_up(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* first = nullptr;
  const int error =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &first);
  if (error != 0) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("no address for '{}': {}", endpoint.host, ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> freed(first, &::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    address.size = one->ai_addrlen;
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
  }
  return addresses;
}

}  // namespace

Supply supply_connection(const Need& need, const Clock& clock) {
  Supply supply;
  if (const auto* const readiness = std::get_if<Readiness>(&need)) {
    supply.events = wait_for(*readiness, clock);
  } else {
    supply.found = look_up(*std::get<Lookup>(need).endpoint);
  }
  return supply;
}

Supply supply_call(const Need& need, const Clock& clock,
                   const std::function<void(Duration)>& wait) {
  const auto* const pause = std::get_if<Pause>(&need);
  if (pause == nullptr) return supply_connection(need, clock);
  wait(pause->length);
  return {};
}

}  // namespace holdfast
