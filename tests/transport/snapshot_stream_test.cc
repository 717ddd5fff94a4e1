#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/transport/snapshot_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr size_t kMiB = 1 << 20;

Files some_files() {
  Files files{{"CURRENT", "MANIFEST-000005\n"},
              {"empty", ""},
              {"zz-empty", ""},
              {"one_piece.sst", bytes_of_length(kSnapshotPieceBytes)},
              {"000012.sst", bytes_of_length(3 * kMiB + 12345)},
              {"000013.sst", bytes_of_length(kMiB + 1)}};
  for (int i = 0; i < 20; ++i)
    files["small" + std::to_string(i)] = bytes_of_length(static_cast<size_t>(i));
  return files;
}

Error disk_error(const std::string& act) {
  return {ErrorCode::kIo, act + ": Input/output error"};
}

TEST(SnapshotStream, ArrivesByteForByte) {
  ReceivingNode two;
  two.start();
  SendingNode one(some_files());
  one.start();
  ASSERT_TRUE(one.deliver(two.address()));
  ASSERT_EQ(two.arrived.all().size(), 1u);
  const raft::SnapshotArrived arrival = two.arrived.all()[0];
  EXPECT_EQ(arrival.from, NodeId{1});
  EXPECT_EQ(arrival.term, Term{5});
  EXPECT_EQ(arrival.position, kTestPosition);
  EXPECT_EQ(read_files(arrival.source), some_files());
  EXPECT_EQ(two.directory.names().size(), 1u);
  EXPECT_THAT(one.directory.names(), IsEmpty()) << "the checkpoint is still there";
}

TEST(SnapshotStream, AStateOfNoFilesArrivesToo) {
  ReceivingNode two;
  two.start();
  SendingNode one(Files{});
  one.start();
  ASSERT_TRUE(one.deliver(two.address()));
  EXPECT_THAT(read_files(two.arrived.all()[0].source), IsEmpty());
}

TEST(SnapshotStream, GoesOnInTheMiddleOfAFileAfterALostConnection) {
  ReceivingNode two;
  two.start();
  Proxy proxy(two.address(), {.cut_at = 20 * kMiB + 4321});
  SendingNode one({{"a", bytes_of_length(2 * kMiB)}, {"b", bytes_of_length(24 * kMiB)}});
  one.start();
  ASSERT_TRUE(one.deliver(proxy.address()));
  EXPECT_EQ(read_files(two.arrived.all().at(0).source), one.files);
  EXPECT_EQ(one.checkpoints.all().size(), 1u);
  EXPECT_GT(proxy.carried(), 26 * kMiB);
  EXPECT_LT(proxy.carried(), 40 * kMiB) << "it was all sent again";
}

TEST(SnapshotStream, AByteThatChangesOnTheWayIsSentAgain) {
  ReceivingNode two;
  two.start();
  Proxy proxy(two.address(), {.flip_at = 5 * kMiB + 777});
  SendingNode one({{"a", bytes_of_length(8 * kMiB)}});
  one.start();
  ASSERT_TRUE(one.deliver(proxy.address()));
  EXPECT_EQ(read_files(two.arrived.all().at(0).source), one.files);
}

TEST(SnapshotStream, BytesThatTheDiskChangesAreNotAnnounced) {
  ReceivingNode two;
  two.fs.after_read = [](const std::string&, std::string& bytes) { bytes[bytes.size() / 2] ^= 4; };
  two.start();
  SendingNode one(some_files());
  one.start();
  EXPECT_FALSE(one.deliver(two.address()));
  EXPECT_THAT(two.arrived.all(), IsEmpty());
  EXPECT_THAT(two.directory.names(), IsEmpty());
}

TEST(SnapshotStream, AnEarlierTermIsRefused) {
  ReceivingNode two;
  two.start();
  SendingNode deposed(some_files());
  SendingNode leader(some_files(), NodeId{3});
  deposed.start();
  leader.start();
  ASSERT_TRUE(leader.deliver(two.address(), Term{6}));
  EXPECT_FALSE(deposed.deliver(two.address(), Term{5}));
  EXPECT_EQ(two.arrived.all().size(), 1u);
  EXPECT_TRUE(leader.deliver(two.address(), Term{6}));
}

