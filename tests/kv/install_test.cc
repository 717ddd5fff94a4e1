// A state is copied while it goes on, and takes the place of another one.

#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/kv/state_format.h"
#include "storage/kv/stored_bytes.h"
#include "tests/kv/expect_same.h"

namespace holdfast {
namespace {

// A log that several stores apply, each as far as it likes.
class Log {
 public:
  explicit Log(uint64_t seed) : random_(seed) {}

  const EntryPtr& at(LogIndex index) {
    while (entries_.size() < index.value) {
      entries_.push_back(
          random_entry(random_, {entries_.size() + 1}, {1 + entries_.size() * 3 / 4}));
    }
    return entries_[index.value - 1];
  }
  void apply(KvStateMachine& machine, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      std::vector<Completion> completions;
      machine.apply({&at(machine.applied().index + 1), 1}, kSelf, completions);
    }
  }
  KvModel model_at(LogIndex index) {
    KvModel model;
    for (LogIndex next{1}; next <= index; next = next + 1) model.apply(*at(next));
    return model;
  }

 private:
  Random random_;
  std::vector<EntryPtr> entries_;
};

class InstallTest : public testing::TestWithParam<StoreKind> {
 protected:
  struct Replica {
    std::unique_ptr<TestStore> store;
    std::unique_ptr<KvStateMachine> machine;

    void reopen() {
      machine.reset();
      machine = KvStateMachine::open(store->engine(), 20'000).value();
    }
  };

  Replica make_replica() {
    Replica replica{make_store(GetParam()), nullptr};
    replica.reopen();
    return replica;
  }

  // A checkpoint of `from`, brought to `to`. Answers its path there.
  std::string bring(Replica& from, Replica& to, const std::string& name = "copy") {
    const Result<> made = from.machine->checkpoint(from.store->checkpoint_path(name));
    EXPECT_TRUE(made) << made.error().message;
    from.store->send(name, *to.store);
    return to.store->checkpoint_path(name);
  }

  void expect_state_of(Replica& replica) {
    Random random(9);
    const KvModel model = log_.model_at(replica.machine->applied().index);
    expect_same(model, *replica.machine, replica.store->engine());
    expect_same_past(model, replica.store->engine(), {1}, random, 5);
  }

