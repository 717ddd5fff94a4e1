// kill -9 at every step of an install: what a start finds is the old state or the new one, whole,
// and it knows which.

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <future>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kv/expect_same.h"

// RocksDB is not instrumented for ThreadSanitizer, which has its own hands on these calls.
#ifndef __SANITIZE_THREAD__

namespace {

std::atomic<bool> counting = false;
std::atomic<uint64_t> steps_left = 0;
std::atomic<bool> syncing = true;

// Comes before each act on the disk, of any thread.
void step() {
  if (!counting || steps_left.fetch_sub(1) != 1) return;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

}  // namespace

// In the place of the C library's, for our own code and for RocksDB's.
extern "C" {
int rename(const char* from, const char* to) noexcept {
  step();
  return static_cast<int>(syscall(SYS_rename, from, to));
}
int link(const char* from, const char* to) noexcept {
  step();
  return static_cast<int>(syscall(SYS_link, from, to));
}
int unlink(const char* path) noexcept {
  step();
  return static_cast<int>(syscall(SYS_unlink, path));
}
int unlinkat(int directory, const char* path, int flags) noexcept {
  step();
  return static_cast<int>(syscall(SYS_unlinkat, directory, path, flags));
}
int mkdir(const char* path, mode_t mode) noexcept {
  step();
  return static_cast<int>(syscall(SYS_mkdir, path, mode));
}
int rmdir(const char* path) noexcept {
  step();
  return static_cast<int>(syscall(SYS_rmdir, path));
}
int fsync(int file) {
  step();
  return !syncing ? 0 : static_cast<int>(syscall(SYS_fsync, file));
}
int fdatasync(int file) {
  step();
  return !syncing ? 0 : static_cast<int>(syscall(SYS_fdatasync, file));
}
ssize_t write(int file, const void* bytes, size_t count) {
  step();
  return syscall(SYS_write, file, bytes, count);
}
}

namespace holdfast {
namespace {

constexpr const char* kInstallDirectoryName = "HOLDFAST_INSTALL_TEST_DIRECTORY";
constexpr const char* kStepsName = "HOLDFAST_INSTALL_TEST_STEPS";
constexpr int kInstalledFd = 3;

constexpr uint64_t kOldFlushed = 60;
constexpr uint64_t kOld = 80;
constexpr uint64_t kNew = 150;

EntryPtr installed_entry(LogIndex index) {
  // The reader needs a row of the old state to hold on to.
  if (index.value == kOld)
    return make_entry(index, EntryKind::kCommand, encode_command({PutCommand{"k", "v", {}}}));
  Random random(index.value);
  return random_entry(random, index, {1 + index.value * 3 / 4});
}

void apply_until(KvStateMachine& machine, uint64_t last) {
  while (machine.applied().index.value < last) {
    const EntryPtr entry = installed_entry(machine.applied().index + 1);
    std::vector<Completion> completions;
    machine.apply({&entry, 1}, {1}, completions);
  }
}

[[noreturn]] void install_until_killed(const std::string& directory, uint64_t steps) {
  syncing = false;
  {
    auto engine = RocksEngine::open({.directory = directory + "state"}).value();
    auto machine = KvStateMachine::open(*engine).value();
    apply_until(*machine, kOld);
    // Holds the old state until the install is said to be done: its removal comes after that.
    std::promise<void> half_way;
    std::promise<void> go_on;
    std::thread reader([&] {
      const RangeScan all{.start = "", .end = "", .at = {UINT64_MAX}};
      CHECK(engine->scan(all, [&](auto, const auto&, auto) {
        half_way.set_value();
        go_on.get_future().wait();
        return false;
      }));
    });
    half_way.get_future().wait();
    steps_left = steps;
    counting = true;
    CHECK(machine->install(directory + "copy"));
    CHECK(syscall(SYS_write, kInstalledFd, "x", 1) == 1);  // not a step
    go_on.set_value();
    reader.join();
  }
  _exit(0);
}

// Entered only in the process that is killed.
TEST(InstallCrashTest, DISABLED_Life) {
  if (const char* directory = std::getenv(kInstallDirectoryName)) {
    install_until_killed(directory, std::strtoull(std::getenv(kStepsName), nullptr, 10));
  }
}

struct End {
  bool killed;
  bool said_installed;
};

// This program, started again to run DISABLED_Life until `steps` acts on the disk are done.
End live_and_die(const std::string& directory, uint64_t steps) {
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  const std::string steps_text = std::to_string(steps);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    setenv(kInstallDirectoryName, directory.c_str(), 1);
    setenv(kStepsName, steps_text.c_str(), 1);
    dup2(ends[1], kInstalledFd);
    execl("/proc/self/exe", "kv_test", "--gtest_filter=InstallCrashTest.DISABLED_Life",
          "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
    _exit(1);
  }
  close(ends[1]);
  char said = 0;
  const bool said_installed = read(ends[0], &said, 1) == 1;
  close(ends[0]);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  CHECK(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "ended with {:x}", status);
  return {killed, said_installed};
}

// A state as old as can be told apart, and the copy that is to take its place.
void lay_out(const std::string& directory) {
  auto engine = RocksEngine::open({.directory = directory + "state"}).value();
  auto machine = KvStateMachine::open(*engine).value();
  apply_until(*machine, kOldFlushed);
  CHECK(engine->flush());
  auto other = RocksEngine::open({.directory = directory + "other"}).value();
  auto ahead = KvStateMachine::open(*other).value();
  apply_until(*ahead, kNew);
  CHECK(ahead->checkpoint(directory + "copy"));
  ahead.reset();
  other.reset();
  std::filesystem::remove_all(directory + "other");
}

// Answers whether it is the new state.
bool expect_one_of_both(const std::string& directory, const KvModel& old_model,
                        const KvModel& new_model) {
  const auto engine = RocksEngine::open({.directory = directory + "state"});
  EXPECT_TRUE(engine) << engine.error().message;
  if (!engine) return false;
  const auto machine = KvStateMachine::open(**engine).value();
  const bool is_new = machine->applied() == new_model.summary().applied;
  const KvModel& model = is_new ? new_model : old_model;
  EXPECT_EQ(machine->applied(), model.summary().applied);
  EXPECT_EQ(machine->installed(), is_new ? machine->applied() : LogPosition{});
  EXPECT_EQ(machine->durable(), machine->applied().index);
  expect_same(model, *machine, **engine);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename());
  std::erase(names, "copy");
  EXPECT_THAT(names, testing::ElementsAre(is_new ? "state.1" : "state"));
  return is_new;
}

TEST(InstallCrashTest, AKillAtAnyStepLeavesOneOfBothStates) {
  // What was written outlives the process, synced or not; without, the test is fast.
  syncing = false;
  const TestDirectory directory;
  const std::string laid_out = directory / "laid_out/";
  const std::string work = directory / "work/";
  std::filesystem::create_directory(laid_out);
  lay_out(laid_out);
  KvModel old_model;
  for (uint64_t i = 1; i <= kOldFlushed; ++i) old_model.apply(*installed_entry({i}));
  KvModel new_model;
  for (uint64_t i = 1; i <= kNew; ++i) new_model.apply(*installed_entry({i}));

  int old_found = 0;
  int new_found = 0;
  int new_before_it_was_said = 0;
  for (uint64_t steps = 1;; ++steps) {
    SCOPED_TRACE(testing::Message() << "killed at step " << steps);
    std::filesystem::remove_all(work);
    std::filesystem::copy(laid_out, work, std::filesystem::copy_options::recursive);
    const End end = live_and_die(work, steps);
    const bool is_new = expect_one_of_both(work, old_model, new_model);
    if (HasFailure()) return;
    EXPECT_TRUE(is_new || !end.said_installed);
    is_new ? ++new_found : ++old_found;
    if (is_new && !end.said_installed) ++new_before_it_was_said;
    if (!end.killed) break;
  }
  syncing = true;
  EXPECT_GT(old_found, 10);
  EXPECT_GT(new_before_it_was_said, 10);
  EXPECT_GT(new_found, new_before_it_was_said + 10) << "and while the old one is removed";
}

}  // namespace
}  // namespace holdfast

#endif
