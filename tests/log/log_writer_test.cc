#include "storage/log/log_writer.h"

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <future>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/check.h"
#include "storage/fs/posix.h"
#include "tests/log/log_fixture.h"

namespace holdfast {
namespace {

// A directory on the file system that holds the build, gone afterwards.
class Directory {
 public:
  Directory() : path_(std::filesystem::current_path() / "log-writer-XXXXXX") {
    std::string name = path_.string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string log() const { return path_ / "log"; }

 private:
  std::filesystem::path path_;
};

// What the log thread answers, waited for by the test.
class Answered {
 public:
  struct Loaded {
    NodeId destination;
    std::vector<EntryPtr> entries;
  };

  LogWriter::Answers answers() {
    return {.persisted = [this](WriteTicket last) { note([&] { persisted_ = last; }); },
            .loaded =
                [this](NodeId destination, std::vector<EntryPtr> entries) {
                  note([&] { loaded_.push_back({destination, std::move(entries)}); });
                }};
  }
  bool wait_persisted(uint64_t ticket) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60),
                             [&] { return persisted_.value >= ticket; });
  }
  std::optional<Loaded> next_loaded() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(60), [&] { return !loaded_.empty(); }))
      return std::nullopt;
    Loaded first = std::move(loaded_.front());
    loaded_.pop_front();
    return first;
  }

 private:
  void note(const auto& change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  WriteTicket persisted_;
  std::deque<Loaded> loaded_;
};

LoadOrder load(uint64_t first, uint64_t last) {
  return {.destination = {first}, .first = {first}, .last = {last}, .bytes_max = SIZE_MAX};
}

TEST(LogWriter, PersistsWhatIsSubmittedAndServesLoadsInOrder) {
  const Directory directory;
  PosixFileSystem fs;
  const SegmentedLog::Options options{.segment_bytes = 1 << 20, .salt = 3};
  Answered answered;
  constexpr uint64_t kWritten = 3000;
  {
    auto opened = SegmentedLog::open(fs, directory.log(), options);
    ASSERT_TRUE(opened) << opened.error().message;
    LogWriter writer(std::move(opened->log), answered.answers());
    for (uint64_t index = 1; index <= kWritten; ++index) {
      writer.submit(KeptLog::entries(index, index, 1, 1500));
      if (index % 500 == 0) writer.submit(load(index, index));
    }
    for (uint64_t index = 500; index <= kWritten; index += 500) {
      const auto loaded = answered.next_loaded();
      ASSERT_TRUE(loaded);
      EXPECT_EQ(loaded->destination, NodeId{index});
      ASSERT_EQ(loaded->entries.size(), 1u);
      EXPECT_EQ(loaded->entries.front()->index, LogIndex{index});
    }
    EXPECT_TRUE(answered.wait_persisted(kWritten));
  }
  auto opened = SegmentedLog::open(fs, directory.log(), options);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->recovered.last, (LogPosition{{1}, {kWritten}}));
  EXPECT_EQ(content_of(*opened->log, opened->recovered).entries.size(), kWritten);
}

TEST(LogWriter, ALoadSeesNoCutThatWasSubmittedAfterIt) {
  const Directory directory;
  PosixFileSystem fs;
  Answered answered;
  // The log thread is held in its first answer, so that the rest is drained in one piece.
  std::promise<void> all_submitted;
  LogWriter::Answers answers = answered.answers();
  answers.persisted = [&, held = all_submitted.get_future().share(),
                       note = answers.persisted](WriteTicket last) {
    held.wait();
    note(last);
  };
  auto opened = SegmentedLog::open(fs, directory.log(), {.segment_bytes = 1 << 20, .salt = 3});
  ASSERT_TRUE(opened) << opened.error().message;
  LogWriter writer(std::move(opened->log), std::move(answers));
  writer.submit(KeptLog::entries(1, 5, 1));
  writer.submit(load(4, 5));
  LogWrite cut = KeptLog::entries(4, 4, 2);
  cut.cut_from = LogIndex{4};
  writer.submit(std::move(cut));
  writer.submit(load(4, 5));
  all_submitted.set_value();
  const auto before = answered.next_loaded();
  const auto after = answered.next_loaded();
  ASSERT_TRUE(before && after);
  ASSERT_EQ(before->entries.size(), 2u);
  EXPECT_EQ(before->entries.front()->term, Term{1});
  ASSERT_EQ(after->entries.size(), 1u);
  EXPECT_EQ(after->entries.front()->term, Term{2});
}

