#include "replication/transport/tcp_transport.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "storage/base/clock.h"

namespace holdfast {
namespace {

namespace net = boost::asio;

constexpr auto kPatience = std::chrono::seconds(10);

std::string free_address(net::io_context& loop) {
  net::ip::tcp::acceptor probe(loop, {net::ip::address_v4::loopback(), 0});
  return "127.0.0.1:" + std::to_string(probe.local_endpoint().port());
}

struct Peer {
  Peer(net::io_context& loop, uint64_t id, ClusterId cluster)
      : address(free_address(loop)),
        transport(loop,
                  Hello{kPeerProtocol, cluster, NodeId{id}, "n" + std::to_string(id), address},
                  Random(id)) {
    const Result<> listening = transport.listen(address);
    EXPECT_TRUE(listening.has_value());
    transport.start(
        kFirstGroup, [this](raft::Envelope envelope) { received.push_back(std::move(envelope)); },
        [this](NodeId peer) { gone.push_back(peer); });
  }
  raft::Member member(uint64_t id) const {
    return {NodeId{id}, "n" + std::to_string(id), address, true};
  }

  std::string address;
  std::vector<raft::Envelope> received;
  std::vector<NodeId> gone;
  TcpTransport transport;
};

raft::Envelope ping(uint64_t from, uint64_t to, uint64_t round) {
  return {NodeId{from}, NodeId{to}, Term{1}, raft::Heartbeat{{}, round}};
}

class TcpTransportTest : public testing::Test {
 protected:
  // Runs the loop until the condition holds, and sends `again` every few milliseconds meanwhile:
  // messages are best effort until a connection stands.
  template <class Condition>
  bool run_until(Condition condition, TcpTransport* sender = nullptr,
                 const std::vector<raft::Envelope>& again = {}) {
    const Instant deadline = SystemClock().now() + kPatience;
    while (!condition() && SystemClock().now() < deadline) {
      if (sender != nullptr) sender->send(again);
      loop_.run_for(std::chrono::milliseconds(2));
      loop_.restart();
    }
    return condition();
  }
  bool connect(Peer& from, Peer& to) {
    return run_until([&] { return !to.received.empty(); }, &from.transport, {ping(1, 2, 0)});
  }