TEST(SnapshotStream, ALaterTermTakesThePlaceOfATransferThatGoesOn) {
  Told<std::string> written;
  ReceivingNode two;
  two.fs.before = [&](const std::string& act, const std::string& path) -> Result<> {
    if (act == "write_at") written.put(path);
    return {};
  };
  two.start();
  SendingNode deposed({{"old", std::string(64 * kMiB, 'x')}});
  SendingNode leader({{"new", bytes_of_length(kMiB)}}, NodeId{3});
  deposed.how.bytes_per_second = 2 * kMiB;
  deposed.start();
  leader.start();
  deposed.send(two.address(), Term{5});
  ASSERT_TRUE(written.wait_for(2));
  ASSERT_TRUE(leader.deliver(two.address(), Term{6}));
  ASSERT_TRUE(deposed.done.wait_for(1));
  EXPECT_FALSE(deposed.done.all()[0].delivered);
  ASSERT_EQ(two.arrived.all().size(), 1u);
  EXPECT_EQ(two.arrived.all()[0].from, NodeId{3});
  EXPECT_EQ(two.directory.names().size(), 1u) << "the older part is still there";
}

TEST(SnapshotStream, AnEndInTheMiddleIsAnsweredAndTheNextOrderGoesThrough) {
  Told<std::string> written;
  ReceivingNode two;
  two.fs.before = [&](const std::string& act, const std::string& path) -> Result<> {
    if (act == "write_at") written.put(path);
    return {};
  };
  two.start();
  SendingNode one({{"a", std::string(64 * kMiB, 'x')}});
  one.how.bytes_per_second = 2 * kMiB;
  one.how.rest_first = std::chrono::hours(1);  // not for a copy that was called off
  one.start();
  one.send(two.address());
  ASSERT_TRUE(written.wait_for(2));
  one.sender().end(NodeId{7});  // another's, which changes nothing
  one.sender().end(NodeId{2});
  ASSERT_TRUE(one.done.wait_for(1));
  EXPECT_FALSE(one.done.all()[0].delivered);
  EXPECT_THAT(one.directory.names(), IsEmpty());
  one.files = {{"b", "small"}};
  EXPECT_TRUE(one.deliver(two.address()));
  EXPECT_EQ(read_files(two.arrived.all().at(0).source), one.files);
  EXPECT_EQ(two.directory.names().size(), 1u) << "the part that was left is still there";
}

TEST(SnapshotStream, BothEndsStopInTheMiddle) {
  Told<std::string> written;
  auto two = std::make_unique<ReceivingNode>();
  two->fs.before = [&](const std::string& act, const std::string& path) -> Result<> {
    if (act == "write_at") written.put(path);
    return {};
  };
  two->start();
  SendingNode one({{"a", std::string(64 * kMiB, 'x')}});
  one.how.bytes_per_second = 2 * kMiB;
  one.start();
  one.send(two->address());
  ASSERT_TRUE(written.wait_for(2));
  one.send(two->address());
  one.stop();
  // The second order called off the first, which may have been answered; nothing was delivered.
  for (const raft::SnapshotDone& done : one.done.all()) EXPECT_FALSE(done.delivered);
  EXPECT_THAT(one.directory.names(), IsEmpty());
  EXPECT_THAT(two->arrived.all(), IsEmpty());
  one.start();
  one.send(two->address());
  ASSERT_TRUE(written.wait_for(4));
  two.reset();
  ASSERT_TRUE(one.done.wait_for(1));
  EXPECT_FALSE(one.done.all().back().delivered);
}

TEST(SnapshotStream, EveryOrderIsAnsweredOnceAndTheLastForADestinationCounts) {
  Told<std::string> written;
  ReceivingNode two;
  two.fs.before = [&](const std::string& act, const std::string& path) -> Result<> {
    if (act == "write_at") written.put(path);
    return {};
  };
  two.start();
  SendingNode one({{"a", std::string(64 * kMiB, 'x')}});
  one.how.bytes_per_second = 2 * kMiB;
  one.start();
  one.send(two.address());  // 1, which goes on
  ASSERT_TRUE(written.wait_for(2));
  const std::string nobody = free_loopback_address();
  one.send(nobody, Term{5}, NodeId{3});  // 2, waits
  one.send(nobody, Term{5}, NodeId{3});  // 3, in its place
  ASSERT_TRUE(one.done.wait_for(1)) << "2 is answered while 1 goes on";
  EXPECT_EQ(one.done.all()[0].number, 2u);
  one.send(two.address());  // 4, in place of 1
  ASSERT_TRUE(one.done.wait_for(3));
  EXPECT_EQ(one.done.all()[1].number, 1u);
  EXPECT_EQ(one.done.all()[2].number, 3u);
  one.sender().end(NodeId{2});
  ASSERT_TRUE(one.done.wait_for(4));
  EXPECT_EQ(one.done.all()[3].number, 4u);
  for (const raft::SnapshotDone& done : one.done.all()) EXPECT_FALSE(done.delivered);
}

