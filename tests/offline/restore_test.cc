#include "server/offline/restore.h"

#include <gmock/gmock.h>

#include "replication/node/recovery.h"
#include "storage/log/segmented_log.h"
#include "tests/offline/backup_fixture.h"

namespace holdfast::offline {
namespace {

using testing::HasSubstr;
namespace files = std::filesystem;

struct Crash {};

// Ends the process, as an exception, before what the `left`-th change of names or sync would do.
class CrashingFs final : public FileSystem {
 public:
  explicit CrashingFs(size_t left) : left_(left) {}

  class CrashingFile final : public File {
   public:
    CrashingFile(std::unique_ptr<File> file, CrashingFs& fs) : file_(std::move(file)), fs_(fs) {}
    Result<> write_at(uint64_t offset, std::string_view bytes) override {
      return file_->write_at(offset, bytes);
    }
    Result<std::string> read_at(uint64_t offset, size_t count) const override {
      return file_->read_at(offset, count);
    }
    Result<> take_room(uint64_t bytes) override {
      fs_.step();
      return file_->take_room(bytes);
    }
    Result<> sync() override {
      fs_.step();
      return file_->sync();
    }
    Result<uint64_t> size() const override { return file_->size(); }

   private:
    std::unique_ptr<File> file_;
    CrashingFs& fs_;
  };

  Result<std::unique_ptr<File>> create(const std::string& path) override {
    step();
    return wrapped(disk_.create(path));
  }
  Result<std::unique_ptr<File>> open(const std::string& path) override {
    return wrapped(disk_.open(path));
  }
  Result<bool> exists(const std::string& path) const override { return disk_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    return disk_.list(path);
  }
  Result<> create_directories(const std::string& path) override {
    step();
    return disk_.create_directories(path);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    step();
    return disk_.rename(from, to);
  }
  Result<> remove(const std::string& path) override {
    step();
    return disk_.remove(path);
  }
  Result<> remove_directory(const std::string& path) override {
    step();
    return disk_.remove_directory(path);
  }
  Result<> sync_directory(const std::string& path) override {
    step();
    return disk_.sync_directory(path);
  }
  Result<DiskSpace> space(const std::string& path) const override { return disk_.space(path); }

 private:
  void step() {
    if (left_-- == 0) throw Crash();
  }
  Result<std::unique_ptr<File>> wrapped(Result<std::unique_ptr<File>> file) {
    if (!file) return file;
    return std::make_unique<CrashingFile>(std::move(*file), *this);
  }

  PosixFileSystem disk_;
  size_t left_;
};

class RestoreTest : public BackupTest {
 protected:
  RestoreOrder order(uint64_t node = 0x11) const {
    return {.file = backup(),
            .data_dir = data_dir(),
            .name = "r1",
            .peer_address = "127.0.0.1:4654",
            .node = {node},
            .cluster = {node + 1},
            .now_ms = 1'060'000};
  }
  Result<Restored> restore_now(FileSystem& disk, const RestoreOrder& what) const {
    return restore(disk, what, [](const backup::Head&, uint64_t) {});
  }
  std::vector<std::string> left_in_folder() const { return fs.list(data_dir()).value(); }

