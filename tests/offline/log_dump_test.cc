#include "server/offline/log_dump.h"

#include <cstring>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "replication/raft/membership.h"
#include "server/offline/log_walk.h"
#include "storage/log/segmented_log.h"
#include "tests/offline/backup_fixture.h"

namespace holdfast::offline {
namespace {

using testing::HasSubstr;
using testing::Not;

class LogDumpTest : public BackupTest {
 protected:
  LogDumpTest() : log(*this / "log") {
    CHECK(fs.create_directories(log).has_value());
    writer =
        std::move(SegmentedLog::open(fs, log, {.segment_bytes = 16 * 4096, .salt = 5}).value().log);
  }
  void write(LogWrite what) {
    what.ticket = {++tickets};
    CHECK(writer->write(std::span(&what, 1)).has_value());
    CHECK(writer->sync().has_value());
  }
  void append(uint64_t first, uint64_t last) {
    LogWrite what;
    for (uint64_t index = first; index <= last; ++index) what.append.push_back(put(index));
    write(std::move(what));
  }
  std::string dump(bool as_json = false, uint64_t from = 0, uint64_t to = UINT64_MAX) {
    char* text = nullptr;
    size_t size = 0;
    std::FILE* const out = open_memstream(&text, &size);
    PosixReader reader;
    const Result<size_t> found = dump_log(
        reader, {.directory = log, .from = {from}, .to = {to}, .as_json = as_json, .out = out});
    std::fclose(out);
    std::string all(text, size);
    std::free(text);
    EXPECT_TRUE(found.has_value()) << found.error().message;
    damaged = found.value_or(999);
    return all;
  }
  static size_t lines_with(const std::string& text, const std::string& words) {
    size_t count = 0;
    for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1))
      ++count;
    return count;
  }
  const std::string log;
  std::unique_ptr<SegmentedLog> writer;
  uint64_t tickets = 0;
  size_t damaged = 0;
};

TEST_F(LogDumpTest, SaysWhatEachRecordIs) {
  LogWrite first;
  first.hard_state = HardState{{3}, {0xab}};
  const raft::Members members{
      .list = {{{0xab}, "n1", "host:1", true}, {{0xcd}, "n2", "host:2", false}}, .removed = {}};
  first.append.push_back(std::make_shared<const LogEntry>(
      LogEntry{{1}, {3}, EntryKind::kMembers, {}, raft::encode_members(members)}));
  write(std::move(first));
  append(2, 4);
  LogWrite cut;
  cut.cut_from = {4};
  write(std::move(cut));
  const std::string text = dump();
  EXPECT_THAT(text, HasSubstr("-- hard_state: term 3, voted for 00000000000000ab\n"));
  EXPECT_THAT(text,
              HasSubstr("n1 00000000000000ab at host:1, n2 00000000000000cd at host:2 (learner)"));
  EXPECT_THAT(text, HasSubstr("put { key: \"key/002\" value: \"value 2\" }"));
  EXPECT_THAT(text, HasSubstr("-- cut: entries from 4 on, are void"));
  EXPECT_EQ(damaged, 0u);
  EXPECT_EQ(lines_with(text, "command"), 3u);
  EXPECT_EQ(lines_with(dump(false, 3, 3), "command"), 1u);

  const std::string json = dump(true, 2, 2);
  const size_t begin = json.find("{\"bytes\"");
  const auto line = nlohmann::json::parse(json.substr(begin, json.find('\n', begin) - begin));
  EXPECT_EQ(line.at("type"), "entry");
  EXPECT_EQ(line.at("index"), 2);
  EXPECT_EQ(line.at("term"), 3);
  EXPECT_EQ(line.at("kind"), "command");
  EXPECT_EQ(line.at("node"), "0000000000000009");
  EXPECT_EQ(line.at("request"), "2");
  EXPECT_EQ(line.at("cluster_ms"), 2500);
  EXPECT_THAT(text, HasSubstr("2023-11-14T22:13:22.002Z        2.500s"));
}

TEST_F(LogDumpTest, LongAndStrangeBytesAreCutAndEscaped) {
  Command command;
  command.act = PutCommand{std::string("a\0\xff", 3), std::string(5000, 'v'), {}};
  LogWrite what;
  what.append.push_back(entry_of(1, std::move(command)));
  write(std::move(what));
  const std::string text = dump();
  EXPECT_THAT(text, HasSubstr("\"a\\000\\377\""));
  EXPECT_LT(text.size(), 700u);
}

// Of a damaged log all is shown that is sound, and the place of what is not.
TEST_F(LogDumpTest, NamesDamageAndGoesOnBehindIt) {
  append(1, 1);
  append(2, 2);
  append(3, 3);
  overwrite(segment_path(log, 1), 2 * 4096 + 100, "xxxx");
  const std::string text = dump();
  EXPECT_EQ(damaged, 1u);
  EXPECT_THAT(text, HasSubstr("damaged at byte 8192"));
  EXPECT_THAT(text, HasSubstr("key/001"));
  EXPECT_THAT(text, Not(HasSubstr("key/002")));
  EXPECT_THAT(text, HasSubstr("key/003"));
}

TEST_F(LogDumpTest, NamesATornTailAndAFileThatIsMissing) {
  for (uint64_t index = 1; index <= 40; ++index) append(index, index);
  overwrite(segment_path(log, 3), 10 * 4096 + 100, "xxxx");
  ASSERT_FALSE(std::filesystem::exists(segment_path(log, 4)));
  const std::string torn = dump();
  EXPECT_EQ(damaged, 0u) << torn;
  EXPECT_THAT(torn, HasSubstr("-- torn_tail: " + segment_path(log, 3)));
  EXPECT_EQ(lines_with(torn, "put {"), 39u);
  std::filesystem::remove(segment_path(log, 2));
  EXPECT_THAT(dump(), HasSubstr("segment-0000000000000002.log is missing"));
  EXPECT_EQ(damaged, 1u);
}

TEST_F(LogDumpTest, ChangesNothingAndReadsWhatIsInUse) {
  append(1, 3);
  const auto before = std::filesystem::last_write_time(segment_path(log, 1));
  EXPECT_EQ(lines_with(dump(), "put {"), 3u);  // `writer` has it open
  EXPECT_EQ(std::filesystem::last_write_time(segment_path(log, 1)), before);
  append(4, 4);
  EXPECT_EQ(lines_with(dump(), "put {"), 4u);
  PosixReader reader;
  EXPECT_EQ(dump_log(reader, {.directory = *this / "none"}).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace holdfast::offline
