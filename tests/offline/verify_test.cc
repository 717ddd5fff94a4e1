#include "server/offline/verify.h"

#include <gmock/gmock.h>

#include "server/offline/restore.h"
#include "storage/kv/state_check.h"
#include "storage/log/segment.h"
#include "tests/offline/backup_fixture.h"

namespace holdfast::offline {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace files = std::filesystem;

class VerifyTest : public BackupTest {
 protected:
  Result<Report> verify_file() {
    Result<Report> report = verify_backup(fs, backup(), *this / "scratch", quiet);
    EXPECT_FALSE(files::exists(*this / "scratch"));
    return report;
  }
  void restore_now() {
    ASSERT_TRUE(restore(fs,
                        {.file = backup(),
                         .data_dir = data_dir(),
                         .name = "r1",
                         .peer_address = "127.0.0.1:4654",
                         .node = {1},
                         .cluster = {2},
                         .now_ms = 0},
                        quiet)
                    .has_value());
  }
  Report verify_folder() {
    PosixReader reader;
    return verify_directory(reader, {.data_dir = data_dir(), .log_dir = {}}).value();
  }
  static std::string table_file(const std::string& directory) {
    for (const files::directory_entry& entry : files::directory_iterator(directory))
      if (entry.path().extension() == ".sst") return entry.path();
    return "";
  }
  // Writes a row that is not what its hash says, as RocksDB would have it.
  void falsify(const std::string& directory) {
    const auto engine = RocksEngine::open({.directory = directory}).value();
    Row row{{{5}, head.revision, 1, 12345}, "not what was written"};
    engine->write({.revisions = {{head.revision, {}, {{"key/007", row}}}}, .meta = {}});
    ASSERT_TRUE(engine->flush().has_value());
  }
  // Takes a row away, as a compaction with a mistake would.
  void lose_row(const std::string& directory) {
    const auto engine = RocksEngine::open({.directory = directory}).value();
    engine->write({.revisions = {{head.revision, {}, {{"key/007", std::nullopt}}}}, .meta = {}});
    ASSERT_TRUE(engine->flush().has_value());
  }

