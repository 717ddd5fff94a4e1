#include "tests/load/paced_server_fixture.h"

#include <algorithm>
#include <deque>
#include <list>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "storage/base/check.h"

namespace holdfast::load {

struct PacedServer::Peer {
  struct Due {
    Instant at;
    std::string bytes;
    uint64_t number;
  };
  uint64_t number = 0;
  Descriptor socket;
  std::string received;
  std::deque<Due> due;
};

std::string http_ok(const std::string& body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

PacedServer::PacedServer(std::function<PacedAnswer(uint64_t)> script)
    : script_(std::move(script)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  CHECK(::bind(listener_.number(), generic, size) == 0);
  CHECK(::listen(listener_.number(), 128) == 0);
  CHECK(::getsockname(listener_.number(), generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

PacedServer::~PacedServer() {
  const uint64_t one = 1;
  CHECK(::write(stop_.number(), &one, sizeof one) == sizeof one);
  thread_.join();
}

std::vector<Served> PacedServer::served() const {
  const std::lock_guard lock(mutex_);
  return served_;
}

uint64_t PacedServer::add_served(const Served& one) {
  const std::lock_guard lock(mutex_);
  served_.push_back(one);
  return served_.size() - 1;
}

void PacedServer::set_answered(uint64_t number, Instant now) {
  const std::lock_guard lock(mutex_);
  served_[number].answered = now;
}

void PacedServer::serve() {
  ::prctl(PR_SET_TIMERSLACK, 1);
  const SystemClock clock;
  std::list<Peer> peers;
  uint64_t accepted = 0;
  while (true) {
    Instant next = clock.now() + std::chrono::seconds(1);
    std::vector<pollfd> waiting{{.fd = stop_.number(), .events = POLLIN},
                                {.fd = listener_.number(), .events = POLLIN}};
    for (const Peer& peer : peers) {
      waiting.push_back({.fd = peer.socket.number(), .events = POLLIN});
      if (!peer.due.empty()) next = std::min(next, peer.due.front().at);
    }
    const Duration patience =
        std::clamp(next - clock.now(), Duration::zero(), Duration(std::chrono::milliseconds(900)));
    const timespec timeout{.tv_sec = 0, .tv_nsec = patience.count()};
    ::ppoll(waiting.data(), waiting.size(), &timeout, nullptr);
    if (waiting[0].revents != 0) return;
    size_t i = 2;
    std::erase_if(peers, [&](Peer& peer) {
      const bool has_come = waiting[i++].revents != 0;
      return (has_come && !read_requests(peer)) || !send_due(peer, clock.now());
    });
    if (waiting[1].revents == 0) continue;
    peers.push_back(
        {.number = accepted++,
         .socket = Descriptor(::accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC))});
    const int on = 1;
    ::setsockopt(peers.back().socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
}

bool PacedServer::read_requests(Peer& peer) {
  std::vector<char> buffer(64 << 10);
  const ssize_t count = ::recv(peer.socket.number(), buffer.data(), buffer.size(), 0);
  if (count <= 0) return false;
  peer.received.append(buffer.data(), static_cast<size_t>(count));
  const SystemClock clock;
  const Instant received = clock.now();
  while (true) {
    const size_t end = peer.received.find("\r\n\r\n");
    if (end == std::string::npos) return true;
    size_t whole = end + 4;
    const size_t length = peer.received.find("Content-Length: ");
    if (length < end) whole += std::stoul(peer.received.substr(length + 16));
    if (peer.received.size() < whole) return true;
    peer.received.erase(0, whole);
    const uint64_t number = add_served({.connection = peer.number, .received = received});
    PacedAnswer answer = script_(number);
    peer.due.push_back({clock.now() + answer.after, std::move(answer.bytes), number});
  }
}

bool PacedServer::send_due(Peer& peer, Instant now) {
  for (; !peer.due.empty() && peer.due.front().at <= now; peer.due.pop_front()) {
    const std::string& bytes = peer.due.front().bytes;
    set_answered(peer.due.front().number, now);
    if (bytes.empty()) return false;
    if (::send(peer.socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return false;
  }
  return true;
}

}  // namespace holdfast::load
