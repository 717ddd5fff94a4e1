#include "bench/drill/ports.h"

#include <fstream>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>

#include <gtest/gtest.h>

namespace holdfast::drill {
namespace {

TEST(Ports, NobodyElseGetsOneThatIsHeld) {
  Ports ours;
  Ports others;  // begins where the first does
  std::set<uint16_t> given;
  for (int i = 0; i < 20; ++i) {
    for (Ports* const ports : {&ours, &others}) {
      const Result<uint16_t> port = ports->take();
      ASSERT_TRUE(port.has_value());
      EXPECT_TRUE(given.insert(*port).second) << *port << " twice";
    }
  }
}

TEST(Ports, AreNoneThatTheSystemGives) {
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  int first = 0;
  ASSERT_TRUE(range >> first);
  if (first < 32'768) GTEST_SKIP() << "this system gives ports from " << first << " on";
  Ports ports;
  EXPECT_LT(*ports.take(), first);
}

TEST(Ports, ANodeListensOnWhatIsHeldAndNoneIsGivenWhereOneListens) {
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  uint16_t taken = 0;
  {
    Ports before;
    taken = *before.take();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(taken);
    ASSERT_EQ(
        ::bind(listener.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener.number(), 1), 0);
  }
  Ports after;  // begins where the one before did
  EXPECT_NE(*after.take(), taken);
}

}  // namespace
}  // namespace holdfast::drill
