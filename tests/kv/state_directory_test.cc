#include "storage/kv/state_directory.h"

#include <fstream>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kv/kv_model.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    found.push_back(entry.path().filename());
  std::ranges::sort(found);
  return found;
}

TEST(StateDirectory, TheHighestNumberIsTheState) {
  const TestDirectory directory;
  EXPECT_TRUE(StateDirectory::open(directory / "state")->may_be_missing());
  for (const char* name : {"state", "state.2", "state.10", "state.new", "state.011", "state.12x",
                           "state.", "state.-13", "states.14", "stat.15"})
    std::filesystem::create_directory(directory / name);
  const auto opened = StateDirectory::open(directory / "state");
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->active(), directory / "state.10");
  EXPECT_FALSE(opened->may_be_missing());
  // What it did not make, it does not remove.
  ASSERT_TRUE(opened->remove_others());
  EXPECT_THAT(names_in(directory / ""), ElementsAre("stat.15", "state.", "state.-13", "state.011",
                                                    "state.10", "state.12x", "states.14"));
}

TEST(StateDirectory, WhatIsStagedBecomesTheStateWhenActivated) {
  const TestDirectory directory;
  std::filesystem::create_directory(directory / "state");
  std::filesystem::create_directory(directory / "one");
  std::filesystem::create_directory(directory / "two");
  auto opened = StateDirectory::open(directory / "state");
  ASSERT_TRUE(opened->stage(directory / "one"));
  EXPECT_EQ(StateDirectory::open(directory / "state")->active(), directory / "state");
  ASSERT_TRUE(opened->stage(directory / "two")) << "what is left of an install that failed goes";
  EXPECT_THAT(names_in(directory / ""), ElementsAre("state", "state.new"));
  ASSERT_TRUE(opened->activate());
  EXPECT_EQ(opened->active(), directory / "state.1");
  EXPECT_EQ(StateDirectory::open(directory / "state")->active(), directory / "state.1");
  EXPECT_THAT(names_in(directory / ""), ElementsAre("state", "state.1"));
  EXPECT_FALSE(opened->stage(directory / "nowhere"));
  ASSERT_TRUE(opened->remove_others());
  EXPECT_THAT(names_in(directory / ""), ElementsAre("state.1"));
}

// With RocksDB in them.
class StateOnDiskTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "RocksDB is not instrumented";
#endif
  }

  static void put(KvStateMachine& machine, const std::string& key) {
    const EntryPtr entry =
        make_entry(machine.applied().index + 1, EntryKind::kCommand,
                   encode_command({.act = PutCommand{key, std::string(2000, 'v'), {}}}));
    std::vector<Completion> completions;
    machine.apply({&entry, 1}, {1}, completions);
  }

  // Of ten rows, k0 to k9.
  static void make_checkpoint(const std::string& path) {
    RocksStore store;
    const auto machine = KvStateMachine::open(store.engine()).value();
    for (int i = 0; i < 10; ++i) put(*machine, fmt::format("k{}", i));
    ASSERT_TRUE(machine->checkpoint(path));
  }
};

TEST_F(StateOnDiskTest, OnlyTheStateInUseIsLeftAfterAnInstall) {
  const TestDirectory directory;
  const std::string copy = directory / "copy";
  auto engine = RocksEngine::open({.directory = directory / "state"}).value();
  EXPECT_TRUE(std::filesystem::exists(directory / "state/CURRENT"))
      << "a state that no snapshot was installed into lies as it always did";
  auto machine = KvStateMachine::open(*engine).value();
  put(*machine, "old");
  for (int i = 0; i < 2; ++i) {
    make_checkpoint(copy);
    ASSERT_TRUE(machine->install(copy));
  }
  machine.reset();
  engine.reset();  // waits for what was replaced
  EXPECT_THAT(names_in(directory / ""), ElementsAre("state.2"));
  engine = RocksEngine::open({.directory = directory / "state"}).value();
  machine = KvStateMachine::open(*engine).value();
  EXPECT_EQ(machine->applied().index, LogIndex{10});
}

TEST_F(StateOnDiskTest, AScanHalfWayEndsInTheStateItBeganIn) {
  RocksStore store;
  const auto machine = KvStateMachine::open(store.engine()).value();
  for (int i = 0; i < 5; ++i) put(*machine, fmt::format("old{}", i));
  std::promise<void> half_way;
  std::promise<void> go_on;
  std::string seen;
  std::thread reader([&] {
    const RangeScan all{.start = "", .end = "", .at = {UINT64_MAX}};
    EXPECT_TRUE(store.engine().scan(all, [&](std::string_view key, const auto&, auto) {
      seen += key;
      if (key == "old2") {
        half_way.set_value();
        go_on.get_future().wait();
      }
      return true;
    }));
  });
  half_way.get_future().wait();
  const std::string copy = store.directory() / "copy";
  make_checkpoint(copy);
  ASSERT_TRUE(machine->install(copy));
  EXPECT_THAT(store.names(), ElementsAre("state", "state.1")) << "still read";
  EXPECT_TRUE(store.engine().get("k7", {UINT64_MAX}, ReadTier::kDisk).value());
  go_on.set_value();
  reader.join();
  EXPECT_EQ(seen, "old0old1old2old3old4");
}

TEST_F(StateOnDiskTest, ACheckpointThatLacksAnythingIsNotInstalled) {
  RocksStore store;
  const auto machine = KvStateMachine::open(store.engine()).value();
  put(*machine, "old");
  const std::string whole = store.directory() / "whole";
  const std::string copy = store.directory() / "copy";
  make_checkpoint(whole);
  const std::vector<std::string> names = names_in(whole);
  int refused = 0;
  for (const std::string& name : names) {
    if (!name.ends_with(".sst") && !name.starts_with("MANIFEST") && name != "CURRENT") continue;
    for (const bool shortened : {false, true}) {
      SCOPED_TRACE(testing::Message() << name << " shortened: " << shortened);
      std::filesystem::copy(whole, copy);
      const std::filesystem::path file = std::filesystem::path(copy) / name;
      if (shortened) {
        std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
      } else {
        std::filesystem::remove(file);
      }
      EXPECT_FALSE(machine->read_snapshot_head(copy));
      EXPECT_FALSE(machine->install(copy));
      std::filesystem::remove_all(copy);
      ++refused;
    }
  }
  EXPECT_GE(refused, 2 * 5) << "three families' rows, their list, and the name of the list";
  EXPECT_THAT(store.names(), ElementsAre("state", "whole"));
  EXPECT_EQ(machine->applied().index, LogIndex{1});
  // It was only read: not a file more or less than before.
  ASSERT_TRUE(machine->read_snapshot_head(whole));
  EXPECT_EQ(names_in(whole), names);
  ASSERT_TRUE(machine->install(whole));
  EXPECT_EQ(machine->applied().index, LogIndex{10});
}

TEST_F(StateOnDiskTest, AStateWhoseFilesAreGoneIsNotTakenForANewOne) {
  const TestDirectory directory;
  std::filesystem::create_directory(directory / "state");
  std::ofstream(directory / "state/keep") << "me";
  std::filesystem::create_directory(directory / "state.1");
  const auto opened = RocksEngine::open({.directory = directory / "state"});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("/state.1'"));
  EXPECT_TRUE(std::filesystem::exists(directory / "state/keep")) << "nothing is removed either";
}

}  // namespace
}  // namespace holdfast