TEST(SnapshotStream, NothingIsCopiedForAPeerThatIsNotThereOrIsAnother) {
  ReceivingNode two;
  two.start();
  SendingNode one(some_files());
  one.start();
  EXPECT_FALSE(one.deliver(free_loopback_address()));
  EXPECT_FALSE(one.deliver(two.address(), Term{5}, NodeId{3})) << "it has the id 2";
  EXPECT_FALSE(one.deliver("nonsense"));
  SendingNode foreign(some_files());
  foreign.how.self.cluster = ClusterId{10};
  foreign.start();
  EXPECT_FALSE(foreign.deliver(two.address()));
  EXPECT_THAT(one.checkpoints.all(), IsEmpty());
  EXPECT_THAT(foreign.checkpoints.all(), IsEmpty());
  EXPECT_THAT(two.arrived.all(), IsEmpty());
}

TEST(SnapshotStream, WhatAnEarlierLifeLeftIsRemovedAtStart) {
  ReceivingNode two;
  for (const char* left : {"in-0000000000000001.part", "in-0000000000000002", "out-7"})
    write_files(two.directory.path() + "/" + left, {{"a", "1"}, {"b", "2"}});
  write_files(two.directory.path() + "/other", {{"a", "1"}});
  two.start();
  EXPECT_THAT(two.directory.names(), ElementsAre("other"));
  EXPECT_TRUE(prepare_snapshot_directory(two.fs, two.directory.path() + "/not/there/yet"));
}

TEST(SnapshotStream, PartsOfOtherSnapshotsGoWhenATransferBegins) {
  ReceivingNode two;
  two.start();
  write_files(two.directory.path() + "/in-00000000000000aa.part", {{"a", "1"}});
  SendingNode one(Files{{"a", "1"}});
  one.start();
  ASSERT_TRUE(one.deliver(two.address()));
  EXPECT_EQ(two.directory.names().size(), 1u);
}

TEST(SnapshotStream, APartThatNobodyComesBackForIsRemoved) {
  Told<std::string> removed;
  ReceivingNode two(std::chrono::milliseconds(200));
  two.fs.before = [&](const std::string& act, const std::string& path) -> Result<> {
    if (act == "remove_directory") removed.put(path);
    return {};
  };
  two.start();
  Proxy proxy(two.address(), {.cut_at = 3 * kMiB});
  SendingNode one({{"a", bytes_of_length(8 * kMiB)}});
  one.how.redial_first = std::chrono::minutes(1);
  one.start();
  one.send(proxy.address());
  EXPECT_TRUE(removed.wait_for(1));
  EXPECT_THAT(two.arrived.all(), IsEmpty());
}

// Once each act of the receiver's disk fails, in the order in which they come.
TEST(SnapshotStream, WhatTheReceiversDiskRefusesIsSaidAndNothingHalfIsAnnounced) {
  for (const std::string act : {"create_directories", "create", "write_at", "sync", "open",
                                "read_at", "rename", "sync_directory"}) {
    SCOPED_TRACE(act);
    ReceivingNode two;
    std::atomic<bool> armed = false;
    two.fs.before = [&](const std::string& now, const std::string&) -> Result<> {
      if (now == act && armed.exchange(false)) return std::unexpected(disk_error(act));
      return {};
    };
    two.start();
    armed = true;
    SendingNode one(some_files());
    one.start();
    EXPECT_FALSE(one.deliver(two.address()));
    EXPECT_FALSE(armed) << "the act never came";
    EXPECT_THAT(two.arrived.all(), IsEmpty());
    EXPECT_THAT(two.directory.names(), IsEmpty());
    EXPECT_TRUE(one.deliver(two.address())) << "the next one is not disturbed";
    EXPECT_EQ(read_files(two.arrived.all().at(0).source), one.files);
  }
}

// The name of the last directory is durable before it is announced, and after everything in it.
TEST(SnapshotStream, EverythingIsSyncedBeforeItIsAnnounced) {
  Told<std::string> acts;
  ReceivingNode two;
  two.fs.before = [&](const std::string& act, const std::string& path) -> Result<> {
    EXPECT_THAT(two.arrived.all(), IsEmpty()) << act << " comes after the announcement";
    if (act == "sync" || act == "sync_directory" || act == "rename")
      acts.put(act + " " + path.substr(path.rfind('/') + 1).substr(0, 3));
    return {};
  };
  two.start();
  SendingNode one({{"a", "1"}, {"b", ""}, {"c", bytes_of_length(17 * kMiB)}});
  one.start();
  ASSERT_TRUE(one.deliver(two.address()));
  EXPECT_THAT(acts.all(),
              ElementsAre("sync a", "sync b", "sync c", "sync c", "sync_directory in-",
                          "rename in-", "sync_directory " + two.directory.path().substr(0, 3)));
}

