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
#include "replication/node/upkeep.h"
#include "server/gates.h"
#include "storage/base/skewed_clock.h"
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

// A group of one on the real clock and disk, its replica and its clients on threads of their own.
class ReplicaLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "replica-loop-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    begin_log();
    auto opened = open_log();
    ASSERT_TRUE(opened.has_value());
    machine_ = KvStateMachine::open(engine_).value();
    auto recovered = recover_replica(opened->recovered, *opened->log, *machine_, {});
    ASSERT_TRUE(recovered.has_value()) << recovered.error().message;
    start(std::move(opened->log), *std::move(recovered));
  }

  void TearDown() override {
    net::post(replica_io_, [this] {
      loop_.stop();
      replica_work_.reset();
      replica_io_.stop();
    });
    replica_thread_.join();
    net::post(client_io_, [this] {
      gates_->gate(0).abandon();
      client_io_.stop();
    });
    client_thread_.join();
    log_.reset();
    applier_.reset();
    std::filesystem::remove_all(directory_);
  }

  Instant soon() { return clock_.now() + std::chrono::seconds(60); }

  // The clock goes so fast from now on, and the loop is told.
  void run_clock(double rate) {
    clock_.set({.rate = rate});
    net::post(replica_io_, [this] { loop_.look_at_clock(); });
  }
  void expect_a_key_with_a_time_to_end();
  net::io_context& replica_io() { return replica_io_; }

  SystemClock machine_clock_;
  SkewedClock clock_{machine_clock_};
  MemoryEngine engine_;
  std::unique_ptr<KvStateMachine> machine_;
  net::io_context client_io_{1};
  std::unique_ptr<Gates> gates_;

 private:
  Result<SegmentedLog::Opened> open_log() {
    return SegmentedLog::open(fs_, directory_, {.segment_bytes = 1 << 20, .salt = 1});
  }

  void begin_log() {
    const raft::Members members{{raft::Member{kSelf, "n1", "nowhere:1", true}}};
    auto opened = open_log();
    ASSERT_TRUE(opened.has_value());
    ASSERT_TRUE(write_first_entry(opened->recovered, *opened->log, members).has_value());
  }

  void start(std::unique_ptr<SegmentedLog> log, raft::Recovered recovered) {
    gates_ = std::make_unique<Gates>(std::vector{&client_io_}, *machine_, 1 << 20,
                                     [this](raft::Input input) { loop_.post(std::move(input)); });
    log_ = std::make_unique<LogWriter>(
        std::move(log),
        LogWriter::Answers{
            .persisted = [this](WriteTicket last) { loop_.post(raft::Persisted{last}); },
            .loaded =
                [this](NodeId to, std::vector<EntryPtr> entries) {
                  loop_.post(raft::Loaded{to, std::move(entries)});
                }});
    applier_ = std::make_unique<Applier>(
        *machine_, kSelf,
        Applier::Answers{.applied =
                             [this](raft::Applied applied, std::vector<Completion> completions) {
                               gates_->applied(std::move(completions));
                               loop_.post(applied);
                             },
                         .members = [](const raft::Members&) {},
                         .installed = nullptr});
    upkeep_ = std::make_unique<Upkeep>(*machine_);
    replica_ = std::make_unique<Replica>(
        raft::Config{.self = kSelf}, std::move(recovered), Random(1), clock_.now(),
        Replica::Seams{*log_, transport_, *applier_, snapshots_, *gates_});
    net::post(replica_io_, [this] {
      loop_.start(*replica_, [this](Instant now, const auto&) { keep_up(now); });
    });
    replica_thread_ = std::thread([this] { replica_io_.run(); });
    client_thread_ = std::thread([this] { client_io_.run(); });
  }

  void keep_up(Instant now) {
    std::optional<Bytes> due = upkeep_->due(now, replica_->status());
    if (due) loop_.post(raft::Propose{{{Gate::nobodys(random_), soon(), *std::move(due)}}});
  }

  PosixFileSystem fs_;
  std::string directory_;
  Random random_{1};
  NoTransport transport_;
  NoSnapshots snapshots_;
  net::io_context replica_io_{1};
  net::executor_work_guard<net::io_context::executor_type> client_work_{client_io_.get_executor()};
  net::executor_work_guard<net::io_context::executor_type> replica_work_{
      replica_io_.get_executor()};
  ReplicaLoop loop_{replica_io_, clock_};
  std::unique_ptr<LogWriter> log_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<Upkeep> upkeep_;
  std::unique_ptr<Replica> replica_;
  std::thread replica_thread_;
  std::thread client_thread_;
};

