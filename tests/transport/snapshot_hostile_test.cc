// What no honest end says, said by hand.

#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replication/transport/frame.h"
#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "tests/transport/snapshot_fixture.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr Duration kWaits = kTestPatience;

// One end of a connection, without a mind of its own.
class Puppet {
 public:
  explicit Puppet(const std::string& address) {
    const Result<HostPort> target = parse_host_port(address);
    Result<TimedSocket> socket =
        TimedSocket::dial(target->host, target->port, clock_, interrupt_, kWaits);
    CHECK(socket.has_value());
    socket_.emplace(*std::move(socket));
  }
  explicit Puppet(Descriptor accepted) { socket_.emplace(std::move(accepted), clock_, interrupt_); }

  void say(std::string_view bytes) { EXPECT_TRUE(socket_->send(bytes, kWaits).has_value()); }
  Result<std::string> hear() { return socket_->receive_frame(1 << 20, kWaits); }
  void hang_up() { socket_.reset(); }

  // Greets as node 1, the leader of `term`.
  void greet(const Hello& self = {kPeerProtocol, kTestCluster, NodeId{1}, "n1", "", Term{5}}) {
    std::string greeting;
    encode_hello(self, greeting);
    say(greeting);
  }
  std::optional<SnapshotAnswer> answer() {
    const Result<std::string> frame = hear();
    if (!frame) return std::nullopt;
    Result<SnapshotAnswer> read = read_answer(*frame);
    if (!read) return std::nullopt;
    return *read;
  }
  // The reason of the refusal that comes next.
  SnapshotRefused refusal() {
    const std::optional<SnapshotAnswer> said = answer();
    if (!said || !std::holds_alternative<SnapshotRefused>(*said))
      return {"it did not refuse", true};
    return std::get<SnapshotRefused>(*said);
  }
  bool connection_ends() { return !socket_->receive(1, kWaits).has_value(); }

 private:
  SystemClock clock_;
  Interrupt interrupt_;
  std::optional<TimedSocket> socket_;
};

SnapshotOffer offer_of(std::vector<SnapshotFile> files) {
  return {kFirstGroup, NodeId{2}, 1234, kTestPosition, std::move(files)};
}

std::string piece(const SnapshotPlace& place, const std::string& bytes) {
  return encode_piece_head(place, bytes) + bytes;
}

class HostileSender : public testing::Test {
 protected:
  void SetUp() override { node_.start(); }
  void TearDown() override {
    // Whatever was said: nothing was announced, and an honest sender is served.
    EXPECT_EQ(node_.arrived.all().size(), arrivals_);
    SendingNode honest(Files{{"a", "1"}}, NodeId{3});
    honest.start();
    EXPECT_TRUE(honest.deliver(node_.address(), Term{6}));
    EXPECT_EQ(node_.directory.names().size(), arrivals_ + 1);
  }
  // A connection on which the greetings were said, and then `offer`.
  std::unique_ptr<Puppet> caller(const std::string& offer) {
    auto puppet = std::make_unique<Puppet>(node_.address());
    puppet->greet();
    EXPECT_TRUE(puppet->hear().has_value());
    puppet->say(offer);
    return puppet;
  }
  std::unique_ptr<Puppet> caller(const SnapshotOffer& offer) { return caller(encode_offer(offer)); }

  ReceivingNode node_;
  size_t arrivals_ = 0;
};

TEST_F(HostileSender, NamesThatLeadElsewhereAreRefused) {
  for (const std::string name :
       {"", ".", "..", "../a", "a/b", "/etc/passwd", ".hidden", "a b", "a\n", "\xc3\xa4"}) {
    const SnapshotRefused refused = caller(offer_of({{"fine", 1}, {name, 1}}))->refusal();
    EXPECT_THAT(refused.reason, HasSubstr("name")) << name;
    EXPECT_FALSE(refused.may_dial_again);
  }
  EXPECT_THAT(caller(offer_of({{std::string(65, 'a'), 1}}))->refusal().reason, HasSubstr("name"));
  EXPECT_THAT(caller(offer_of({{"a", 1}, {"a", 1}}))->refusal().reason,
              HasSubstr("two files named a"));
  EXPECT_THAT(node_.directory.names(), IsEmpty());
}