  const Progress quiet = [](const backup::Head&, uint64_t) {};
};

TEST_F(VerifyTest, ASoundBackup) {
  const Report report = verify_file().value();
  EXPECT_THAT(report.wrong, IsEmpty());
  EXPECT_THAT(report.found, Contains(HasSubstr("every checksum compared")));
  EXPECT_THAT(report.found, Contains(HasSubstr("100 keys at revision 301, 300 revisions")));
}

TEST_F(VerifyTest, ABackupThatWasChangedOrCut) {
  overwrite(backup(), files::file_size(backup()) / 2, "\x01\x02");
  EXPECT_THAT(verify_file().value().wrong, ElementsAre(HasSubstr("damaged at byte")));
  files::resize_file(backup(), files::file_size(backup()) / 3);
  EXPECT_THAT(verify_file().value().wrong, ElementsAre(HasSubstr("cut short")));
  overwrite(backup(), 3, "\x01");
  EXPECT_THAT(verify_file().value().wrong, ElementsAre(HasSubstr("its first bytes are damaged")));
  files::remove(backup());
  EXPECT_EQ(verify_file().error().code, ErrorCode::kNotFound);
}

// The node's own disk was damaged before it made the backup: its checksums fit the damage.
TEST_F(VerifyTest, ABackupOfADamagedState) {
  const std::string table = table_file(*this / "copy");
  overwrite(table, 20, "\x01\x02\x03");
  write_backup();
  EXPECT_THAT(verify_file().value().wrong,
              Contains(HasSubstr(files::path(table).filename().string())));
}

TEST_F(VerifyTest, ARowThatIsNotWhatItsHashSays) {
  falsify(*this / "copy");
  files::remove(*this / "copy/LOCK");
  write_backup();
  const Report report = verify_file().value();
  EXPECT_THAT(report.wrong, Contains(HasSubstr("the key 'key/007' does not hold")));
  EXPECT_THAT(report.wrong, Contains(HasSubstr("the state's hash is")));
}

// What a node's scrub asks of a checkpoint.
TEST_F(VerifyTest, TheSumsOfAStateThatHoldsWhatItSays) {
  uint64_t bytes = 0;
  const SumsCheck sums = check_sums(*this / "copy", [&](uint64_t more) {
                           bytes += more;
                           return true;
                         }).value();
  EXPECT_TRUE(sums.is_whole);
  EXPECT_THAT(sums.wrong, IsEmpty());
  EXPECT_EQ(sums.differs, std::nullopt);
  EXPECT_GT(bytes, 100 * key(0).size());
}

TEST_F(VerifyTest, TheSumsOfAStateThatWasNotReadToItsEnd) {
  lose_row(*this / "copy");
  const SumsCheck sums = check_sums(*this / "copy", [](uint64_t) { return false; }).value();
  EXPECT_FALSE(sums.is_whole);
  EXPECT_EQ(sums.differs, std::nullopt) << "what was not read is not missing";
}

TEST_F(VerifyTest, TheSumsOfAStateThatDoesNot) {
  falsify(*this / "copy");
  const SumsCheck sums = check_sums(*this / "copy", [](uint64_t) { return true; }).value();
  EXPECT_THAT(sums.wrong, ElementsAre(HasSubstr("the key 'key/007' does not hold")));
}

TEST_F(VerifyTest, TheSumsOfAStateThatLacksARow) {
  lose_row(*this / "copy");
  const SumsCheck sums = check_sums(*this / "copy", [](uint64_t) { return true; }).value();
  EXPECT_TRUE(sums.is_whole);
  EXPECT_THAT(sums.wrong, IsEmpty()) << "each row that is there is what was written";
  ASSERT_TRUE(sums.differs);
  EXPECT_THAT(*sums.differs, HasSubstr("the state's hash is"));
}

TEST_F(VerifyTest, TheSumsOfWhatCannotBeOpened) {
  EXPECT_FALSE(check_sums(*this / "nowhere", [](uint64_t) { return true; }));
}

TEST_F(VerifyTest, ASoundFolderAndWhatCanBeWrongWithIt) {
  restore_now();
  const Report sound = verify_folder();
  EXPECT_THAT(sound.wrong, IsEmpty());
  EXPECT_THAT(sound.found, Contains(HasSubstr("the log leads to the state")));

  const std::string state = data_dir() + "/groups/1/state.1";
  const std::string log = segment_path(data_dir() + "/groups/1/log", 1);
  overwrite(table_file(state), 20, "\x01\x02\x03");
  overwrite(log, 0, "x");
  overwrite(data_dir() + "/IDENTITY", 5, "x");
  const Report damaged = verify_folder();
  EXPECT_THAT(damaged.wrong, Contains(HasSubstr("IDENTITY is damaged")));
  EXPECT_THAT(damaged.wrong, Contains(HasSubstr(log)));
  EXPECT_THAT(damaged.wrong, Contains(HasSubstr(table_file(state)))) << "each is named";
}

TEST_F(VerifyTest, AFileThatIsMissingAndAFolderThatIsNone) {
  restore_now();
  const std::string table = table_file(data_dir() + "/groups/1/state.1");
  files::remove(table);
  EXPECT_THAT(verify_folder().wrong, Contains(HasSubstr(files::path(table).stem().string())));
  files::remove(segment_path(data_dir() + "/groups/1/log", 1));
  EXPECT_THAT(verify_folder().wrong, Contains(HasSubstr("there is no log")));
  files::remove(data_dir() + "/IDENTITY");
  PosixReader reader;
  EXPECT_EQ(verify_directory(reader, {.data_dir = data_dir(), .log_dir = {}}).error().code,
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace holdfast::offline