  net::io_context loop_;
};

TEST_F(TcpTransportTest, DeliversInOrderOnceConnected) {
  Peer one(loop_, 1, ClusterId{9});
  Peer two(loop_, 2, ClusterId{9});
  one.transport.set_peers({two.member(2)});
  ASSERT_TRUE(connect(one, two));
  two.received.clear();
  for (uint64_t round = 1; round <= 1000; ++round) one.transport.send({ping(1, 2, round)});
  const auto is_last = [&] {
    return !two.received.empty() &&
           std::get<raft::Heartbeat>(two.received.back().body).round == 1000;
  };
  ASSERT_TRUE(run_until(is_last));
  uint64_t before = 0;
  for (const raft::Envelope& envelope : two.received) {
    const uint64_t round = std::get<raft::Heartbeat>(envelope.body).round;
    if (round == 0) continue;  // of connecting
    EXPECT_EQ(round, before + 1);
    before = round;
  }
}

TEST_F(TcpTransportTest, AnswersWhoItIsAlsoBeforeItHasACluster) {
  Peer one(loop_, 1, ClusterId{});
  Peer two(loop_, 2, ClusterId{});
  std::optional<Result<Hello>> heard;
  one.transport.greet(two.address, [&](Result<Hello> hello) { heard = std::move(hello); });
  ASSERT_TRUE(run_until([&] { return heard.has_value(); }));
  ASSERT_TRUE(heard->has_value());
  EXPECT_EQ((*heard)->node, NodeId{2});
  EXPECT_EQ((*heard)->peer_address, two.address);
}

TEST_F(TcpTransportTest, AGreetingToNobodyFailsAndNamesTheAddress) {
  Peer one(loop_, 1, ClusterId{});
  const std::string nowhere = free_address(loop_);
  std::optional<Result<Hello>> heard;
  one.transport.greet(nowhere, [&](Result<Hello> hello) { heard = std::move(hello); });
  ASSERT_TRUE(run_until([&] { return heard.has_value(); }));
  ASSERT_FALSE(heard->has_value());
  EXPECT_NE(heard->error().message.find(nowhere), std::string::npos);
}

TEST_F(TcpTransportTest, SendsNothingToANodeOfAnotherCluster) {
  Peer one(loop_, 1, ClusterId{9});
  Peer stranger(loop_, 2, ClusterId{8});
  Peer friendly(loop_, 3, ClusterId{9});
  one.transport.set_peers({stranger.member(2), friendly.member(3)});
  ASSERT_TRUE(run_until([&] { return friendly.received.size() >= 20; }, &one.transport,
                        {ping(1, 2, 0), ping(1, 3, 0)}));
  EXPECT_TRUE(stranger.received.empty());
}

// A node that took a dead one's address, or an emptied one, has another id.
TEST_F(TcpTransportTest, SendsNothingToAnotherNodeAtAMembersAddress) {
  Peer one(loop_, 1, ClusterId{9});
  Peer impostor(loop_, 5, ClusterId{9});
  Peer friendly(loop_, 3, ClusterId{9});
  one.transport.set_peers({impostor.member(2), friendly.member(3)});
  ASSERT_TRUE(run_until([&] { return friendly.received.size() >= 20; }, &one.transport,
                        {ping(1, 2, 0), ping(1, 3, 0)}));
  EXPECT_TRUE(impostor.received.empty());
}

TEST_F(TcpTransportTest, ConnectsAgainAfterAPeerCameBack) {
  Peer one(loop_, 1, ClusterId{9});
  auto two = std::make_unique<Peer>(loop_, 2, ClusterId{9});
  const std::string address = two->address;
  one.transport.set_peers({two->member(2)});
  ASSERT_TRUE(connect(one, *two));
  two.reset();
  loop_.poll();
  TcpTransport back(loop_, {kPeerProtocol, ClusterId{9}, NodeId{2}, "n2", address}, Random(4));
  ASSERT_TRUE(back.listen(address).has_value());
  size_t received = 0;
  back.start(kFirstGroup, [&](const raft::Envelope&) { ++received; }, nullptr);
  EXPECT_TRUE(run_until([&] { return received > 0; }, &one.transport, {ping(1, 2, 0)}));
}

TEST_F(TcpTransportTest, SaysOnceThatAPeersProcessIsGone) {
  Peer one(loop_, 1, ClusterId{9});
  auto two = std::make_unique<Peer>(loop_, 2, ClusterId{9});
  one.transport.set_peers({two->member(2)});
  ASSERT_TRUE(connect(one, *two));
  two.reset();
  EXPECT_TRUE(run_until([&] { return !one.gone.empty(); }, &one.transport, {ping(1, 2, 0)}));
  // It goes on dialling, and every further refusal says nothing new.
  size_t turns = 0;
  run_until([&] { return ++turns > 100; });
  EXPECT_EQ(one.gone, std::vector{NodeId{2}});
}

TEST_F(TcpTransportTest, APeerThatWasNeverThereIsNotGone) {
  Peer one(loop_, 1, ClusterId{9});
  Peer three(loop_, 3, ClusterId{9});
  raft::Member absent{NodeId{2}, "n2", free_address(loop_), true};
  one.transport.set_peers({absent, three.member(3)});
  ASSERT_TRUE(run_until([&] { return three.received.size() >= 50; }, &one.transport,
                        {ping(1, 2, 0), ping(1, 3, 0)}));
  EXPECT_TRUE(one.gone.empty());
}

// It was started at another address than the list has, and nobody else knows yet.
TEST_F(TcpTransportTest, AMemberThatDialsInIsFoundWhereItSaysItIs) {
  Peer one(loop_, 1, ClusterId{9});
  Peer two(loop_, 2, ClusterId{9});
  raft::Member before = two.member(2);
  before.peer_address = free_address(loop_);
  one.transport.set_peers({before});
  two.transport.set_peers({one.member(1)});
  ASSERT_TRUE(connect(one, two));
  // The list follows; the connection stays as it is.
  one.transport.set_peers({two.member(2)});
  two.received.clear();
  one.transport.send({ping(1, 2, 7)});
  EXPECT_TRUE(run_until([&] { return !two.received.empty(); }));
}

// A list that is older than its sender: a node that has just begun to catch up must answer its
// leader, and one that was removed must be told so.
TEST_F(TcpTransportTest, WhoDialsInAndIsNoMemberIsAnsweredAsLongAsItStays) {
  Peer one(loop_, 1, ClusterId{9});
  auto two = std::make_unique<Peer>(loop_, 2, ClusterId{9});
  one.transport.set_peers({});
  two->transport.set_peers({one.member(1)});
  ASSERT_TRUE(connect(one, *two));
  two.reset();
  run_until([&] { return one.transport.links() == 0; });
  EXPECT_EQ(one.transport.links(), 0u);
}

TEST_F(TcpTransportTest, StrangersWhoDialInAreNotSentTo) {
  Peer one(loop_, 1, ClusterId{9});
  Peer stranger(loop_, 2, ClusterId{8});
  Peer friendly(loop_, 3, ClusterId{9});
  one.transport.set_peers({friendly.member(3)});
  stranger.transport.set_peers({one.member(1)});
  size_t most = 0;
  const auto is_done = [&] {
    most = std::max(most, one.transport.links());
    return friendly.received.size() >= 20;
  };
  ASSERT_TRUE(run_until(is_done, &one.transport, {ping(1, 2, 0), ping(1, 3, 0)}));
  EXPECT_EQ(most, 1u) << "it was not even dialled";
  EXPECT_TRUE(stranger.received.empty());
}

TEST_F(TcpTransportTest, ADetourGoesBeforeTheAddressThatIsListed) {
  Peer one(loop_, 1, ClusterId{9});
  Peer two(loop_, 2, ClusterId{9});
  Peer proxied(loop_, 3, ClusterId{9});
  // Where 2 says it is, another node listens; it is reached by its own address all the same.
  one.transport.set_detours({{proxied.address, two.address}});
  raft::Member member = two.member(2);
  member.peer_address = proxied.address;
  one.transport.set_peers({member});
  EXPECT_TRUE(connect(one, two));
}

TEST_F(TcpTransportTest, ConnectionsThatSpeakNonsenseEndAndDisturbNobody) {
  Peer one(loop_, 1, ClusterId{9});
  Peer two(loop_, 2, ClusterId{9});
  const Result<HostPort> target = parse_host_port(two.address);
  net::ip::tcp::socket socket(loop_);
  socket.connect(
      {net::ip::make_address(target->host), static_cast<uint16_t>(std::stoi(target->port))});
  const std::string nonsense = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(100, 'x');
  net::write(socket, net::buffer(nonsense));
  bool ended = false;
  char byte = 0;
  socket.async_read_some(net::buffer(&byte, 1),
                         [&](boost::system::error_code code, size_t) { ended = bool(code); });
  EXPECT_TRUE(run_until([&] { return ended; }));
  one.transport.set_peers({two.member(2)});
  EXPECT_TRUE(connect(one, two));
}

TEST_F(TcpTransportTest, MorePeersThanTheLimitAreTurnedAway) {
  Peer two(loop_, 2, ClusterId{9});
  const Result<HostPort> target = parse_host_port(two.address);
  const net::ip::tcp::endpoint endpoint(net::ip::make_address(target->host),
                                        static_cast<uint16_t>(std::stoi(target->port)));
  // Dials in and greets; true: it was greeted.
  std::vector<net::ip::tcp::socket> sockets;
  const auto is_taken = [&] {
    sockets.emplace_back(loop_).connect(endpoint);
    std::string hello;
    encode_hello(Hello{kPeerProtocol, ClusterId{9}, NodeId{sockets.size() + 10}, "peer", ""},
                 hello);
    boost::system::error_code ignored;  // who is turned away may be so before it has spoken
    net::write(sockets.back(), net::buffer(hello), ignored);
    std::optional<size_t> came;
    char byte = 0;
    sockets.back().async_read_some(net::buffer(&byte, 1),
                                   [&](boost::system::error_code, size_t count) { came = count; });
    EXPECT_TRUE(run_until([&] { return came.has_value(); }));
    return came == 1;
  };
  sockets.reserve(TcpTransport::kConnectionsMax + 100);
  for (size_t i = 0; i < TcpTransport::kConnectionsMax; ++i) ASSERT_TRUE(is_taken()) << i;
  EXPECT_FALSE(is_taken());
  sockets.erase(sockets.begin());
  bool again = false;
  EXPECT_TRUE(run_until([&] { return again = again || is_taken(); }));
}

TEST(PeerAddress, IsOneThatOthersCanReach) {
  for (const char* fine : {"127.0.0.1:1", "db-1.example:4654", "[::1]:4654"})
    EXPECT_TRUE(check_peer_address(fine).has_value()) << fine;
  for (const char* wrong : {"0.0.0.0:4654", "[::]:4654", "n1"})
    EXPECT_FALSE(check_peer_address(wrong).has_value()) << wrong;
}

TEST(HostPort, IsReadOrRefusedWithItsForm) {
  EXPECT_EQ(parse_host_port("127.0.0.1:80")->port, "80");
  EXPECT_EQ(parse_host_port("[::1]:4654")->host, "::1");
  for (const char* wrong : {"", "x", "x:", ":1", "x:0", "x:65536", "x:1x", "x:-1"}) {
    const Result<HostPort> parsed = parse_host_port(wrong);
    ASSERT_FALSE(parsed.has_value()) << wrong;
    EXPECT_NE(parsed.error().message.find("a port from 1 to 65535"), std::string::npos);
  }
}

}  // namespace
}  // namespace holdfast
