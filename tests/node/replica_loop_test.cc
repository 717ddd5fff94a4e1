// The shells together, with real threads: a single-node group whose requests come in on another
// io thread. What ThreadSanitizer has to say about the hand-offs is said here.

#include "replication/node/replica_loop.h"

#include <atomic>
#include <coroutine>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "replication/node/applier.h"
#include "replication/node/recovery.h"
#include "server/gates.h"
#include "storage/fs/posix.h"
#include "storage/kv/command.h"
#include "storage/kv/memory_engine.h"
#include "storage/log/log_writer.h"

namespace holdfast {
namespace {

namespace net = boost::asio;

constexpr NodeId kSelf{7};
constexpr int kPuts = 2000;

struct NoSnapshots final : Snapshots {
  void send(raft::SnapshotOrder) override {}
  void end(NodeId) override {}
  void discard(const std::string&) override {}
};

struct NoTransport final : Transport {
  void send(std::vector<raft::Envelope> /*envelopes*/) override {}
};

struct Fire {
  struct promise_type {
    Fire get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

struct Tally {
  int answered = 0;
  int failed = 0;
  uint64_t newest_revision = 0;
  std::promise<void> done;

  void count(const Gate::Outcome& outcome) {
    if (outcome) {
      newest_revision = std::max(newest_revision, outcome->revision.value);
    } else {
      ++failed;
    }
    if (++answered == kPuts) done.set_value();
  }
};

Fire put(Gate& gate, Instant deadline, int number, Tally& tally) {
  Command command;
  command.act = PutCommand{"k" + std::to_string(number % 50), std::to_string(number), {}};
  Gate::Waiting waiting = gate.propose(encode_command(command), deadline);
  const Gate::Outcome outcome = co_await waiting;
  if (!outcome) {
    tally.count(outcome);
    co_return;
  }
  Gate::Waiting barrier = gate.read_barrier(deadline);
  const Gate::Outcome readable = co_await barrier;
  // A read after an acknowledged write sees at least its revision.
  if (readable && readable->revision < outcome->revision) ++tally.failed;
  tally.count(readable);
}

class ReplicaLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "replica-loop-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
};

TEST_F(ReplicaLoopTest, EveryRequestFromAnotherThreadIsAnsweredOnce) {
  SystemClock clock;
  PosixFileSystem fs;
  MemoryEngine engine;
  raft::Members members{{raft::Member{kSelf, "n1", "nowhere:1", true}}};
  {
    auto opened = SegmentedLog::open(fs, directory_, {.segment_bytes = 1 << 20, .salt = 1});
    ASSERT_TRUE(opened.has_value());
    ASSERT_TRUE(write_first_entry(opened->recovered, *opened->log, members).has_value());
  }
  auto opened = SegmentedLog::open(fs, directory_, {.segment_bytes = 1 << 20, .salt = 1});
  ASSERT_TRUE(opened.has_value());
  auto machine = KvStateMachine::open(engine);
  ASSERT_TRUE(machine.has_value());
  auto recovered = recover_replica(opened->recovered, *opened->log, **machine, {});
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message;

  net::io_context replica_io(1);
  net::io_context client_io(1);
  auto client_work = net::make_work_guard(client_io);
  auto replica_work = net::make_work_guard(replica_io);
  NoTransport transport;
  NoSnapshots snapshots;
  ReplicaLoop loop(replica_io, clock);
  Gates gates({&client_io}, **machine, 1 << 20,
              [&](raft::Input input) { loop.post(std::move(input)); });
  LogWriter log(std::move(opened->log),
                {.persisted = [&](WriteTicket last) { loop.post(raft::Persisted{last}); },
                 .loaded =
                     [&](NodeId to, std::vector<EntryPtr> entries) {
                       loop.post(raft::Loaded{to, std::move(entries)});
                     }});
  Applier applier(**machine, kSelf,
                  {.applied =
                       [&](raft::Applied applied, std::vector<Completion> completions) {
                         gates.applied(std::move(completions));
                         loop.post(applied);
                       },
                   .installed = nullptr});
  Replica replica({.self = kSelf}, *std::move(recovered), Random(1), clock.now(),
                  {log, transport, applier, snapshots, gates});
  net::post(replica_io, [&] { loop.start(replica, [](Instant, const auto&) {}); });
  std::thread replica_thread([&] { replica_io.run(); });
  std::thread client_thread([&] { client_io.run(); });

  Tally tally;
  const Instant deadline = clock.now() + std::chrono::seconds(60);
  for (int number = 0; number < kPuts; ++number)
    net::post(client_io, [&, number] { put(gates.gate(0), deadline, number, tally); });
  EXPECT_EQ(tally.done.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);

  net::post(replica_io, [&] {
    loop.stop();
    replica_work.reset();
    replica_io.stop();
  });
  replica_thread.join();
  net::post(client_io, [&] {
    gates.gate(0).abandon();
    client_io.stop();
  });
  client_thread.join();
  EXPECT_EQ(tally.answered, kPuts);
  EXPECT_EQ(tally.failed, 0);
  EXPECT_EQ(tally.newest_revision, 1u + kPuts);
}

}  // namespace
}  // namespace holdfast
