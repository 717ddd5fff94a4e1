// Links that are cut, healed and slow, between real sockets of loopback.

#include "bench/drill/proxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "storage/base/descriptor.h"

namespace holdfast::drill {
namespace {

using std::chrono::milliseconds;

Descriptor tcp_socket() {
  return Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Answers each byte with the same, one connection after the other.
class Echo {
 public:
  Echo() : listener_(tcp_socket()) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_.number(), raw, size), 0);
    EXPECT_EQ(::listen(listener_.number(), 8), 0);
    EXPECT_EQ(::getsockname(listener_.number(), raw, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Echo() {
    ::shutdown(listener_.number(), SHUT_RDWR);
    thread_.join();
  }
  uint16_t port() const { return port_; }

 private:
  void run() {
    while (true) {
      const Descriptor one(::accept(listener_.number(), nullptr, nullptr));
      if (!one.is_open()) return;
      char byte = 0;
      while (::recv(one.number(), &byte, 1, 0) == 1) ::send(one.number(), &byte, 1, MSG_NOSIGNAL);
    }
  }

  Descriptor listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

class ProxyTest : public testing::Test {
 protected:
  Descriptor dial(Proxy::Link link) {
    Descriptor socket = tcp_socket();
    const sockaddr_in address = loopback(proxy_.port(link));
    EXPECT_EQ(
        ::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  Proxy::Link link_to_echo() {
    const Result<Proxy::Link> link = proxy_.add(echo_.port());
    EXPECT_TRUE(link.has_value());
    return *link;
  }
  static void say(const Descriptor& socket, char byte) {
    EXPECT_EQ(::send(socket.number(), &byte, 1, MSG_NOSIGNAL), 1);
  }
  static bool hears_within(const Descriptor& socket, int ms) {
    pollfd entry{.fd = socket.number(), .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, ms) == 1;
  }
  // What comes; '\0': the end.
  static char heard(const Descriptor& socket) {
    EXPECT_TRUE(hears_within(socket, 20'000));
    char byte = 0;
    return ::recv(socket.number(), &byte, 1, 0) == 1 ? byte : '\0';
  }

  Echo echo_;
  Proxy proxy_{1};
};

TEST_F(ProxyTest, AnOpenLinkCarriesBothDirections) {
  const Descriptor socket = dial(link_to_echo());
  say(socket, 'a');
  EXPECT_EQ(heard(socket), 'a');
}

TEST_F(ProxyTest, ACutIsSilenceAndWhatWasSaidComesWhenItHeals) {
  const Proxy::Link link = link_to_echo();
  const Descriptor socket = dial(link);
  say(socket, 'a');
  EXPECT_EQ(heard(socket), 'a');
  proxy_.set({link}, {.is_cut = true});
  say(socket, 'b');
  EXPECT_FALSE(hears_within(socket, 50));
  proxy_.set({link}, {});
  EXPECT_EQ(heard(socket), 'b');
}

TEST_F(ProxyTest, AConnectionThatBeginsInACutIsServedWhenItHeals) {
  const Proxy::Link link = link_to_echo();
  proxy_.set({link}, {.is_cut = true});
  const Descriptor socket = dial(link);
  say(socket, 'a');
  EXPECT_FALSE(hears_within(socket, 50));
  proxy_.set({link}, {});
  EXPECT_EQ(heard(socket), 'a');
}

TEST_F(ProxyTest, OneLinkFailsByItself) {
  const Proxy::Link cut = link_to_echo();
  Echo other;
  const Result<Proxy::Link> open = proxy_.add(other.port());
  ASSERT_TRUE(open.has_value());
  proxy_.set({cut}, {.is_cut = true});
  const Descriptor socket = dial(*open);
  say(socket, 'a');
  EXPECT_EQ(heard(socket), 'a');
}

TEST_F(ProxyTest, WhatIsDelayedComesInOrderAndANewRuleLetsItGo) {
  const Proxy::Link link = link_to_echo();
  const Descriptor socket = dial(link);
  proxy_.set({link}, {.delay = milliseconds(5), .jitter = milliseconds(10)});
  for (char byte = 'a'; byte <= 'z'; ++byte) say(socket, byte);
  for (char byte = 'a'; byte <= 'z'; ++byte) EXPECT_EQ(heard(socket), byte);
  // An hour: it comes only because the rule that held it is gone.
  proxy_.set({link}, {.delay = std::chrono::hours(1)});
  say(socket, 'A');
  EXPECT_FALSE(hears_within(socket, 50));
  proxy_.set({link}, {});
  EXPECT_EQ(heard(socket), 'A');
}

TEST_F(ProxyTest, WhereNobodyListensTheConnectionEnds) {
  uint16_t port = 0;
  {
    const Echo gone;
    port = gone.port();
  }
  const Result<Proxy::Link> link = proxy_.add(port);
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(heard(dial(*link)), '\0');
}

}  // namespace
}  // namespace holdfast::drill