TEST_F(HostileSender, SizesThatOverflowAreRefused) {
  for (const uint64_t size : {UINT64_MAX, UINT64_MAX / 2 + 1, kSnapshotBytesMax / 2 + 1})
    EXPECT_THAT(caller(offer_of({{"a", size}, {"b", size}}))->refusal().reason, HasSubstr("bytes"));
  std::vector<SnapshotFile> many(kSnapshotFilesMax + 1);
  for (size_t i = 0; i < many.size(); ++i) many[i] = {std::to_string(i), 0};
  EXPECT_THAT(caller(offer_of(std::move(many)))->refusal().reason, HasSubstr("files"));
}

TEST_F(HostileSender, SnapshotsForOthersAreRefused) {
  SnapshotOffer offer = offer_of({{"a", 1}});
  offer.to = NodeId{7};
  EXPECT_THAT(caller(offer)->refusal().reason, HasSubstr("another node or group"));
  offer = offer_of({{"a", 1}});
  offer.group = GroupId{2};
  EXPECT_THAT(caller(offer)->refusal().reason, HasSubstr("another node or group"));
}

TEST_F(HostileSender, StrangersAreNotTakenForPeers) {
  for (const Hello& hello : {Hello{kPeerProtocol, ClusterId{8}, NodeId{1}, "n1", "", Term{5}},
                             Hello{kPeerProtocol, ClusterId{}, NodeId{1}, "n1", "", Term{5}},
                             Hello{kPeerProtocol, kTestCluster, NodeId{2}, "itself", "", Term{5}},
                             Hello{kPeerProtocol, kTestCluster, NodeId{}, "nobody", "", Term{5}}}) {
    Puppet puppet(node_.address());
    puppet.greet(hello);
    EXPECT_TRUE(puppet.connection_ends());
  }
  Puppet hasty(node_.address());
  std::string greeting;
  encode_hello({kPeerProtocol, kTestCluster, NodeId{1}, "n1", "", Term{5}}, greeting);
  hasty.say(greeting + encode_offer(offer_of({{"a", 1}})));
  EXPECT_TRUE(hasty.connection_ends());
}

TEST_F(HostileSender, FramesThatAreNoneEndTheConnectionAtOnce) {
  std::string huge = encode_offer(offer_of({}));
  huge[4 + 3] = 0x7f;  // the highest byte of the message's length, which is not waited for
  EXPECT_THAT(caller(huge)->refusal().reason, HasSubstr("larger than any"));
  std::string damaged = encode_offer(offer_of({{"a", 1}}));
  damaged.back() ^= 1;
  EXPECT_THAT(caller(damaged)->refusal().reason, HasSubstr("checksum"));
  EXPECT_THAT(caller(std::string(100, 'x'))->refusal().reason, HasSubstr("peer protocol"));
  EXPECT_THAT(caller(encode_end({{1, 2, 3}}))->refusal().reason, HasSubstr("out of turn"));
  const std::string whole = encode_offer(offer_of({{"a", 1}}));
  for (const size_t cut : {size_t{0}, size_t{5}, kFrameHeadBytes, whole.size() - 1})
    caller(whole.substr(0, cut))->hang_up();
}