  // A node can start from the folder, and finds what the backup holds.
  void expect_restored(uint64_t node) {
    Result<DataDirectory> directory = DataDirectory::open(fs, data_dir(), "", {}, "x");
    ASSERT_TRUE(directory.has_value()) << directory.error().message;
    const Identity& identity = directory->identity();
    EXPECT_EQ(identity.node, NodeId{node});
    EXPECT_EQ(identity.name, "r1");
    EXPECT_EQ(identity.cluster, ClusterId{node + 1});
    EXPECT_FALSE(identity.removed);
    const std::string group = directory->group_path(kFirstGroup);
    const auto engine = RocksEngine::open({.directory = group + "/state"}).value();
    const auto machine = KvStateMachine::open(*engine).value();
    SegmentedLog::Opened log = SegmentedLog::open(fs, group + "/log", {}).value();
    EXPECT_TRUE(was_begun(log.recovered));
    const auto recovered =
        recover_replica(log.recovered, *log.log, *machine, identity.first_members);
    ASSERT_TRUE(recovered.has_value()) << recovered.error().message;
    EXPECT_EQ(recovered->applied, head.applied);
    EXPECT_EQ(recovered->before.term, head.term);
    EXPECT_GE(recovered->hard_state.term, head.term);
    ASSERT_EQ(recovered->members.list.size(), 1u);
    EXPECT_EQ(recovered->members.list[0].id, NodeId{node});
    EXPECT_TRUE(recovered->members.list[0].voter);
    EXPECT_EQ(machine->state_hash(), state_hash);
    EXPECT_TRUE(machine->client_urls()->empty());
    EXPECT_EQ(machine->revision().value, head.revision.value + 1'000'000'000 + 60'000 * 1000);
    for (uint64_t number = kChanges - 99; number <= kChanges; ++number) {
      const auto row = engine->get(key(number), machine->revision(), ReadTier::kDisk).value();
      ASSERT_TRUE(row.has_value());
      EXPECT_EQ(row->value, value(number));
      // The past that was kept, too.
      const auto past = engine->get(key(number), head.revision - 100, ReadTier::kDisk).value();
      EXPECT_EQ(past->value, value(number - 100));
    }
  }
};

TEST_F(RestoreTest, ANodeStartsFromWhatItMakes) {
  const Result<Restored> restored = restore_now(fs, order());
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->head, head);
  expect_restored(0x11);
}

TEST_F(RestoreTest, OnlyAnEmptyFolderIsTaken) {
  files::create_directories(data_dir() + "/lost+found");
  std::ofstream(data_dir() + "/mine") << "x";
  Result<Restored> refused = restore_now(fs, order());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(refused.error().message, HasSubstr("'mine' is in it"));
  files::remove(data_dir() + "/mine");
  ASSERT_TRUE(restore_now(fs, order()).has_value());
  refused = restore_now(fs, order(0x99));
  ASSERT_FALSE(refused.has_value()) << "it holds a node now";
  expect_restored(0x11);
}

TEST_F(RestoreTest, AFolderInUseIsRefused) {
  files::create_directories(data_dir());
  const DirectoryLock lock = DirectoryLock::take(data_dir()).value();
  EXPECT_THAT(restore_now(fs, order()).error().message, HasSubstr("another process uses"));
}

TEST_F(RestoreTest, ADamagedBackupLeavesAnEmptyFolder) {
  overwrite(backup(), files::file_size(backup()) - 100, "\x55\x66\x77");
  Result<Restored> refused = restore_now(fs, order());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.error().message, HasSubstr("a.backup"));
  EXPECT_THAT(left_in_folder(), testing::ElementsAre("LOCK"));
  overwrite(backup(), 0, "\x01");
  EXPECT_EQ(restore_now(fs, order()).error().code, ErrorCode::kCorrupt) << "no magic word";
  overwrite(backup(), 0, "H");
  files::resize_file(backup(), files::file_size(backup()) - 200);
  EXPECT_THAT(restore_now(fs, order()).error().message, HasSubstr("cut short"));
  EXPECT_THAT(restore_now(fs, {.file = *this / "none", .data_dir = data_dir()}).error().message,
              HasSubstr("No such file"));
}

// Wherever it ends, no node takes the half for the whole, and the next try makes all of it.
TEST_F(RestoreTest, EndedAnywhereItIsNoNodeAndCanBeMadeAgain) {
  size_t crashes = 0;
  for (bool ended = false; !ended; ++crashes) {
    files::remove_all(data_dir());
    CrashingFs crashing(crashes);
    try {
      ended = restore_now(crashing, order(0x11)).has_value();
      ASSERT_TRUE(ended);
    } catch (const Crash&) {
    }
    if (ended) break;
    SCOPED_TRACE(crashes);
    if (files::exists(data_dir() + "/RESTORING")) {
      const Result<DataDirectory> opened = DataDirectory::open(fs, data_dir(), "", {5}, "x");
      ASSERT_FALSE(opened.has_value());
      EXPECT_THAT(opened.error().message, HasSubstr("did not come to its end"));
    } else if (files::exists(data_dir() + "/IDENTITY")) {
      expect_restored(0x11);  // all but the last sync was done
      continue;
    }
    const Result<Restored> again = restore_now(fs, order(0x22));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    expect_restored(0x22);
  }
  EXPECT_GT(crashes, 20u);
}

TEST(RevisionToGoOnFrom, IsAboveWhatCanHaveBeenGivenOut) {
  const backup::Head head{.revision = {500}, .taken_ms = 10'000};
  EXPECT_EQ(revision_to_go_on_from(head, 10'000).value, 1'000'000'500u);
  EXPECT_EQ(revision_to_go_on_from(head, 11'000).value, 1'001'000'500u);
  EXPECT_EQ(revision_to_go_on_from(head, 9'000).value, 1'000'000'500u) << "a clock that is behind";
}

}  // namespace
}  // namespace holdfast::offline
