// kill -9 with RocksDB's log off: whatever is found on disk must be exactly what the entries make
// up to the position found beside it, and never less than was said to be durable.

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "storage/base/codec.h"
#include "tests/kv/expect_same.h"

namespace holdfast {
namespace {

constexpr const char* kCrashDirectoryName = "HOLDFAST_CRASH_TEST_DIRECTORY";
constexpr const char* kRoundName = "HOLDFAST_CRASH_TEST_ROUND";
constexpr int kReportsFd = 3;

// The log that all lives of the process apply: a function of the index alone.
EntryPtr entry_at(LogIndex index) {
  Random random(index.value);
  return random_entry(random, index, {1 + index.value * 3 / 4});
}

// What a life tells its watcher, in one atomic write.
struct Report {
  enum class Kind : uint32_t { kApplied, kDurable, kCheckpoint };
  Kind kind;
  uint32_t checkpoint;
  uint64_t index;
};
static_assert(sizeof(Report) <= 512, "longer writes to a pipe are not atomic");

void say(const Report& report) {
  CHECK(write(kReportsFd, &report, sizeof report) == sizeof report);
}

std::string checkpoint_path(const std::string& directory, uint32_t number) {
  return fmt::format("{}/checkpoint-{}", directory, number);
}

// The life of the process that is killed: applies entries until then.
[[noreturn]] void live_until_killed(const std::string& directory, uint64_t round) {
  Random random(1000 + round);
  auto engine = RocksEngine::open({.directory = directory + "/state",
                                   .memtable_bytes = random.chance(0.5) ? 64u << 10 : 4u << 20})
                    .value();
  auto machine = KvStateMachine::open(*engine, random.between(4096, 200'000)).value();
  uint32_t checkpoints = 0;
  for (;;) {
    std::vector<EntryPtr> batch;
    for (uint64_t i = random.between(1, 40); i > 0; --i) {
      batch.push_back(entry_at(machine->applied().index + batch.size() + 1));
    }
    std::vector<Completion> completions;
    machine->apply(batch, {1}, completions);
    say({Report::Kind::kApplied, 0, machine->applied().index.value});
    if (random.chance(0.02)) CHECK(engine->flush());
    if (random.chance(0.05)) engine->start_flush();
    say({Report::Kind::kDurable, 0, machine->durable().value});
    if (random.chance(0.01)) {
      const uint32_t number = static_cast<uint32_t>(round) * 1000 + ++checkpoints;
      CHECK(engine->checkpoint(checkpoint_path(directory, number)));
      say({Report::Kind::kCheckpoint, number, machine->applied().index.value});
    }
  }
}

// Entered only in the process that Victim starts.
TEST(CrashTest, DISABLED_Life) {
  if (const char* directory = std::getenv(kCrashDirectoryName)) {
    live_until_killed(directory, std::strtoull(std::getenv(kRoundName), nullptr, 10));
  }
}

// This program, started again to run DISABLED_Life; a fork alone would lack RocksDB's threads.
class Victim {
 public:
  Victim(const std::string& directory, uint64_t round) {
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    const std::string round_text = std::to_string(round);
    pid_ = fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      setenv(kCrashDirectoryName, directory.c_str(), 1);
      setenv(kRoundName, round_text.c_str(), 1);
      dup2(ends[1], kReportsFd);
      execl("/proc/self/exe", "kv_test", "--gtest_filter=CrashTest.DISABLED_Life",
            "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
      _exit(1);
    }
    close(ends[1]);
    reports_ = ends[0];
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;
  ~Victim() {
    kill_and_wait();
    close(reports_);
  }

  // Nothing: it ended, or said nothing for a minute.
  std::optional<Report> next_report() {
    pollfd ready{.fd = reports_, .events = POLLIN, .revents = 0};
    Report report;
    if (poll(&ready, 1, 60'000) != 1) return std::nullopt;
    if (read(reports_, &report, sizeof report) != sizeof report) return std::nullopt;
    return report;
  }

  void kill_and_wait() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  int reports_ = -1;
};

// What is in `directory` is what the entries make. `model` is moved on to the position found.
void expect_whole(const std::string& directory, KvModel& model, uint64_t at_least) {
  auto engine = RocksEngine::open({.directory = directory});
  ASSERT_TRUE(engine) << engine.error().message;
  auto machine = KvStateMachine::open(**engine);
  ASSERT_TRUE(machine) << machine.error().message;
  const LogIndex found = (*machine)->applied().index;
  ASSERT_GE(found.value, at_least);
  ASSERT_GE(found, model.summary().applied.index);
  while (model.summary().applied.index < found) {
    model.apply(*entry_at(model.summary().applied.index + 1));
  }
  expect_same(model, **machine, **engine);
  Random random(found.value);
  expect_same_past(model, **engine, {1}, random, 3);
}

TEST(CrashTest, WhatIsFoundAfterAKillIsWhole) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "RocksDB is not instrumented";
#endif
  const TestDirectory directory;
  const std::string path = directory / "";
  Random random(7);
  KvModel model;
  uint64_t kept = 0;      // rounds that found something new on disk
  uint64_t replayed = 0;  // rounds that lost what was only in memory
  uint64_t copies = 0;
  for (uint64_t round = 1; round <= 25; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    uint64_t applied = 0;
    uint64_t durable = 0;
    std::map<uint32_t, uint64_t> checkpoints;
    {
      Victim victim(path, round);
      uint64_t patience = random.below(random.chance(0.2) ? 10 : 400);
      const auto take = [&](const Report& report) {
        if (report.kind == Report::Kind::kApplied) applied = report.index;
        if (report.kind == Report::Kind::kDurable) durable = report.index;
        if (report.kind == Report::Kind::kCheckpoint) {
          checkpoints[report.checkpoint] = report.index;
        }
      };
      while (patience-- > 0) {
        const std::optional<Report> report = victim.next_report();
        ASSERT_TRUE(report) << "the process ended by itself";
        take(*report);
      }
      victim.kill_and_wait();
      // What it still managed to say binds it as well.
      while (const std::optional<Report> report = victim.next_report()) take(*report);
    }
    const uint64_t before = model.summary().applied.index.value;
    for (const auto& [number, index] : checkpoints) {
      SCOPED_TRACE(testing::Message() << "checkpoint " << number);
      expect_whole(checkpoint_path(path, number), model, index);
      EXPECT_EQ(model.summary().applied.index.value, index);
      std::filesystem::remove_all(checkpoint_path(path, number));
      ++copies;
    }
    expect_whole(directory / "state", model, durable);
    if (HasFailure()) return;
    kept += model.summary().applied.index.value > before;
    replayed += model.summary().applied.index.value < applied;
  }
  // The rounds met what they were made for.
  EXPECT_GT(kept, 5u);
  EXPECT_GT(replayed, 5u);
  EXPECT_GT(copies, 5u);
}

}  // namespace
}  // namespace holdfast
