// Which states a program reads: its own, and older ones that a release wrote.

#include "storage/kv/state_format.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/kv/kv_state_machine.h"
#include "storage/kv/stored_bytes.h"
#include "tests/kv/test_stores.h"

namespace holdfast {
namespace {

constexpr std::string_view kFormat = "format";

class StateFormatTest : public testing::TestWithParam<StoreKind> {
 protected:
  // A state of one entry.
  void make() {
    auto machine = KvStateMachine::open(store_->engine()).value();
    std::vector<Completion> completions;
    const EntryPtr entry = std::make_shared<const LogEntry>(
        LogEntry{.index = {1},
                 .term = {1},
                 .kind = EntryKind::kCommand,
                 .origin = {},
                 .payload = encode_command({.act = PutCommand{.key = "k", .value = "v"}})});
    machine->apply(std::array{entry}, {1}, completions);
  }
  void write_format(std::optional<std::string> format) {
    EngineBatch batch;
    batch.meta.emplace_back(kFormat, std::move(format));
    store_->engine().write(batch);
  }
  Result<std::unique_ptr<KvStateMachine>> open() { return KvStateMachine::open(store_->engine()); }
  // The state as it is, sent to another node.
  void expect_not_installed() {
    const std::string name = fmt::format("checkpoint {}", ++checkpoints_);
    ASSERT_TRUE(store_->engine().checkpoint(store_->checkpoint_path(name)));
    const std::unique_ptr<TestStore> other = make_store(GetParam());
    auto machine = KvStateMachine::open(other->engine()).value();
    store_->send(name, *other);
    const auto head = machine->read_snapshot_head(other->checkpoint_path(name));
    ASSERT_FALSE(head);
    EXPECT_EQ(head.error().code, ErrorCode::kInvalid);
    const Result<> installed = machine->install(other->checkpoint_path(name));
    ASSERT_FALSE(installed);
    EXPECT_EQ(installed.error().code, ErrorCode::kInvalid);
  }

  const std::unique_ptr<TestStore> store_ = make_store(GetParam());

 private:
  int checkpoints_ = 0;
};

TEST_P(StateFormatTest, IsWrittenWithTheFirstEntry) {
  EXPECT_EQ(store_->engine().get_meta(kFormat).value(), std::nullopt);
  make();
  EXPECT_EQ(store_->engine().get_meta(kFormat).value(), encode_number(kFirstFormat));
}

TEST_P(StateFormatTest, RisesWithTheFirstLockAndStays) {
  make();
  const auto obey = [this](uint64_t index, Command command) {
    auto machine = KvStateMachine::open(store_->engine()).value();
    std::vector<Completion> completions;
    const EntryPtr entry =
        std::make_shared<const LogEntry>(LogEntry{.index = {index},
                                                  .term = {1},
                                                  .kind = EntryKind::kCommand,
                                                  .origin = {},
                                                  .payload = encode_command(std::move(command))});
    machine->apply(std::array{entry}, {1}, completions);
    return store_->engine().get_meta(kFormat).value();
  };
  EXPECT_EQ(obey(2, {.act = ReleaseLockCommand{"l", 7}}), encode_number(kFirstFormat));
  EXPECT_EQ(obey(3, {.act = AcquireLockCommand{"l", "", {5}, 1'000}}),
            encode_number(kFormatWithLocks));
  EXPECT_EQ(obey(4, {.act = RevokeLeaseCommand{{5}}}), encode_number(kFormatWithLocks))
      << "the newest token is kept";
}

TEST_P(StateFormatTest, ANewerOneIsRefusedWithBothVersions) {
  make();
  write_format(encode_number(kStateFormat + 1));
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(opened.error().message,
            "the state has format 4, and this program reads formats up to 3: start the newer "
            "program that wrote it");
  EXPECT_EQ(store_->engine().get_meta(kFormat).value(), encode_number(kStateFormat + 1));
}

TEST_P(StateFormatTest, ASnapshotOfANewerOneIsNotInstalled) {
  make();
  write_format(encode_number(kStateFormat + 1));
  expect_not_installed();
}

TEST_P(StateFormatTest, TheOneBeforeTheFirstReleaseIsRefused) {
  make();
  for (const std::optional<std::string>& before :
       {std::optional<std::string>(), std::optional(encode_number(1))}) {
    write_format(before);
    const auto opened = open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(opened.error().message,
                testing::HasSubstr("which no release wrote, and which cannot be read"));
    EXPECT_EQ(store_->engine().get_meta(kFormat).value(), before) << "nothing is changed";
    expect_not_installed();
  }
}

TEST_P(StateFormatTest, WhatIsNoFormatIsDamage) {
  make();
  write_format("x");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

INSTANTIATE_TEST_SUITE_P(Engines, StateFormatTest, testing::ValuesIn(store_kinds()), store_name);

}  // namespace
}  // namespace holdfast
