// What only RocksDB can do or suffer.

#include "storage/kv/rocks_engine.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>

#include "storage/kv/rocks_check.h"
#include "storage/kv/rocks_options.h"
#include "tests/kv/expect_same.h"

namespace holdfast {
namespace {

void write_row(Engine& engine, uint64_t revision, const std::string& key,
               const std::string& value) {
  EngineBatch batch;
  batch.revisions.push_back({.revision = {revision}, .made = {1, 1}, .rows = {}});
  batch.revisions.back().rows.emplace_back(key, row(revision, value));
  engine.write(batch);
}

class RocksEngineTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "RocksDB is not instrumented";
#endif
  }
};

TEST_F(RocksEngineTest, AReadFromMemoryNeverWaitsForTheDisk) {
  RocksStore store;
  write_row(store.rocks(), 2, "k", "value");
  EXPECT_EQ(store.rocks().get("k", {2}, ReadTier::kMemory).value(), row(2, "value"));
  ASSERT_TRUE(store.rocks().flush());
  Random random(1);
  store.crash(random);
  const auto cold = store.rocks().get("k", {2}, ReadTier::kMemory);
  ASSERT_FALSE(cold);
  EXPECT_EQ(cold.error().code, ErrorCode::kIncomplete);
  EXPECT_EQ(store.rocks().get("k", {2}, ReadTier::kDisk).value(), row(2, "value"));
  EXPECT_EQ(store.rocks().get("k", {2}, ReadTier::kMemory).value(), row(2, "value"));
}

TEST_F(RocksEngineTest, KeysThatAreNotThereAreKnownWithoutReadingRows) {
  RocksStore store;
  for (uint64_t i = 0; i < 1000; ++i)
    write_row(store.rocks(), i + 2, fmt::format("there/{}", i), "x");
  rocksdb::SetPerfLevel(rocksdb::kEnableCount);
  const auto look = [&store] {
    rocksdb::get_perf_context()->Reset();
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(store.rocks().get_info(fmt::format("there/{}/not", i), {2000}).value(),
                std::nullopt);
    }
  };
  look();
  EXPECT_GT(rocksdb::get_perf_context()->bloom_memtable_miss_count, 900u);
  ASSERT_TRUE(store.rocks().flush());
  look();
  EXPECT_GT(rocksdb::get_perf_context()->bloom_sst_miss_count, 900u);
  rocksdb::SetPerfLevel(rocksdb::kDisable);
}

TEST_F(RocksEngineTest, ColdFilesGiveBackThePastWithinADay) {
  const auto all = families({}, block_cache(1 << 20));
  const auto rows = std::ranges::find(all, "kv", &rocksdb::ColumnFamilyDescriptor::name);
  EXPECT_EQ(rows->options.periodic_compaction_seconds, 24u * 60 * 60);
}