  Log log_{5};
  Replica leader_ = make_replica();
  Replica follower_ = make_replica();
};

INSTANTIATE_TEST_SUITE_P(Engines, InstallTest, testing::ValuesIn(store_kinds()), store_name);

TEST_P(InstallTest, TheCopyTakesThePlaceOfTheState) {
  log_.apply(*leader_.machine, 300);
  log_.apply(*follower_.machine, 90);
  ASSERT_TRUE(follower_.store->engine().flush());
  log_.apply(*follower_.machine, 10);
  const std::string copy = bring(leader_, follower_);
  const SnapshotHead head = follower_.machine->read_snapshot_head(copy).value();
  EXPECT_EQ(head.applied, leader_.machine->applied());
  EXPECT_EQ(head.members, leader_.machine->members_payload());
  EXPECT_EQ(follower_.machine->installed(), LogPosition{});

  const Result<> installed = follower_.machine->install(copy);
  ASSERT_TRUE(installed) << installed.error().message;
  EXPECT_EQ(follower_.machine->applied(), head.applied);
  EXPECT_EQ(follower_.machine->installed(), head.applied);
  EXPECT_EQ(follower_.machine->durable(), head.applied.index);
  expect_state_of(follower_);
  EXPECT_FALSE(follower_.machine->read_snapshot_head(copy)) << "it is used up";

  // It goes on, and what was known of rows written lately is of the new state.
  log_.apply(*follower_.machine, 50);
  expect_state_of(follower_);
  EXPECT_EQ(follower_.machine->installed(), head.applied);
}

TEST_P(InstallTest, ACrashNeverGoesBehindIt) {
  Random random(3);
  for (int round = 1; round <= 10; ++round) {
    log_.apply(*leader_.machine, random.between(1, 80));
    leader_.store->engine().start_flush();
    log_.apply(*follower_.machine, random.between(0, 3));
    if (random.chance(0.5)) follower_.store->engine().start_flush();
    while (leader_.machine->applied().index < follower_.machine->applied().index)
      log_.apply(*leader_.machine, 1);
    const std::string copy = bring(leader_, follower_);
    ASSERT_TRUE(follower_.machine->install(copy));
    const LogPosition installed = follower_.machine->installed();
    EXPECT_EQ(installed, leader_.machine->applied());
    if (random.chance(0.7)) log_.apply(*follower_.machine, random.between(1, 5));
    follower_.machine.reset();
    follower_.store->crash(random);
    follower_.reopen();
    EXPECT_GE(follower_.machine->applied(), installed);
    EXPECT_EQ(follower_.machine->installed(), installed);
    EXPECT_EQ(follower_.machine->durable(), follower_.machine->applied().index);
    expect_state_of(follower_);
    if (HasFailure()) return;
  }
}

TEST_P(InstallTest, ACopyIsWholeThoughWritingAndFlushingGoOn) {
  // Read by more threads than the one that fills it: made before.
  (void)log_.at({20'000});
  std::atomic<uint64_t> applied = 0;
  std::atomic<bool> done = false;
  std::vector<uint64_t> at_least;
  std::thread copier([&] {
    for (uint64_t i = 0; i < 8; ++i) {
      while (applied < 200 * i) std::this_thread::yield();
      at_least.push_back(applied);
      const Result<> made =
          leader_.machine->checkpoint(leader_.store->checkpoint_path(std::to_string(i)));
      EXPECT_TRUE(made) << made.error().message;
    }
    done = true;
  });
  std::thread flusher([&] {
    while (!done) EXPECT_TRUE(leader_.store->engine().flush());
  });
  while (!done && applied < 20'000) {
    log_.apply(*leader_.machine, 1);
    applied = leader_.machine->applied().index.value;
  }
  copier.join();
  flusher.join();
  // The first may hold no entry at all, and is then no state to install.
  for (size_t i = 1; i < at_least.size(); ++i) {
    SCOPED_TRACE(i);
    const std::string name = std::to_string(i);
    Replica other = make_replica();
    leader_.store->send(name, *other.store);
    const Result<> installed = other.machine->install(other.store->checkpoint_path(name));
    ASSERT_TRUE(installed) << installed.error().message;
    EXPECT_GE(other.machine->applied().index.value, at_least[i]);
    expect_state_of(other);
  }
}

TEST_P(InstallTest, WhatCannotBeInstalledChangesNothing) {
  log_.apply(*leader_.machine, 10);
  const std::string older = bring(leader_, follower_, "older");
  log_.apply(*follower_.machine, 20);
  const auto refused = follower_.machine->install(older);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(refused.error().message,
              testing::HasSubstr("is of entry 10, and entry 20 is already applied"));
  EXPECT_FALSE(follower_.machine->install(follower_.store->checkpoint_path("nowhere")));

  Replica empty = make_replica();
  const std::string nothing = bring(empty, follower_, "nothing");
  EXPECT_EQ(follower_.machine->install(nothing).error().code, ErrorCode::kInvalid);

  EngineBatch unreadable;
  unreadable.meta.emplace_back("format", encode_number(kStateFormat));
  unreadable.meta.emplace_back("head", "short");
  empty.store->engine().write(unreadable);
  const std::string damaged = bring(empty, follower_, "damaged");
  EXPECT_EQ(follower_.machine->install(damaged).error().code, ErrorCode::kCorrupt);

  EXPECT_EQ(follower_.machine->applied().index, LogIndex{20});
  EXPECT_EQ(follower_.machine->installed(), LogPosition{});
  expect_state_of(follower_);
  log_.apply(*follower_.machine, 20);
  expect_state_of(follower_);
  // A copy of the same entry is no step back.
  log_.apply(*leader_.machine, 30);
  EXPECT_TRUE(follower_.machine->install(bring(leader_, follower_, "same")));
  expect_state_of(follower_);
}

TEST_P(InstallTest, ACheckpointIsNotWrittenOverAnother) {
  log_.apply(*leader_.machine, 10);
  const std::string path = leader_.store->checkpoint_path("copy");
  ASSERT_TRUE(leader_.machine->checkpoint(path));
  log_.apply(*leader_.machine, 10);
  EXPECT_FALSE(leader_.machine->checkpoint(path));
  EXPECT_EQ(leader_.machine->read_snapshot_head(path)->applied.index, LogIndex{10});
}

// Each entry puts "a" or "b"; the value names the revision. A reader at any published revision
// finds the newest versions of both, in the old state and in the new.
EntryPtr put_in_turn(LogIndex index) {
  const uint64_t revision = index.value + 1;
  return make_entry(
      index, EntryKind::kCommand,
      encode_command(
          {.act = PutCommand{revision % 2 == 0 ? "a" : "b", std::to_string(revision), {}}}));
}

void put_until(KvStateMachine& machine, uint64_t last) {
  while (machine.applied().index.value < last) {
    const EntryPtr entry = put_in_turn(machine.applied().index + 1);
    std::vector<Completion> completions;
    machine.apply({&entry, 1}, kSelf, completions);
  }
}

std::optional<std::string> newest(uint64_t at, uint64_t remainder) {
  const uint64_t revision = at % 2 == remainder ? at : at - 1;
  return revision < 2 ? std::nullopt : std::optional(std::to_string(revision));
}

void read_on(const KvStateMachine& machine, const Engine& engine, const std::atomic<bool>& done,
             std::atomic<uint64_t>& reads, uint64_t seed) {
  Random random(seed);
  LogIndex durable;
  while (!done) {
    const uint64_t published = machine.revision().value;
    const uint64_t at = random.chance(0.8) ? published : random.between(1, published);
    const ReadTier tier = random.chance(0.5) ? ReadTier::kMemory : ReadTier::kDisk;
    const auto a = engine.get("a", {at}, tier);
    if (a) {
      ASSERT_EQ(*a ? std::optional((*a)->value) : std::nullopt, newest(at, 0)) << "at " << at;
    } else {
      ASSERT_EQ(a.error().code, ErrorCode::kIncomplete);
    }
    const auto b = engine.get_info("b", {at}).value();
    ASSERT_EQ(b ? std::optional(std::to_string(b->mod_revision.value)) : std::nullopt,
              newest(at, 1));
    std::string scanned;
    const RangeScan all{.start = "", .end = "", .at = {at}, .reverse = random.chance(0.5)};
    for (const auto& [key, row] : read_rows(engine, all)) scanned += key;
    ASSERT_EQ(scanned.size(), (newest(at, 0) ? 1u : 0u) + (newest(at, 1) ? 1u : 0u));
    const std::vector<Change> changes = engine.changes({at}, 1).value();
    ASSERT_TRUE(at == 1 || changes.at(0).revision == Revision{at});
    ASSERT_GE(machine.durable(), durable);
    durable = machine.durable();
    ASSERT_GE(machine.summary().revision.value, at);
    ++reads;
  }
}

TEST_P(InstallTest, ReadersSeeTheOldStateOrTheNewOne) {
  std::atomic<bool> done = false;
  std::atomic<uint64_t> reads = 0;
  std::vector<std::thread> readers;
  put_until(*follower_.machine, 10);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    readers.emplace_back(
        [&, seed] { read_on(*follower_.machine, follower_.store->engine(), done, reads, seed); });
  }
  uint64_t index = 10;
  for (int round = 0; round < 15 && !HasFailure(); ++round) {
    index += 20;
    put_until(*leader_.machine, index);
    put_until(*follower_.machine, index - 10);
    const std::string copy = bring(leader_, follower_);
    const uint64_t reads_before = reads;
    EXPECT_TRUE(follower_.machine->install(copy));
    EXPECT_EQ(follower_.machine->durable(), LogIndex{index});
    put_until(*follower_.machine, index + 5);
    index += 5;
    // Each state is read a while; a reader that ended early has failed.
    while (reads < reads_before + 30 && !HasFailure()) std::this_thread::yield();
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(follower_.machine->applied().index, LogIndex{index});
}

TEST_P(InstallTest, ManyImagesOfManyStatesStayApart) {
  log_.apply(*leader_.machine, 30);
  const std::string first = bring(leader_, follower_, "first");
  log_.apply(*leader_.machine, 30);
  const std::string second = bring(leader_, follower_, "second");
  EXPECT_EQ(follower_.machine->read_snapshot_head(first)->applied.index, LogIndex{30});
  EXPECT_EQ(follower_.machine->read_snapshot_head(second)->applied.index, LogIndex{60});
  ASSERT_TRUE(follower_.machine->install(first));
  expect_state_of(follower_);
  ASSERT_TRUE(follower_.machine->install(second));
  expect_state_of(follower_);
  EXPECT_EQ(follower_.machine->installed().index, LogIndex{60});
}

}  // namespace
}  // namespace holdfast