TEST_F(HostileSender, PiecesOutOfPlaceAreNotTaken) {
  const SnapshotOffer offer = offer_of({{"a", kSnapshotPieceBytes + 10}, {"b", 10}});
  const std::string bytes(kSnapshotPieceBytes, 'a');
  for (const SnapshotPlace& place :
       {SnapshotPlace{0, 1}, SnapshotPlace{1, 0}, SnapshotPlace{0, kSnapshotPieceBytes},
        SnapshotPlace{UINT32_MAX, UINT64_MAX}}) {
    const auto puppet = caller(offer);
    ASSERT_EQ(std::get<SnapshotPlace>(puppet->answer().value()), SnapshotPlace{});
    puppet->say(piece(place, bytes));
    const SnapshotRefused refused = puppet->refusal();
    EXPECT_THAT(refused.reason, HasSubstr("not the one that comes next"));
    EXPECT_TRUE(refused.may_dial_again);
  }
  const auto puppet = caller(offer);
  ASSERT_TRUE(puppet->answer().has_value());
  std::string damaged = piece({}, bytes);
  damaged[kSnapshotPieceHeadBytes + 100] ^= 1;
  puppet->say(damaged);
  EXPECT_THAT(puppet->refusal().reason, HasSubstr("checksum"));
}

TEST_F(HostileSender, WrongChecksumsAtTheEndRefuseAll) {
  const SnapshotOffer offer = offer_of({{"a", 3}});
  for (const SnapshotEnd& end :
       {SnapshotEnd{{checksum("xyz") + 1}}, SnapshotEnd{}, SnapshotEnd{{checksum("xyz"), 0}}}) {
    const auto puppet = caller(offer);
    ASSERT_EQ(std::get<SnapshotPlace>(puppet->answer().value()), SnapshotPlace{});
    puppet->say(piece({}, "xyz") + encode_end(end));
    EXPECT_FALSE(puppet->refusal().may_dial_again);
    EXPECT_THAT(node_.directory.names(), IsEmpty());
  }
}

// The same id with other files is another snapshot.
TEST_F(HostileSender, AnIdThatIsUsedTwiceIsNotGoneOnWith) {
  const auto first = caller(offer_of({{"a", 3}, {"b", 3}}));
  ASSERT_TRUE(first->answer().has_value());
  first->say(piece({}, "xyz"));
  first->hang_up();
  const auto second = caller(offer_of({{"c", 3}, {"b", 3}}));
  EXPECT_EQ(std::get<SnapshotPlace>(second->answer().value()), SnapshotPlace{});
}

// The answer to the end was lost with the connection.
TEST_F(HostileSender, WhatIsStoredIsAnnouncedOnceAndSaidAgain) {
  const SnapshotOffer offer = offer_of({{"a", 3}});
  auto puppet = caller(offer);
  ASSERT_TRUE(puppet->answer().has_value());
  puppet->say(piece({}, "xyz") + encode_end({{checksum("xyz")}}));
  puppet->hang_up();
  ASSERT_TRUE(node_.arrived.wait_for(1));
  puppet = caller(offer);
  EXPECT_TRUE(std::holds_alternative<SnapshotStored>(puppet->answer().value()));
  arrivals_ = 1;
}

TEST(SilentSender, IsNotWaitedForLong) {
  ReceivingNode node(std::chrono::milliseconds(200));
  node.start();
  const std::string offer = encode_offer(offer_of({{"a", 3}}));
  const std::string bytes = piece({}, "xyz");
  for (const std::string& said :
       {std::string(), offer.substr(0, 30), offer, offer + bytes.substr(0, 10),
        offer + bytes.substr(0, 25), offer + bytes}) {
    Puppet puppet(node.address());
    puppet.greet();
    ASSERT_TRUE(puppet.hear().has_value());
    puppet.say(said);
    if (said.size() >= offer.size()) {
      EXPECT_TRUE(puppet.answer().has_value());
    }
    const SnapshotRefused refused = puppet.refusal();
    EXPECT_THAT(refused.reason, HasSubstr("no progress in time"));
    EXPECT_TRUE(refused.may_dial_again);
  }
}