TEST(LogWriter, DropsWhatIsNotNeededAndAnswersALoadOfItWithNothing) {
  const Directory directory;
  PosixFileSystem fs;
  Answered answered;
  {
    auto opened = SegmentedLog::open(fs, directory.log(), kSmall);
    ASSERT_TRUE(opened);
    LogWriter writer(std::move(opened->log), answered.answers());
    for (uint64_t index = 1; index <= 20; ++index) {
      LogWrite write = KeptLog::entries(index, index, 1, 3000);
      if (index == 20) write.drop_before = LogIndex{15};
      writer.submit(std::move(write));
      EXPECT_TRUE(answered.wait_persisted(index));
    }
    writer.submit(KeptLog::entries(21, 21, 1));
    EXPECT_TRUE(answered.wait_persisted(21)) << "the drop was before it";
    writer.submit(load(1, 21));
    writer.submit(load(15, 21));
  }
  const auto dropped = answered.next_loaded();
  const auto kept = answered.next_loaded();
  ASSERT_TRUE(dropped && kept);
  EXPECT_TRUE(dropped->entries.empty());
  EXPECT_EQ(kept->entries.front()->index, LogIndex{15});
  const auto opened = SegmentedLog::open(fs, directory.log(), kSmall);
  ASSERT_TRUE(opened);
  EXPECT_GT(opened->recovered.before.index, LogIndex{5}) << "the files are gone";
}

TEST(LogWriter, CarriesOutEverythingBeforeItEndsAndLeavesAMarker) {
  SimFileSystem fs(1);
  Answered answered;
  {
    auto opened = SegmentedLog::open(fs, "log", {.segment_bytes = 1 << 20, .salt = 1});
    ASSERT_TRUE(opened);
    LogWriter writer(std::move(opened->log), answered.answers());
    for (uint64_t index = 1; index <= 20; ++index) writer.submit(KeptLog::entries(index, index, 1));
  }
  EXPECT_TRUE(answered.wait_persisted(20));
  // With its marker behind it, damage to the last batch is not taken for a torn tail.
  auto [path, bytes] = *fs.files().begin();
  bytes[bytes.rfind(make_entry(20, 1)->payload.view())] ^= 1;
  fs.place(path, bytes);
  const auto opened = SegmentedLog::open(fs, "log", {.segment_bytes = 1 << 20, .salt = 1});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

TEST(LogWriterDeathTest, AFailedSyncEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        SimFileSystem fs(1);
        Answered answered;
        auto opened = SegmentedLog::open(fs, "log", kSmall);
        fs.fail_next_sync();
        LogWriter writer(std::move(opened->log), answered.answers());
        writer.submit(KeptLog::entries(1, 1, 1));
        (void)answered.wait_persisted(1);
        std::exit(0);
      },
      "fatal: the log could not be made durable: sync log/segment-0000000000000001.log: "
      "Input/output error. Check the disk, then start this process again");
}

TEST(LogWriterDeathTest, EntriesThatCannotBeReadBackEndTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        SimFileSystem fs(1);
        Answered answered;
        KeptLog kept(fs);
        for (uint64_t index = 1; index <= 20; ++index) kept.append(index, index, 1, 1500);
        auto opened = SegmentedLog::open(fs, "log", kSmall);
        // Of the oldest file, which is opened when it is read.
        std::string bytes = fs.files().begin()->second;
        bytes[bytes.rfind(make_entry(1, 1, 1500)->payload.view())] ^= 1;
        fs.place(fs.files().begin()->first, bytes);
        LogWriter writer(std::move(opened->log), answered.answers());
        writer.submit(load(1, 1));
        (void)answered.next_loaded();
        std::exit(0);
      },
      "fatal: entries of the log could not be read back: the log file .* is damaged");
}

}  // namespace
}  // namespace holdfast