TEST_F(ReplicaLoopTest, EveryRequestFromAnotherThreadIsAnsweredOnce) {
  Tally tally;
  const Instant deadline = soon();
  for (int number = 0; number < kPuts; ++number)
    net::post(client_io_, [&, number] { put(gates_->gate(0), deadline, number, tally); });
  EXPECT_EQ(tally.done.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_EQ(tally.answered, kPuts);
  EXPECT_EQ(tally.failed, 0);
  EXPECT_EQ(tally.newest_revision, 1u + kPuts);
}

Fire put_with_a_time(Gate& gate, Instant deadline, std::promise<bool>& done) {
  PutCommand act{"k", "v", {}};
  act.ttl_ms = kTtlMsMin;
  Gate::Waiting waiting = gate.propose(encode_command({std::move(act)}), deadline);
  const Gate::Outcome outcome = co_await waiting;
  done.set_value(outcome.has_value());
}

Fire await_deletion(Gate& gate, Instant deadline, std::promise<bool>& done) {
  Gate::Waiting waiting = gate.await_revision(Revision{3}, deadline);
  const Gate::Outcome outcome = co_await waiting;
  done.set_value(outcome.has_value());
}

void ReplicaLoopTest::expect_a_key_with_a_time_to_end() {
  // By a clock that was fast the disk was silent for long, and requests are refused for a moment.
  Instant begun;
  bool is_put = false;
  for (const Instant give_up = soon(); !is_put && clock_.now() < give_up;) {
    begun = clock_.now();
    std::promise<bool> put;
    net::post(client_io_, [&] { put_with_a_time(gates_->gate(0), soon(), put); });
    is_put = put.get_future().get();
  }
  ASSERT_TRUE(is_put);
  EXPECT_TRUE(engine_.get_info("k", machine_->revision()).value().has_value());

  std::promise<bool> deleted;
  std::future<bool> is_deleted = deleted.get_future();
  net::post(client_io_, [&] { await_deletion(gates_->gate(0), soon(), deleted); });
  const Instant give_up = soon();
  while (is_deleted.wait_for(std::chrono::milliseconds(5)) != std::future_status::ready &&
         clock_.now() < give_up)
    gates_->look_again(clock_.now());
  ASSERT_TRUE(is_deleted.get());
  EXPECT_FALSE(engine_.get_info("k", machine_->revision()).value().has_value());
  EXPECT_GE(clock_.now() - begun, std::chrono::milliseconds(kTtlMsMin));
}

TEST_F(ReplicaLoopTest, AKeyWithATimeEndsByItselfAndNotBefore) {
  expect_a_key_with_a_time_to_end();
}

TEST_F(ReplicaLoopTest, TimersRingByAClockThatWentAhead) {
  const Instant ahead = machine_clock_.now() + std::chrono::hours(1);
  run_clock(1e6);
  while (clock_.now() < ahead) std::this_thread::yield();
  run_clock(1);
  expect_a_key_with_a_time_to_end();
}

TEST_F(ReplicaLoopTest, TimersOfASlowClockAreSetAnewWhenItIsPutRight) {
  run_clock(1e-4);
  std::promise<void> turned;
  net::post(client_io_, [&] { net::post(replica_io(), [&] { turned.set_value(); }); });
  turned.get_future().wait();
  run_clock(1);
  expect_a_key_with_a_time_to_end();
}

}  // namespace
}  // namespace holdfast