// Says by hand what a receiver says, to a sender of 3 MiB and 10 bytes.
class HostileReceiver : public testing::Test {
 protected:
  HostileReceiver() : one_(Files{{"a", bytes_of_length((3 << 20) + 10)}, {"b", ""}}) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), bytes) == 0);
    CHECK(::listen(listener_, 8) == 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    one_.start();
  }
  ~HostileReceiver() override {
    one_.stop();
    ::close(listener_);
  }
  std::unique_ptr<Puppet> accept() {
    auto puppet =
        std::make_unique<Puppet>(Descriptor(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)));
    EXPECT_TRUE(puppet->hear().has_value());
    puppet->greet({kPeerProtocol, kTestCluster, NodeId{2}, "n2", ""});
    return puppet;
  }
  // Offered, and answered so: whether that was the end of it.
  bool gives_up_after(const std::string& said) {
    const size_t before = one_.done.all().size();
    one_.send(address_);
    const auto puppet = accept();
    EXPECT_TRUE(puppet->hear().has_value());
    puppet->say(said);
    return one_.done.wait_for(before + 1) && !one_.done.all().back().delivered;
  }

  SendingNode one_;
  int listener_ = -1;
  std::string address_;
};

TEST_F(HostileReceiver, PlacesThatCannotBeAreNotGoneOnFrom) {
  for (const SnapshotPlace& place :
       {SnapshotPlace{0, 1 << 20}, SnapshotPlace{0, 1}, SnapshotPlace{1, 0}, SnapshotPlace{2, 0},
        SnapshotPlace{3, 0}, SnapshotPlace{UINT32_MAX, UINT64_MAX}})
    EXPECT_TRUE(gives_up_after(encode_answer(place))) << place.file << " " << place.offset;
}

TEST_F(HostileReceiver, NonsenseIsNotTakenForAnAnswer) {
  EXPECT_TRUE(gives_up_after(std::string(100, 'x')));
  EXPECT_TRUE(gives_up_after(encode_answer(SnapshotVerifying{})));
  EXPECT_TRUE(gives_up_after(encode_offer({})));
  EXPECT_TRUE(gives_up_after(encode_answer(SnapshotRefused{"no", false})));
  std::string huge = encode_answer(SnapshotStored{});
  huge[4 + 3] = 0x7f;
  EXPECT_TRUE(gives_up_after(huge));
}

TEST_F(HostileReceiver, AnEndlessVerificationIsGivenUp) {
  one_.files = {{"a", ""}};
  one_.send(address_);
  const auto puppet = accept();
  EXPECT_TRUE(puppet->hear().has_value());
  puppet->say(encode_answer(SnapshotPlace{1, 0}));
  EXPECT_TRUE(puppet->hear().has_value());
  for (int i = 0; i < 2; ++i) puppet->say(encode_answer(SnapshotVerifying{}));
  ASSERT_TRUE(one_.done.wait_for(1));
  EXPECT_FALSE(one_.done.all()[0].delivered);
}

TEST(SilentReceiver, IsNotWaitedForLong) {
  // Its port takes connections, and nobody says anything on them.
  boost::asio::io_context loop;
  const boost::asio::ip::tcp::acceptor port(loop, {boost::asio::ip::address_v4::loopback(), 0});
  SendingNode one(Files{{"a", "1"}});
  one.how.patience = std::chrono::milliseconds(200);
  one.start();
  EXPECT_FALSE(one.deliver("127.0.0.1:" + std::to_string(port.local_endpoint().port())));
}

TEST_F(HostileReceiver, OneThatAlwaysHangsUpIsGivenUp) {
  one_.send(address_);
  for (int tries = 0; tries < 6; ++tries) accept()->hang_up();
  ASSERT_TRUE(one_.done.wait_for(1));
  EXPECT_FALSE(one_.done.all()[0].delivered);
  EXPECT_EQ(one_.checkpoints.all().size(), 1u);
}

}  // namespace
}  // namespace holdfast
