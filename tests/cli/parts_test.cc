#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "client/cli/digest.h"
#include "client/cli/import_journal.h"
#include "client/cli/input.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/cli/record.h"
#include "client/cli/session.h"
#include "client/cli/terminal.h"
#include "storage/base/check.h"

namespace holdfast::cli {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// A file that has no name elsewhere.
std::string path_of(std::string_view bytes) {
  const int descriptor = ::memfd_create("input", 0);
  CHECK(::write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return fmt::format("/proc/self/fd/{}", descriptor);
}

Input input_of(std::string_view bytes) {
  return Input::open(path_of(bytes)).value();
}

class HandClock final : public Clock {
 public:
  Instant now() const override { return Instant(passed_); }
  WallTime wall() const override { return WallTime(passed_); }
  void pass(Duration time) { passed_ += time; }

 private:
  Duration passed_ = hours(1);
};

TEST(Record, ReadsBothFormsOfBytes) {
  EXPECT_EQ(parse_record(R"({"key":"a","value":"x","version":3})")->value, "x");
  EXPECT_EQ(parse_record(R"({"key_base64":"/w==","value_base64":""})")->key, "\xff");
}

TEST(Record, RefusesWhatIsNoRecord) {
  for (const char* line :
       {"", "[]", "{", R"({"key":"a"})", R"({"key":"a","value":1})", R"({"key":"","value":""})",
        R"({"key":"a","key_base64":"YQ==","value":"x"})", R"({"key":"a","value_base64":"?"})",
        "{\"key\":\"\xff\",\"value\":\"\"}"}) {
    EXPECT_FALSE(parse_record(line)) << line;
  }
}

TEST(Record, LinesReadBackAsTheyWere) {
  const std::string bytes("\0\xff\n\"\\", 5);
  for (const std::string& value : {std::string("ü\n\""), bytes}) {
    const auto record = parse_record(record_line(bytes, value));
    ASSERT_TRUE(record);
    EXPECT_EQ(record->key, bytes);
    EXPECT_EQ(record->value, value);
  }
}

// Fixed figures: digests are kept and compared across versions.
TEST(Digest, IsSha256OverLengthsAndBytes) {
  EXPECT_EQ(Digest().finish(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Digest digest;
  digest.add("a", "x");
  digest.add("b", "");
  EXPECT_EQ(digest.finish(), "b9c665d9bc49a95892e644a2a71bec758eb06e8453c24eb552fc2e8ce74f7dd9");
  EXPECT_EQ(digest.count(), 2u);
}

TEST(Digest, TellsWhereAKeyEndsAndItsValueBegins) {
  Digest one;
  one.add("ab", "c");
  Digest other;
  other.add("a", "bc");
  EXPECT_NE(one.finish(), other.finish());
}

TEST(Digest, OfAFileSortsByBytesAndTakesTheLastOfADoubledKey) {
  Input mixed = input_of(
      "{\"key\":\"b\",\"value\":\"\"}\n\n{\"key\":\"a\",\"value\":\"old\"}\n"
      "{\"key\":\"a\",\"value\":\"x\"}\n");
  const auto digest = digest_of_records(mixed);
  ASSERT_TRUE(digest);
  EXPECT_EQ(digest->count, 2u);
  EXPECT_EQ(digest->sha256, "b9c665d9bc49a95892e644a2a71bec758eb06e8453c24eb552fc2e8ce74f7dd9");
}

TEST(Digest, OfAFileNamesTheLineThatIsNoRecord) {
  Input broken = input_of("{\"key\":\"a\",\"value\":\"\"}\nnonsense\n");
  EXPECT_TRUE(digest_of_records(broken).error().message.starts_with("line 2: "));
}

TEST(Input, LinesAreWholeWhereverABlockEnds) {
  std::string text = "a\n\n";
  for (int i = 0; i < 3; ++i) text += std::string(200'000, static_cast<char>('b' + i)) + "\n";
  Input input = input_of(text + "last");
  std::string all;
  std::string line;
  size_t lines = 0;
  for (; input.next_line(line).value(); ++lines) all += line + "\n";
  EXPECT_EQ(lines, 6u);
  EXPECT_TRUE(all == text + "last\n");
  ASSERT_TRUE(input.can_rewind());
  ASSERT_TRUE(input.rewind());
  ASSERT_TRUE(input.next_line(line).value());
  EXPECT_EQ(line, "a");
  EXPECT_TRUE(read_input(path_of(text)).value() == text);
  EXPECT_EQ(read_input(path_of("")).value(), "");
}

TEST(Input, WhatCannotBeReadIsNotTakenForItsEnd) {
  for (const char* path : {"/", "/proc/self/mem"}) {
    const Result<std::string> bytes = read_input(path);
    ASSERT_FALSE(bytes) << path;
    EXPECT_EQ(bytes.error().code, ErrorCode::kIo);
  }
  EXPECT_TRUE(read_input("/").error().message.contains("'/' cannot be read: Is a directory"));
  EXPECT_TRUE(read_input("/not/there").error().message.contains("No such file"));
  Input directory = Input::open("/").value();
  EXPECT_EQ(digest_of_records(directory).error().code, ErrorCode::kIo);
  int ends[2] = {};
  CHECK(::pipe(ends) == 0);
  EXPECT_FALSE(Input::open(fmt::format("/proc/self/fd/{}", ends[0])).value().can_rewind());
}

TEST(LatencyHistogram, PercentilesAreNearAndNeverBeyondTheLongest) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.add(microseconds(i));
  EXPECT_GE(histogram.percentile(0.5), microseconds(500));
  EXPECT_LE(histogram.percentile(0.5), microseconds(532));
  EXPECT_GE(histogram.percentile(0.99), microseconds(990));
  EXPECT_EQ(histogram.percentile(1), microseconds(1000));
  histogram.add(hours(100));
  EXPECT_EQ(histogram.longest(), hours(100));
}

TEST(LatencyHistogram, SmallAndEmptyOnesAnswerToo) {
  EXPECT_EQ(LatencyHistogram().percentile(0.5), Duration::zero());
  LatencyHistogram one;
  one.add(microseconds(7));
  EXPECT_EQ(one.percentile(0.99), microseconds(7));
}

TEST(ImportJournal, RemembersTheLongestPauseAndWhenItBegan) {
  HandClock clock;
  ImportJournal journal(clock);
  clock.pass(seconds(9));  // before the first acknowledgement: no pause between two
  journal.acknowledged(clock.now());
  clock.pass(milliseconds(20));
  journal.acknowledged(clock.now());
  const WallTime began = clock.wall();
  clock.pass(milliseconds(400));
  journal.acknowledged(clock.now() - milliseconds(410));
  clock.pass(milliseconds(30));
  journal.acknowledged(clock.now());
  clock.pass(milliseconds(100));
  const ImportJournal::Summary summary = journal.summary();
  EXPECT_EQ(summary.records, 4u);
  EXPECT_EQ(summary.longest_pause.length, milliseconds(400));
  EXPECT_EQ(summary.longest_pause.began, began);
  EXPECT_EQ(summary.since_last_ack, milliseconds(100));
  EXPECT_EQ(summary.latency.longest(), milliseconds(410));
}

TEST(ProgressText, SaysHowFarHowFastAndHowLong) {
  ImportJournal::Summary summary;
  summary.records = 2500;
  summary.elapsed = seconds(2);
  EXPECT_EQ(progress_text(summary, 10000, {}), " 25%  2,500 of 10,000   1,250/s   ETA 6 s");
  EXPECT_EQ(progress_text(summary, 10000, {.is_bar = true, .width = 76}),
            "██░░░░░░░░  25%  2,500 of 10,000   1,250/s   ETA 6 s");
  EXPECT_EQ(progress_text(summary, std::nullopt, {.is_bar = true, .width = 80}), "2,500   1,250/s");
  summary.since_last_ack = milliseconds(412);
  EXPECT_EQ(progress_text(summary, 10000, {}),
            " 25%  2,500 of 10,000   1,250/s   waiting for 412 ms");
}

TEST(Text, ForPeople) {
  EXPECT_EQ(spoken(microseconds(1500)), "1.5 ms");
  EXPECT_EQ(spoken(milliseconds(412)), "412 ms");
  EXPECT_EQ(spoken(milliseconds(4200)), "4.2 s");
  EXPECT_EQ(spoken(seconds(200)), "3 min 20 s");
  EXPECT_EQ(printable("a\tb\n\x01ü"), "a\\tb\\n\\x01ü");
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(shortened("abcdef", 4), "abc…");
  EXPECT_EQ(shortened("üüüü", 4), "üüüü");
}

TEST(Explanation, IsSaidInWords) {
  EXPECT_EQ(spoken(Explanation{"n1", "queue;dur=0.010, log;dur=0.300", ""}),
            "n1: queue 0.010 ms, log 0.300 ms\n");
  EXPECT_EQ(spoken(Explanation{"n2", "read;dur=0.034",
                               "linearizable; confirmed=leader; served=memory; stale-ms=0"}),
            "n2: read 0.034 ms\nlinearizable; confirmed by the leader, which was asked; read from "
            "memory; stale by nothing\n");
  EXPECT_EQ(spoken(Explanation{"n2", "read;dur=1.5", "local; served=reader; stale-ms=37"}),
            "n2: read 1.5 ms\nlocal; read by a reader thread; stale by 37 ms at most\n");
}

}  // namespace
}  // namespace holdfast::cli