TEST_F(RocksEngineTest, ALargeLeaseEndsInTimeThatGrowsWithIt) {
  constexpr uint64_t kKeys = 20'000;
  RocksStore store;
  auto machine = KvStateMachine::open(store.rocks()).value();
  const auto apply = [&](const Command& command) {
    const LogIndex next = machine->applied().index + 1;
    const EntryPtr entry =
        make_entry(next, EntryKind::kCommand, encode_command(command), {}, Stamp{10'000, 0});
    std::vector<Completion> completions;
    machine->apply({&entry, 1}, {1}, completions);
  };
  apply({.act = GrantLeaseCommand{{5}, 1'000}});
  for (uint64_t first = 0; first < kKeys; first += 5'000) {
    TransactionCommand puts;
    for (uint64_t i = first; i < first + 5'000; ++i)
      puts.then.emplace_back(PutCommand{fmt::format("{:06}", i), "", {}, {5}});
    apply({.act = std::move(puts)});
  }
  ASSERT_TRUE(store.rocks().flush());
  const EntryPtr late =
      make_entry(machine->applied().index + 1, EntryKind::kBarrier, {}, {}, Stamp{20'000, 0});
  std::vector<Completion> completions;
  machine->apply({&late, 1}, {1}, completions);
  rocksdb::SetPerfLevel(rocksdb::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  for (uint64_t i = 0; i < kKeys / 1'000; ++i) apply({.act = ExpireCommand{}});
  EXPECT_LT(rocksdb::get_perf_context()->internal_delete_skipped_count, kKeys)
      << "names that were deleted are not passed again";
  rocksdb::SetPerfLevel(rocksdb::kDisable);
  EXPECT_TRUE(read_rows(store.rocks(), {.at = machine->revision()}).empty());
}

TEST_F(RocksEngineTest, AFileThatIsNotThereIsToldAndNotCounted) {
  const TestDirectory directory;
  {
    const auto engine = RocksEngine::open({.directory = directory / "state"}).value();
    write_row(*engine, 2, "k", "value");
    ASSERT_TRUE(engine->flush());
  }
  const TableFiles before = check_table_files(directory / "state").value();
  EXPECT_TRUE(before.wrong.empty());
  EXPECT_GT(before.bytes, 0u);
  std::filesystem::create_symlink("nowhere", directory / "state/000999.sst");
  const TableFiles found = check_table_files(directory / "state").value();
  EXPECT_EQ(found.bytes, before.bytes);
  ASSERT_FALSE(found.wrong.empty());
  EXPECT_THAT(found.wrong[0], testing::HasSubstr("size"));
}

TEST_F(RocksEngineTest, OneProcessOpensItOnce) {
  RocksStore store;
  const auto second = RocksEngine::open({.directory = store.directory() / "state"});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kIo);
  EXPECT_THAT(second.error().message, testing::HasSubstr("/state'"));
}

TEST_F(RocksEngineTest, ACheckpointHoldsTheStateOfItsMoment) {
  RocksStore store;
  write_row(store.rocks(), 2, "k", "old");
  const std::string copy = store.directory() / "copy";
  ASSERT_TRUE(store.rocks().checkpoint(copy));
  write_row(store.rocks(), 3, "k", "new");
  ASSERT_TRUE(store.rocks().flush());
  {
    const auto opened = RocksEngine::open({.directory = copy}).value();
    EXPECT_EQ(opened->get("k", {9}, ReadTier::kDisk).value(), row(2, "old"));
    EXPECT_EQ(opened->changes({0}, 9).value().size(), 1u);
  }
  EXPECT_FALSE(store.rocks().checkpoint(copy)) << "it exists";
  EXPECT_EQ(store.rocks().get("k", {9}, ReadTier::kDisk).value(), row(3, "new"));
}

TEST_F(RocksEngineTest, CompactionForgetsWhatTheFloorAllows) {
  RocksStore store;
  for (uint64_t i = 0; i < 20; ++i) write_row(store.rocks(), i + 2, "k", std::to_string(i));
  ASSERT_TRUE(store.rocks().flush());
  ASSERT_TRUE(store.rocks().set_history_floor({15}));
  ASSERT_TRUE(store.rocks().compact());
  // Nothing promises an answer below the floor; that the version is gone shows that space is freed.
  const auto below = store.rocks().get("k", {5}, ReadTier::kDisk);
  EXPECT_TRUE(!below || !*below);
  EXPECT_EQ(store.rocks().get("k", {15}, ReadTier::kDisk).value(), row(15, "13"));
  EXPECT_EQ(store.rocks().get("k", {99}, ReadTier::kDisk).value(), row(21, "19"));
}

// Every file by its path: size and time of its last change, in one line each.
std::vector<std::string> listing(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    files.push_back(fmt::format("{} {} {}", entry.path().string(), entry.file_size(),
                                entry.last_write_time().time_since_epoch().count()));
  std::ranges::sort(files);
  return files;
}

class RewritingTest : public RocksEngineTest {
 protected:
  // Two files with the same keys.
  void fill() {
    Random random(1);
    for (uint64_t round = 0; round < 2; ++round) {
      for (uint64_t i = 0; i < 1000; ++i)
        write_row(store_.rocks(), 2 + round * 1000 + i, fmt::format("key/{}", i),
                  std::to_string(random.next()));
      ASSERT_TRUE(store_.rocks().flush());
    }
  }
  RocksStore store_;
};

TEST_F(RewritingTest, IsNotBegunWithoutRoomForIt) {
  fill();
  store_.rocks().set_free_bytes(1000);
  EXPECT_FALSE(store_.rocks().compact());
  write_row(store_.rocks(), 3000, "more", "value");
  EXPECT_TRUE(store_.rocks().flush()) << "a flush is not asked whether there is room";
  store_.rocks().set_free_bytes(100 << 20);
  EXPECT_TRUE(store_.rocks().compact());
}

// An engine that waits for room.
class GuardedTest : public RocksEngineTest {
 protected:
  GuardedTest() { open(); }
  void open() {
    engine_.reset();
    engine_ = RocksEngine::open({.directory = directory_ / "state",
                                 .memtable_bytes = 1 << 20,
                                 .make_room = [](RoomFor) { return false; }})
                  .value();
  }
  void flush_one(uint64_t i) {
    write_row(*engine_, i + 2, "k", std::to_string(i));
    ASSERT_TRUE(engine_->flush());
  }

  size_t table_count() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "state"))
      count += entry.path().extension() == ".sst" ? 1 : 0;
    return count;
  }

  const TestDirectory directory_;
  std::unique_ptr<RocksEngine> engine_;
};

TEST_F(GuardedTest, NothingIsRewrittenBeforeItIsSaidWhatIsFree) {
  for (uint64_t i = 0; i < 2; ++i) flush_one(i);
  EXPECT_FALSE(engine_->compact());
  engine_->set_free_bytes(100 << 20);
  EXPECT_TRUE(engine_->compact());
  for (uint64_t i = 2; i < 4; ++i) flush_one(i);
  open();
  EXPECT_FALSE(engine_->compact());
  engine_->set_free_bytes(100 << 20);
  EXPECT_TRUE(engine_->compact());
}

TEST_F(GuardedTest, AnOpeningRewritesNothing) {
  for (uint64_t i = 0; i < 10; ++i) flush_one(i);
  const size_t tables = table_count();
  EXPECT_GE(tables, 10u);
  open();
  EXPECT_FALSE(engine_->compact()) << "what had been begun would be through now";
  EXPECT_EQ(table_count(), tables);
}

TEST_F(GuardedTest, AnInstalledStateIsNotRewrittenEither) {
  for (uint64_t i = 0; i < 2; ++i) flush_one(i);
  engine_->set_free_bytes(100 << 20);
  ASSERT_TRUE(engine_->checkpoint(directory_ / "copy"));
  engine_->set_free_bytes(1);
  ASSERT_TRUE(engine_->install(directory_ / "copy", {}));
  EXPECT_FALSE(engine_->compact());
  engine_->set_free_bytes(100 << 20);
  EXPECT_TRUE(engine_->compact());
}

TEST_F(GuardedTest, NoCopyIsMadeWithoutRoomForTheFlushBeforeIt) {
  flush_one(0);
  engine_->set_free_bytes((3 << 20) - 1);
  const Result<> made = engine_->checkpoint(directory_ / "copy");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(made.error().message, testing::HasSubstr("2 MiB free, and 3 MiB are needed"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "copy"));
  engine_->set_free_bytes(3 << 20);
  EXPECT_TRUE(engine_->checkpoint(directory_ / "copy"));
}

constexpr int kPiled = 17;

// More flushed files than RocksDB lets pile up of itself, while nothing may be rewritten.
void pile_up(const std::string& directory) {
  ::alarm(60);
  const auto engine =
      RocksEngine::open({.directory = directory, .make_room = [](RoomFor) { return true; }})
          .value();
  for (uint64_t i = 2; i < 50; ++i) {
    write_row(*engine, i, "k", "value");
    CHECK(engine->flush().has_value());
  }
  write_row(*engine, 50, "k", "value");
  CHECK(!engine->compact().has_value());
  CHECK(engine->get_info("k", {50}).value()->version == 1);
  std::_Exit(kPiled);
}

TEST_F(RocksEngineTest, NobodyWaitsForRewritingThatIsPutOff) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // The name is fixed, since the process that ends cannot clean up.
  const std::string directory = test_path("kv_test_piled_up");
  EXPECT_EXIT(pile_up(directory), testing::ExitedWithCode(kPiled), "");
  std::filesystem::remove_all(directory);
}

TEST_F(RewritingTest, EndsForAStop) {
  fill();
  store_.rocks().end_compactions();
  const Result<> ended = store_.rocks().compact();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kIncomplete);
}

TEST_F(RocksEngineTest, NamedValuesAreReadAsTheyWereFlushedAndNothingIsChanged) {
  const TestDirectory directory;
  {
    const auto engine = RocksEngine::open({.directory = directory / "state"}).value();
    write_row(*engine, 2, "k", "value");
    engine->write({.revisions = {}, .meta = {{"name", "flushed"}, {"other", ""}}});
    ASSERT_TRUE(engine->flush());
    engine->write({.revisions = {}, .meta = {{"name", "lost at the close"}}});
  }
  const std::vector<std::string> before = listing(directory / "state");
  const auto found = RocksEngine::read_named_values(directory / "state");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, (NamedValues{{"name", "flushed"}, {"other", ""}}));
  EXPECT_EQ(listing(directory / "state"), before);
}

TEST_F(RocksEngineTest, NamedValuesOfAStateThatMissesAFileAreNotRead) {
  const TestDirectory directory;
  {
    const auto engine = RocksEngine::open({.directory = directory / "state"}).value();
    write_row(*engine, 2, "k", "value");
    ASSERT_TRUE(engine->flush());
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory / "state"))
    if (entry.path().extension() == ".sst") std::filesystem::remove(entry.path());
  EXPECT_FALSE(RocksEngine::read_named_values(directory / "state"));
}

TEST_F(RocksEngineTest, ReadingNamedValuesMakesNoState) {
  const TestDirectory directory;
  EXPECT_FALSE(RocksEngine::read_named_values(directory / "state"));
  EXPECT_FALSE(std::filesystem::exists(directory / "state"));
}

void flush_onto_a_full_disk(const std::string& directory) {
  const auto engine = RocksEngine::open({.directory = directory}).value();
  Random random(1);
  for (uint64_t i = 2; i < 10'000; ++i) write_row(*engine, i, std::to_string(random.next()), "v");
  // Stands in for a disk that takes no more: files may not grow beyond a page.
  CHECK(std::signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
  const rlimit page{4096, 4096};
  CHECK(setrlimit(RLIMIT_FSIZE, &page) == 0);
  EXPECT_TRUE(engine->flush()) << "it should have stopped the process";
}

TEST_F(RocksEngineTest, AFailedFlushStopsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // The name is fixed, since the process that dies cannot clean up.
  const std::string directory = test_path("kv_test_full_disk");
  EXPECT_DEATH(flush_onto_a_full_disk(directory), "fatal: writing the state failed: RocksDB says");
  std::filesystem::remove_all(directory);
}

TEST_F(RocksEngineTest, DamageToAFileIsToldAndNotServed) {
  std::string directory = "rocks-damage-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  std::vector<std::string> told;
  const RocksEngine::Options options{
      .directory = directory + "/state",
      .on_damage = [&told](const std::string& what) { told.push_back(what); }};
  {
    auto engine = RocksEngine::open(options);
    ASSERT_TRUE(engine);
    Random random(3);
    for (uint64_t i = 0; i < 500; ++i)
      write_row(**engine, i + 2, fmt::format("key/{}", i), std::to_string(random.next()));
    ASSERT_TRUE((*engine)->flush());
  }
  std::string largest;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/state"))
    if (entry.path().extension() == ".sst" &&
        (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)))
      largest = entry.path();
  {
    std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(std::filesystem::file_size(largest) / 2);
    char byte = 0;
    file.seekg(at).get(byte);
    file.seekp(at).put(static_cast<char>(byte ^ 1));
  }
  auto engine = RocksEngine::open(options);
  ASSERT_TRUE(engine);
  size_t refused = 0;
  for (uint64_t i = 0; i < 500; ++i) {
    const auto found = (*engine)->get(fmt::format("key/{}", i), {1000}, ReadTier::kDisk);
    if (found) continue;
    EXPECT_EQ(found.error().code, ErrorCode::kCorrupt);
    ++refused;
  }
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(told.size(), refused);
  // Nor does it get anywhere in a checkpoint.
  ASSERT_TRUE((*engine)->checkpoint(directory + "/copy"));
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/copy")) {
    const bool is_damaged = entry.path().filename() == std::filesystem::path(largest).filename();
    EXPECT_EQ((*engine)->read_back_file(entry.path()).has_value(), !is_damaged) << entry.path();
  }
  EXPECT_EQ(told.size(), refused + 1);
  engine->reset();
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace holdfast