TEST(SnapshotStream, WhatTheSendersDiskRefusesIsSaid) {
  for (const std::string act : {"list", "open", "read_at"}) {
    SCOPED_TRACE(act);
    ReceivingNode two;
    two.start();
    SendingNode one(some_files());
    std::atomic<bool> armed = true;
    one.fs.before = [&](const std::string& now, const std::string&) -> Result<> {
      if (now == act && armed.exchange(false)) return std::unexpected(disk_error(act));
      return {};
    };
    one.start();
    EXPECT_FALSE(one.deliver(two.address()));
    EXPECT_THAT(one.directory.names(), IsEmpty());
    EXPECT_TRUE(one.deliver(two.address())) << "the next one is not disturbed";
    EXPECT_EQ(two.arrived.all().size(), 1u);
  }
}

TEST(SnapshotStream, EachFileIsVerifiedOnceBeforeItIsSent) {
  ReceivingNode two;
  two.start();
  Proxy proxy(two.address(), {.cut_at = 2 * kMiB});
  SendingNode one(some_files());
  Told<std::string> verified;
  one.how.verify = [&](const std::string& path) -> Result<> {
    verified.put(path.substr(path.rfind('/') + 1));
    return {};
  };
  one.start();
  ASSERT_TRUE(one.deliver(proxy.address()));
  std::vector<std::string> with_bytes;
  for (const auto& [name, bytes] : one.files)
    if (!bytes.empty()) with_bytes.push_back(name);
  EXPECT_THAT(verified.all(), testing::ElementsAreArray(with_bytes));
}

TEST(SnapshotStream, DamageIsNotSent) {
  ReceivingNode two;
  two.start();
  SendingNode one(some_files());
  one.how.verify = [](const std::string& path) -> Result<> {
    if (!path.ends_with("000012.sst")) return {};
    return fail(ErrorCode::kCorrupt, "it is not what was written");
  };
  one.start();
  EXPECT_FALSE(one.deliver(two.address()));
  EXPECT_THAT(two.arrived.all(), IsEmpty());
}

TEST(SnapshotStream, AFullDiskIsKnownBeforeItBegins) {
  ReceivingNode two;
  two.fs.free = 256 * kMiB + 100;
  two.start();
  SendingNode one({{"a", std::string(101, 'x')}});
  one.start();
  EXPECT_FALSE(one.deliver(two.address()));
  EXPECT_THAT(two.directory.names(), IsEmpty());
  one.files = {{"a", std::string(100, 'x')}};
  EXPECT_TRUE(one.deliver(two.address()));
}

TEST(SnapshotStream, ASmallDiskKeepsLessFree) {
  ReceivingNode two;
  two.fs.total = 320 * kMiB;
  two.fs.free = 20 * kMiB + 100;
  two.start();
  SendingNode one({{"a", std::string(101, 'x')}});
  one.start();
  EXPECT_FALSE(one.deliver(two.address()));
  one.files = {{"a", std::string(100, 'x')}};
  EXPECT_TRUE(one.deliver(two.address()));
}

TEST(SnapshotStream, WhatCanBeSparedMakesWay) {
  ReceivingNode two;
  two.fs.free = 256 * kMiB + 100;
  two.make_room = [&]() -> Result<> {
    two.fs.free += 1;
    return {};
  };
  two.start();
  SendingNode one({{"a", std::string(100, 'x')}});
  one.start();
  EXPECT_TRUE(one.deliver(two.address()));
  EXPECT_EQ(two.fs.free, 256 * kMiB + 100) << "nothing was asked for in need of nothing";
  one.files = {{"a", std::string(101, 'x')}};
  EXPECT_TRUE(one.deliver(two.address()));
}

TEST(SnapshotStream, ACopyInVainMakesTheNextWaitAndNobodyElse) {
  ReceivingNode two;
  two.fs.free = 0;
  two.start();
  SendingNode one(some_files());
  one.how.rest_first = std::chrono::milliseconds(20);
  one.start();
  SystemClock clock;
  const Instant began = clock.now();
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(one.deliver(two.address()));
  EXPECT_GE(clock.now() - began, std::chrono::milliseconds(20 + 40 + 80));
  EXPECT_EQ(one.checkpoints.all().size(), 4u);
  two.fs.free = UINT64_MAX;
  EXPECT_TRUE(one.deliver(two.address()));
}

