// Backups over HTTP, of a state in RocksDB.

#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/backups.h"
#include "server/http/body_stream.h"
#include "storage/backup/reader.h"
#include "storage/base/check.h"
#include "storage/fs/posix.h"
#include "storage/kv/rocks_engine.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

namespace files = std::filesystem;

class SnapshotApi : public ApiTest {
 protected:
  SnapshotApi() {
    CHECK(mkdtemp(directory_.data()) != nullptr);
    rocks_ = std::move(RocksEngine::open({.directory = directory_ + "/state"}).value());
    machine_ = std::move(KvStateMachine::open(*rocks_).value());
    for (uint64_t i = 1; i <= 100; ++i) {
      Command command;
      command.act = PutCommand{fmt::format("k{:03}", i), std::string(1000, 'v'), {}};
      const auto entry = std::make_shared<const LogEntry>(
          LogEntry{{i}, {2}, EntryKind::kCommand, {}, encode_command(std::move(command))});
      std::vector<Completion> completions;
      machine_->apply(std::vector<EntryPtr>{entry}, NodeId{1}, completions);
    }
    backups_ = std::make_unique<Backups>(fs_, *machine_, clock, ClusterId{0xabc}, place(),
                                         [this](const std::string& path) -> Result<> {
                                           if (path.ends_with(damaged_))
                                             return fail(ErrorCode::kCorrupt, path + " is damaged");
                                           return rocks_->read_back_file(path);
                                         });
    services.backups = backups_.get();
  }
  ~SnapshotApi() override {
    answers.clear();
    turn_until([this] { return backups_->start(); });  // the last one is removed
    backups_.reset();
    machine_.reset();
    rocks_.reset();
    files::remove_all(directory_);
  }

  std::string place() const { return directory_ + "/backup"; }
  bool is_there() const { return files::exists(place()); }
  void set_free_bytes(uint64_t bytes) { rocks_->set_free_bytes(bytes); }
  // The reader thread removes it in its own time.
  void wait_until_removed() {
    turn_until([this] { return !is_there(); });
    EXPECT_FALSE(is_there());
    turn_until([this] { return backups_->start(); });
    backups_->finish();
  }

 private:
  std::string directory_ =
      (files::read_symlink("/proc/self/exe").parent_path() / "snapshot_api_XXXXXX").string();
  PosixFileSystem fs_;
  std::unique_ptr<RocksEngine> rocks_;
  std::unique_ptr<KvStateMachine> machine_;
  std::unique_ptr<Backups> backups_;

 protected:
  std::string damaged_ = "no file";
};

TEST_F(SnapshotApi, AFileThatIsDamagedIsNotGivenAway) {
  damaged_ = ".sst";
  http::Response response = call("GET", "/v1/snapshot");
  Result<std::string> piece = next_of(response.stream);
  while (piece && !piece->empty()) piece = next_of(response.stream);
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, ErrorCode::kCorrupt);
}

TEST_F(SnapshotApi, IsAWholeBackupWithAllItsFiles) {
  http::Response response = call("GET", "/v1/snapshot");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "application/octet-stream");
  EXPECT_EQ(response.header("Holdfast-Revision"), "101");
  EXPECT_EQ(response.header("Content-Disposition"),
            "attachment; filename=\"holdfast-0000000000000abc-101.backup\"");
  backup::Reader reader;
  backup::Head head;
  std::set<std::string> names;
  for (std::string piece = next_of(response.stream).value(); !piece.empty();
       piece = next_of(response.stream).value()) {
    reader.feed(piece);
    while (true) {
      const auto event = reader.next();
      ASSERT_TRUE(event.has_value()) << event.error().message;
      if (!*event) break;
      if (const auto* found = std::get_if<backup::Head>(&**event)) head = *found;
      if (const auto* file = std::get_if<backup::FileHead>(&**event)) names.insert(file->name);
    }
  }
  ASSERT_TRUE(reader.finish().has_value());
  EXPECT_EQ(head.cluster.value, 0xabcu);
  EXPECT_EQ(head.revision.value, 101u);
  EXPECT_EQ(head.applied.value, 100u);
  EXPECT_EQ(head.term.value, 2u);
  EXPECT_EQ(head.taken_ms, 1'700'000'000'000u);
  EXPECT_EQ(names.size(), head.files);
  EXPECT_TRUE(names.contains("CURRENT"));
  EXPECT_EQ(barriers, 1) << "it holds what was acknowledged before it began";
  EXPECT_TRUE(is_there());
  response.stream.reset();
  wait_until_removed();
}

TEST_F(SnapshotApi, OneAtATimeAndTheNextOnceItIsRemoved) {
  http::Response first = call("GET", "/v1/snapshot");
  ASSERT_EQ(first.status, 200);
  const http::Response second = call("GET", "/v1/snapshot");
  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(code_of(second), "too_many_requests");
  EXPECT_EQ(second.header("Retry-After"), "5");
  EXPECT_TRUE(next_of(first.stream).has_value()) << "the first goes on";
  first.stream.reset();  // its client is gone, in the middle
  wait_until_removed();
  EXPECT_EQ(call("GET", "/v1/snapshot").status, 200);
}

TEST_F(SnapshotApi, WhatACrashLeftIsNoObstacle) {
  files::create_directories(place() + "/state");
  EXPECT_EQ(call("GET", "/v1/snapshot").status, 200);
}

TEST_F(SnapshotApi, ABackupThatWasNotBegunTakesNoPlace) {
  refuses = raft::RefusalReason::kNoLeader;
  EXPECT_EQ(code_of(call("GET", "/v1/snapshot")), "no_leader");
  EXPECT_EQ(call("GET", "/v1/snapshot?consistency=local").status, 200);
}

TEST_F(SnapshotApi, ADiskThatIsTooFullIsNamed) {
  set_free_bytes(1000);
  const http::Response response = call("GET", "/v1/snapshot");
  EXPECT_EQ(response.status, 507);
  EXPECT_EQ(code_of(response), "no_space");
  EXPECT_THAT(response.body, testing::HasSubstr("the disk of this node is too full to copy"));
  wait_until_removed();
  set_free_bytes(1 << 30);
  EXPECT_EQ(call("GET", "/v1/snapshot").status, 200);
}

// The deadline is for the first byte: a checkpoint that is late is dropped.
TEST_F(SnapshotApi, ALateCheckpointIsATimeoutAndIsRemoved) {
  const size_t number = begin("GET", "/v1/snapshot?timeout=1s");
  clock.advance(std::chrono::seconds(2));
  settle();
  ASSERT_TRUE(answers[number].has_value());
  EXPECT_EQ(answers[number]->status, 504);
  wait_until_removed();
  EXPECT_EQ(call("GET", "/v1/snapshot").status, 200);
}

TEST_F(SnapshotApi, LooksAtNothingElse) {
  EXPECT_EQ(call("GET", "/v1/snapshot?revision=5").status, 400);
  EXPECT_EQ(call("GET", "/v1/snapshot?at=2023-11-14T22:13:20Z").status, 400);
  EXPECT_EQ(call("GET", "/v1/snapshot?prefix=a").status, 400);
  const http::Response head = call("HEAD", "/v1/snapshot");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.stream, nullptr);
  EXPECT_FALSE(head.says_length) << "0 would be a lie";
  EXPECT_FALSE(is_there());
  EXPECT_EQ(call("POST", "/v1/snapshot").status, 405);
}

}  // namespace
}  // namespace holdfast
