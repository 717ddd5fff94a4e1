#include "replication/transport/wire.h"

#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using raft::MessageBody;

EntryPtr entry(uint64_t index, std::string payload) {
  return std::make_shared<const LogEntry>(LogEntry{LogIndex{index},
                                                   Term{3},
                                                   EntryKind::kCommand,
                                                   {NodeId{7}, RequestId{index * 16}},
                                                   Bytes(std::move(payload)),
                                                   {index * 3, index * 5}});
}

std::vector<MessageBody> one_of_each() {
  const LogPosition at{Term{3}, LogIndex{9}};
  return {
      raft::VoteRequest{raft::VotePhase::kPreVote, Term{4}, at},
      raft::VoteReply{raft::VotePhase::kVote, Term{4}, true},
      raft::Append{
          at, {entry(10, "ten"), entry(11, ""), entry(12, std::string(5000, 'x'))}, LogIndex{8}},
      raft::Appended{LogIndex{12}},
      raft::AppendRejected{at, {Term{2}, LogIndex{5}}},
      raft::Heartbeat{{Term{1}, LogIndex{8}}, 77},
      raft::Heartbeat{{Term{1}, LogIndex{8}}, 77, raft::CurrencyProof{76, LogIndex{9}}},
      raft::Heartbeat{{Term{1}, LogIndex{8}}, 77, std::nullopt, raft::Reach{75, LogIndex{11}}},
      raft::HeartbeatReply{77, LogIndex{12}, 5},
      raft::HeartbeatReply{77, LogIndex{12}, 5, true},
      raft::HeartbeatReply{77, LogIndex{12}, 5, false, true},
      raft::HeartbeatReply{77, LogIndex{12}, 5, false, false, true},
      raft::Heartbeat{{Term{1}, LogIndex{8}}, 77, std::nullopt, std::nullopt, true},
      raft::Forward{1234567890123456789u, 4, {{RequestId{16}, Bytes(std::string("a\0b", 3))}}},
      raft::ForwardRefused{
          raft::ForwardRefusal::kOverloaded, Term{3}, {RequestId{16}, RequestId{32}}},
      raft::ReadRequest{5},
      raft::ReadReply{5, LogIndex{12}},
      raft::VoteRequest{raft::VotePhase::kVote, Term{4}, at, true},
      raft::HandOverRequest{NodeId{9}},
      raft::TakeOver{},
  };
}

std::string encoded(MessageBody body) {
  std::string bytes;
  encode_message({ClusterId{1}, kFirstGroup, {NodeId{7}, NodeId{8}, Term{3}, std::move(body)}},
                 bytes);
  return bytes;
}

// Appends hold pointers, which compare by address; their bytes are compared instead.
TEST(Wire, EveryMessageComesBackAsItWas) {
  for (const MessageBody& body : one_of_each()) {
    const std::string bytes = encoded(body);
    std::string_view rest = bytes;
    const auto message = take_message(rest);
    ASSERT_TRUE(message.has_value()) << message.error().message;
    ASSERT_TRUE(message->has_value());
    EXPECT_TRUE(rest.empty());
    EXPECT_EQ((*message)->cluster, ClusterId{1});
    EXPECT_EQ((*message)->group, kFirstGroup);
    EXPECT_EQ((*message)->envelope.from, NodeId{7});
    EXPECT_EQ((*message)->envelope.to, NodeId{8});
    EXPECT_EQ((*message)->envelope.term, Term{3});
    EXPECT_EQ((*message)->envelope.body.index(), body.index());
    EXPECT_EQ(encoded((*message)->envelope.body), bytes);
  }
}

TEST(Wire, AnIncompleteFrameAsksForMoreAtEveryByte) {
  const std::string bytes = encoded(one_of_each()[2]);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    std::string_view part = std::string_view(bytes).substr(0, cut);
    const auto message = take_message(part);
    ASSERT_TRUE(message.has_value()) << cut;
    EXPECT_FALSE(message->has_value()) << cut;
    EXPECT_EQ(part.size(), cut);
  }
}

// No flipped bit ever gives a message: it is an error, or (in a length) a wait for more.
TEST(Wire, NoFlippedByteIsTakenForAMessage) {
  const std::string bytes = encoded(one_of_each()[2]);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      std::string_view rest = damaged;
      const auto message = take_message(rest);
      EXPECT_TRUE(!message || !message->has_value()) << "byte " << at << " bit " << bit;
    }
  }
}

// The frame's own checksum says only that it is what the peer sent.
TEST(Wire, WhatAPeerHeldDamagedIsNotTaken) {
  const auto is_taken = [](MessageBody body) {
    const std::string bytes = encoded(std::move(body));
    std::string_view rest = bytes;
    return take_message(rest).has_value();
  };
  const Bytes damaged("changed since", checksum("as it was"));
  LogEntry held = *entry(10, "");
  held.payload = damaged;
  EXPECT_FALSE(is_taken(raft::Append{{}, {std::make_shared<const LogEntry>(held)}, {}}));
  EXPECT_FALSE(is_taken(raft::Forward{1, 2, {{RequestId{16}, damaged}}}));
}

TEST(Wire, AFrameLargerThanAnyIsRefusedBeforeItIsWaitedFor) {
  std::string bytes = encoded(one_of_each()[3]);
  bytes[4 + 3] = 0x7f;  // the highest byte of the message's length
  std::string_view rest = bytes;
  EXPECT_FALSE(take_message(rest).has_value());
}

TEST(Wire, AGreetingComesBackAsItWas) {
  const Hello hello{kPeerProtocol, ClusterId{5}, NodeId{6}, "n1", "127.0.0.1:4654"};
  std::string bytes;
  encode_hello(hello, bytes);
  std::string_view rest = bytes;
  const auto back = take_hello(rest);
  ASSERT_TRUE(back.has_value() && back->has_value());
  EXPECT_EQ(**back, hello);
}

}  // namespace
}  // namespace holdfast