TEST(SnapshotStream, AnOrderThatRestsHoldsUpNoOtherAndIsCalledOffAtOnce) {
  ReceivingNode two;
  two.fs.free = 0;
  two.start();
  SendingNode one(some_files());
  one.how.rest_first = std::chrono::hours(1);
  one.start();
  EXPECT_FALSE(one.deliver(two.address()));
  one.send(two.address());
  EXPECT_FALSE(one.deliver(two.address(), Term{5}, NodeId{3})) << "that is no node 3";
  one.sender().end(NodeId{2});
  ASSERT_TRUE(one.done.wait_for(3));
  EXPECT_FALSE(one.done.all()[2].delivered);
  EXPECT_EQ(one.checkpoints.all().size(), 1u);
}

TEST(SnapshotStream, SilenceEndsItOnBothEnds) {
  const Duration patience = std::chrono::milliseconds(200);
  ReceivingNode two(patience);
  two.start();
  Proxy silent(two.address(), {.hold_at = 3 * kMiB});
  SendingNode one({{"a", bytes_of_length(32 * kMiB)}});
  one.how.patience = patience;
  one.start();
  EXPECT_FALSE(one.deliver(silent.address()));
  one.files = {{"a", "1"}};
  EXPECT_TRUE(one.deliver(two.address())) << "the receiver still waits for the first";
}

TEST(SnapshotStream, ADirectoryThatIsNotWantedIsRemoved) {
  Told<std::string> removed;
  ReceivingNode two;
  two.fs.before = [&](const std::string& act, const std::string& path) -> Result<> {
    if (act == "remove_directory") removed.put(path);
    return {};
  };
  two.start();
  SendingNode one(some_files());
  one.start();
  ASSERT_TRUE(one.deliver(two.address()));
  const std::string source = two.arrived.all()[0].source;
  two.receiver().discard(source);
  ASSERT_TRUE(removed.wait_for(1));
  EXPECT_THAT(removed.all(), ElementsAre(source));
}

TEST(SnapshotStream, AConnectionThatTheReceiverEndsMayBeTheLast) {
  ReceivingNode two;
  two.start();
  SendingNode one({{"a", bytes_of_length(24 * kMiB)}});
  one.how.bytes_per_second = 8 * kMiB;
  one.how.redial_first = std::chrono::milliseconds(5);
  one.start();
  one.send(two.address());
  const Instant deadline = SystemClock().now() + kTestPatience;
  while (two.directory.names().empty() && SystemClock().now() < deadline) std::this_thread::yield();
  boost::asio::post(two.loop(), [&] {
    two.transport().receive_snapshots(nullptr);
    two.receiver().end(NodeId{7});  // another's, which changes nothing
    two.receiver().end(NodeId{1});
  });
  ASSERT_TRUE(one.done.wait_for(1));
  EXPECT_FALSE(one.done.all()[0].delivered);
  EXPECT_THAT(two.arrived.all(), IsEmpty());
}

// Messages come through while a transfer fills the line, and one that is held does not hold them.
TEST(SnapshotStream, MessagesGoOnBesideATransfer) {
  ReceivingNode two;
  two.start();
  boost::asio::io_context loop;
  const std::string address = free_loopback_address();
  TcpTransport messenger(loop, {kPeerProtocol, kTestCluster, NodeId{1}, "n1", address}, Random(1));
  messenger.start(kFirstGroup, [](const raft::Envelope&) {}, nullptr);
  messenger.set_peers({{NodeId{2}, "n2", two.address(), true}});
  SendingNode one({{"a", bytes_of_length(24 * kMiB)}});
  one.how.bytes_per_second = 32 * kMiB;
  one.start();
  one.send(two.address());
  ASSERT_TRUE(one.checkpoints.wait_for(1));
  size_t beside = 0;
  uint64_t round = 0;
  const Instant deadline = SystemClock().now() + kTestPatience;
  while (one.done.all().empty() && SystemClock().now() < deadline) {
    messenger.send({{NodeId{1}, NodeId{2}, Term{1}, raft::Heartbeat{{}, ++round}}});
    loop.run_for(std::chrono::milliseconds(2));
    loop.restart();
    beside = two.messages.all().size();
  }
  EXPECT_GE(beside, 20u);
  EXPECT_TRUE(one.done.all().at(0).delivered);
  EXPECT_EQ(two.messages.all().at(0).from, NodeId{1});
}

}  // namespace
}  // namespace holdfast
