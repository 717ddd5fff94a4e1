#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/backup/reader.h"
#include "storage/backup/writer.h"
#include "storage/base/bytes.h"
#include "storage/base/codec.h"

namespace holdfast::backup {
namespace {

using testing::HasSubstr;

struct SampleFile {
  std::string name;
  std::string bytes;
};

std::string noise(size_t size) {
  std::string bytes;
  for (uint64_t sum = size; bytes.size() < size;) put_fixed(bytes, sum = checksum("noise", sum));
  bytes.resize(size);
  return bytes;
}

Head head_of(const std::vector<SampleFile>& files) {
  Head head{.cluster = {7},
            .group = kFirstGroup,
            .revision = {41},
            .applied = {50},
            .term = {3},
            .taken_ms = 1'700'000'000'000,
            .files = files.size()};
  for (const SampleFile& file : files) head.bytes += file.bytes.size();
  return head;
}

// The bytes of each frame apart, the prelude and the head in the first.
std::vector<std::string> frames_of(const std::vector<SampleFile>& files) {
  Writer writer;
  std::vector<std::string> frames(1);
  writer.begin(head_of(files), frames.back());
  for (const SampleFile& file : files) {
    writer.file({file.name, file.bytes.size()}, frames.emplace_back());
    for (size_t at = 0; at < file.bytes.size(); at += kPieceBytesMax)
      writer.piece(std::string_view(file.bytes).substr(at, kPieceBytesMax), frames.emplace_back());
  }
  writer.end(frames.emplace_back());
  return frames;
}

std::string joined(const std::vector<std::string>& frames) {
  std::string all;
  for (const std::string& frame : frames) all += frame;
  return all;
}

struct Read {
  Head head;
  std::vector<SampleFile> files;
  bool ended = false;
};

Result<Read> read_back(std::string_view bytes, size_t step) {
  Reader reader;
  Read read;
  while (!bytes.empty()) {
    const std::string some(bytes.substr(0, step));  // apart, so that a read beyond it is seen
    bytes.remove_prefix(some.size());
    reader.feed(some);
    while (true) {
      HOLDFAST_ASSIGN(std::optional<Reader::Event> event, reader.next());
      if (!event) break;
      EXPECT_FALSE(read.ended);
      if (auto* head = std::get_if<Head>(&*event)) read.head = *head;
      if (auto* file = std::get_if<FileHead>(&*event)) read.files.push_back({file->name, ""});
      if (auto* piece = std::get_if<Piece>(&*event)) read.files.back().bytes += piece->bytes;
      read.ended = read.ended || std::holds_alternative<End>(*event);
    }
  }
  HOLDFAST_TRY(reader.finish());
  return read;
}

const std::vector<SampleFile> kSmall = {
    {"000009.sst", noise(50) + std::string(100, 'a')}, {"CURRENT", "MANIFEST-1\n"}, {"empty", ""}};

TEST(Backup, ReadsBackWhatWasWrittenInStepsOfAnySize) {
  const std::vector<SampleFile> files = {{"000009.sst", noise(kPieceBytesMax * 2 + 1)},
                                         {"000010.sst", std::string(kPieceBytesMax, 'x')},
                                         {"CURRENT", "MANIFEST-1\n"},
                                         {"OPTIONS-7", ""}};
  const std::string bytes = joined(frames_of(files));
  for (const size_t step : {1uz, 17uz, 4096uz, bytes.size()}) {
    const Result<Read> read = read_back(bytes, step);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_TRUE(read->ended);
    EXPECT_EQ(read->head, head_of(files));
    ASSERT_EQ(read->files.size(), files.size());
    for (size_t i = 0; i < files.size(); ++i) {
      EXPECT_EQ(read->files[i].name, files[i].name);
      EXPECT_TRUE(read->files[i].bytes == files[i].bytes) << files[i].name;
    }
  }
}

TEST(Backup, CompressesWhatCanBe) {
  const std::string bytes = joined(frames_of({{"a", std::string(1 << 20, 'x')}}));
  EXPECT_LT(bytes.size(), 10'000u);
}

TEST(Backup, CutAtAnyByteItIsRefused) {
  const std::string whole = joined(frames_of(kSmall));
  for (size_t size = 0; size < whole.size(); ++size) {
    const Result<Read> read = read_back(std::string_view(whole).substr(0, size), 64);
    ASSERT_FALSE(read.has_value()) << "cut to " << size;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(read.error().message, HasSubstr(fmt::format("it ends at byte {}", size)));
  }
}

TEST(Backup, WithAnyByteFlippedItIsRefused) {
  const std::string whole = joined(frames_of(kSmall));
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      const Result<Read> read = read_back(bytes, bytes.size());
      ASSERT_FALSE(read.has_value()) << "byte " << at << " flipped by " << flip;
      EXPECT_FALSE(read.error().message.empty());
    }
  }
}

TEST(Backup, FramesThatAreMissingDoubledOrMovedAreRefused) {
  const std::vector<std::string> frames =
      frames_of({{"a", std::string(kPieceBytesMax, 'a') + "b"}, {"c", "c"}});
  for (size_t i = 0; i < frames.size(); ++i) {
    std::vector<std::string> missing = frames;
    missing.erase(missing.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_FALSE(read_back(joined(missing), 4096)) << i;
    std::vector<std::string> doubled = frames;
    doubled.insert(doubled.begin() + static_cast<ptrdiff_t>(i), frames[i]);
    EXPECT_FALSE(read_back(joined(doubled), 4096)) << i;
    if (i == 0) continue;
    std::vector<std::string> moved = frames;
    std::swap(moved[i - 1], moved[i]);
    EXPECT_FALSE(read_back(joined(moved), 4096)) << i;
  }
}

TEST(Backup, WhatStandsBehindTheEndIsRefused) {
  const Result<Read> read = read_back(joined(frames_of(kSmall)) + "x", 4096);
  ASSERT_FALSE(read.has_value());
  EXPECT_THAT(read.error().message, HasSubstr("behind the backup's end"));
}

TEST(Backup, OtherFilesAndNewerFormatsAreNamedAsSuch) {
  EXPECT_THAT(read_back("PK\x03\x04 something else", 4096).error().message,
              HasSubstr("no backup of Holdfast"));
  std::string newer = joined(frames_of(kSmall));
  newer[kMagic.size()] = 2;
  const Error error = read_back(newer, 4096).error();
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
  EXPECT_THAT(error.message, HasSubstr("format 2"));
  EXPECT_THAT(error.message, HasSubstr("reads up to 1"));
}

// Checksums that fit do not make it true: nothing outside the directory is ever named, and no
// length is believed.
TEST(Backup, HandMadeOnesAreRefused) {
  const auto made = [](FrameKind kind, std::string_view body) {
    const std::string first = frames_of({})[0];
    const auto chain = load_fixed<uint64_t>(first.data() + kPreludeBytes + 8);
    std::string out = first;
    put_fixed(out, static_cast<uint32_t>(kind));
    put_fixed(out, static_cast<uint32_t>(body.size()));
    put_fixed(out, frame_checksum(chain, kind, body));
    return out + std::string(body);
  };
  const auto why = [](const std::string& bytes) {
    const Result<Read> read = read_back(bytes, 4096);
    return read ? "taken" : read.error().message;
  };
  const std::string no_size(8, '\0');
  for (const std::string& name :
       std::vector<std::string>{"../x", "a/b", "..", "", "a b", {"a\0b", 3}})
    EXPECT_THAT(why(made(FrameKind::kFile, no_size + name)), HasSubstr("name of a file")) << name;
  EXPECT_THAT(why(made(FrameKind::kFile, no_size + "a")), HasSubstr("more than its head says"));
  EXPECT_THAT(why(made(FrameKind::kPiece, std::string(4, '\xff'))), HasSubstr("no size"));
  EXPECT_THAT(why(made(FrameKind::kPiece, std::string("\1\0\0\0", 4))), HasSubstr("longer"));
  EXPECT_THAT(why(made(FrameKind::kHead, std::string(64, '\0'))), HasSubstr("out of order"));
  EXPECT_THAT(why(made(FrameKind{9}, "")), HasSubstr("unknown kind"));
  EXPECT_THAT(why(made(FrameKind::kEnd, "")), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace holdfast::backup
