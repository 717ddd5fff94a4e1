#include "replication/transport/faulty_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr NodeId kSelf{1};
constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};
constexpr std::chrono::seconds kDeliveryPatience{20};

// What got through, as rounds of heartbeats.
struct Recorder final : Transport {
  void send(std::vector<raft::Envelope> envelopes) override {
    for (const raft::Envelope& envelope : envelopes) note(envelope);
  }
  void note(const raft::Envelope& envelope) {
    if (const auto* heartbeat = std::get_if<raft::Heartbeat>(&envelope.body))
      rounds.push_back(heartbeat->round);
    ++count;
  }
  std::vector<uint64_t> rounds;
  size_t count = 0;
};

class FaultyTransportTest : public testing::Test {
 protected:
  void send(NodeId to, uint64_t round) {
    transport_.send({{kSelf, to, Term{1}, raft::Heartbeat{{}, round}}});
  }
  void receive(NodeId from, uint64_t round) {
    transport_.receive({from, kSelf, Term{1}, raft::Heartbeat{{}, round}});
  }
  void turn() {
    loop_.restart();
    loop_.run_for(milliseconds(2));
  }
  bool turn_until(const std::function<bool()>& happened) {
    const Instant deadline = SystemClock().now() + kDeliveryPatience;
    while (!happened() && SystemClock().now() < deadline) turn();
    return happened();
  }

  boost::asio::io_context loop_;
  Recorder sent_;
  Recorder arrived_;
  FaultyTransport transport_{
      loop_, sent_, [this](const raft::Envelope& envelope) { arrived_.note(envelope); }, Random(1)};
};

TEST_F(FaultyTransportTest, WhereNothingIsSetEverythingPasses) {
  send(kTwo, 1);
  receive(kTwo, 2);
  EXPECT_THAT(sent_.rounds, ElementsAre(1));
  EXPECT_THAT(arrived_.rounds, ElementsAre(2));
  EXPECT_FALSE(transport_.is_cut(kTwo));
}

TEST_F(FaultyTransportTest, OneDirectionOfOneLinkIsCut) {
  transport_.set({{{kTwo, LinkWay::kOut}, {.cut = true}}});
  transport_.send({{kSelf, kTwo, Term{1}, raft::Heartbeat{{}, 1}},
                   {kSelf, kThree, Term{1}, raft::Heartbeat{{}, 2}},
                   {kSelf, kTwo, Term{1}, raft::Heartbeat{{}, 3}}});
  receive(kTwo, 4);
  EXPECT_THAT(sent_.rounds, ElementsAre(2));
  EXPECT_THAT(arrived_.rounds, ElementsAre(4));
  EXPECT_TRUE(transport_.is_cut(kTwo));
  EXPECT_FALSE(transport_.is_cut(kThree));
  transport_.set({{{kTwo, LinkWay::kIn}, {.cut = true}}});
  send(kTwo, 5);
  receive(kTwo, 6);
  receive(kThree, 7);
  EXPECT_THAT(sent_.rounds, ElementsAre(2, 5));
  EXPECT_THAT(arrived_.rounds, ElementsAre(4, 7));
  EXPECT_TRUE(transport_.is_cut(kTwo));
  transport_.set({});
  receive(kTwo, 8);
  EXPECT_THAT(arrived_.rounds, ElementsAre(4, 7, 8));
}

TEST_F(FaultyTransportTest, SomeAreLost) {
  transport_.set({{{kTwo, LinkWay::kOut}, {.loss = 0.25}}});
  for (uint64_t round = 0; round < 4000; ++round) send(kTwo, round);
  EXPECT_GT(sent_.count, 2800u);
  EXPECT_LT(sent_.count, 3200u);
}

TEST_F(FaultyTransportTest, WhatIsLateComesInOrderAndNotBefore) {
  transport_.set({{{kTwo, LinkWay::kOut}, {.delay = milliseconds(20)}},
                  {{kTwo, LinkWay::kIn}, {.delay = hours(1)}}});
  const Instant began = SystemClock().now();
  for (uint64_t round = 1; round <= 3; ++round) send(kTwo, round);
  receive(kTwo, 9);
  EXPECT_TRUE(turn_until([this] { return sent_.count == 3; }));
  EXPECT_GE(SystemClock().now() - began, milliseconds(20));
  send(kTwo, 4);
  EXPECT_TRUE(turn_until([this] { return sent_.count == 4; }));
  EXPECT_THAT(sent_.rounds, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(arrived_.rounds, IsEmpty());
}

TEST_F(FaultyTransportTest, WhatIsLateIsNotOvertakenWhenTheDelayEnds) {
  transport_.set({{{kTwo, LinkWay::kIn}, {.delay = hours(1)}}});
  receive(kTwo, 1);
  receive(kTwo, 2);
  transport_.set({{{kTwo, LinkWay::kIn}, {.delay = milliseconds(1)}}});
  EXPECT_TRUE(turn_until([this] { return arrived_.count == 2; }));
  transport_.set({{{kTwo, LinkWay::kIn}, {.delay = hours(1)}}});
  receive(kTwo, 3);
  transport_.set({});
  receive(kTwo, 4);
  EXPECT_THAT(arrived_.rounds, ElementsAre(1, 2, 3, 4));
}

TEST_F(FaultyTransportTest, WhatIsLateIsLostWithTheLink) {
  transport_.set({{{kTwo, LinkWay::kOut}, {.delay = hours(1)}}});
  send(kTwo, 1);
  transport_.set({{{kTwo, LinkWay::kOut}, {.cut = true}}});
  transport_.set({});
  send(kTwo, 2);
  EXPECT_THAT(sent_.rounds, ElementsAre(2));
}

TEST_F(FaultyTransportTest, NoMoreIsLateThanItsBound) {
  transport_.set({{{kTwo, LinkWay::kOut}, {.delay = hours(1)}}});
  const auto entry =
      std::make_shared<const LogEntry>(LogEntry{.index = {1},
                                                .term = {1},
                                                .kind = EntryKind::kCommand,
                                                .origin = {},
                                                .payload = Bytes(std::string(1 << 20, 'x')),
                                                .stamp = {}});
  for (int i = 0; i < 100; ++i)
    transport_.send({{kSelf, kTwo, Term{1}, raft::Append{{}, {entry}, {}}}});
  transport_.set({});
  EXPECT_GT(sent_.count, 25u);
  EXPECT_LT(sent_.count, 33u);
}

}  // namespace
}  // namespace holdfast
