#include "storage/log/segment.h"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

namespace holdfast {
namespace {

constexpr std::string_view kPrefix = "segment-";
constexpr std::string_view kSuffix = ".log";
constexpr std::string_view kUnfinishedName = ".new";
constexpr size_t kNumberDigits = 16;
constexpr uint64_t kChunkBytes = uint64_t{1} << 20;

std::optional<uint64_t> segment_number(std::string_view name) {
  if (name.size() != kPrefix.size() + kNumberDigits + kSuffix.size()) return std::nullopt;
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size(), kNumberDigits);
  uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

Result<> write_zeros(File& file, uint64_t offset, uint64_t end) {
  const std::string zeros(std::min(kChunkBytes, end - offset), '\0');
  for (; offset < end; offset += zeros.size())
    HOLDFAST_TRY(file.write_at(
        offset, std::string_view(zeros).substr(0, std::min<uint64_t>(zeros.size(), end - offset))));
  return {};
}

// While megabytes wait to be written to a disk, a sync of another file takes tens of milliseconds.
enum class Pace {
  kFast,    // somebody waits for this file
  kGentle,  // the log syncs batches meanwhile: only little is let wait beside them
};
constexpr uint64_t kGentleBytes = uint64_t{64} << 10;

// Appending to a file, or writing where space is merely reserved, makes every later sync change
// the file system's own records as well: twice the time. So all blocks are written once here. They
// are durable when the file has got its header and been synced.
Result<> write_all_blocks(File& file, uint64_t bytes, Pace pace) {
  const uint64_t piece = pace == Pace::kGentle ? kGentleBytes : bytes;
  for (uint64_t at = 0; at < bytes; at += piece) {
    HOLDFAST_TRY(write_zeros(file, at, std::min(bytes, at + piece)));
    if (pace == Pace::kGentle) HOLDFAST_TRY(file.sync());
  }
  return {};
}

Result<std::unique_ptr<File>> make_blank(FileSystem& fs, const std::string& path, uint64_t bytes,
                                         Pace pace) {
  HOLDFAST_ASSIGN(const bool left_over, fs.exists(path));
  if (left_over) HOLDFAST_TRY(fs.remove(path));
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, fs.create(path));
  if (const Result<> written = write_all_blocks(*file, bytes, pace); !written) {
    // On a disk that is full, half a file must not hold what is left, and who waits for room may
    // wait for long.
    if (written.error().code == ErrorCode::kNoSpace) HOLDFAST_TRY(fs.remove(path));
    return std::unexpected(written.error());
  }
  return file;
}

Result<std::unique_ptr<File>> open_spare(FileSystem& fs, const std::string& path, uint64_t bytes) {
  HOLDFAST_ASSIGN(const bool there, fs.exists(path));
  if (!there) return nullptr;
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, fs.open(path));
  HOLDFAST_ASSIGN(const uint64_t size, file->size());
  if (size == bytes) return file;
  HOLDFAST_TRY(fs.remove(path));  // of a log that was opened with another segment size
  return nullptr;
}

}  // namespace

std::string segment_path(const std::string& directory, uint64_t number) {
  return fmt::format("{}/{}{:016x}{}", directory, kPrefix, number, kSuffix);
}

std::string spare_path(const std::string& directory) {
  return directory + "/spare.log";
}

Result<SegmentFiles> list_segments(const FileSystem& fs, const std::string& directory) {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs.list(directory));
  SegmentFiles files;
  for (const std::string& name : names) {
    if (const std::optional<uint64_t> number = segment_number(name))
      files.numbers.push_back(*number);
    if (name.ends_with(kUnfinishedName)) files.left_overs.push_back(directory + "/" + name);
  }
  return files;
}

Result<> Segment::make_spare(FileSystem& fs, const std::string& directory, uint64_t bytes) {
  const std::string path = spare_path(directory);
  HOLDFAST_ASSIGN(const bool there, fs.exists(path));
  if (there) return {};
  const std::string aside = path + std::string(kUnfinishedName);
  HOLDFAST_TRY(make_blank(fs, aside, bytes, Pace::kGentle));
  HOLDFAST_TRY(fs.rename(aside, path));
  return fs.sync_directory(directory);
}

Result<Segment> Segment::make(FileSystem& fs, const std::string& directory,
                              const SegmentHeader& header) {
  const std::string path = segment_path(directory, header.number);
  std::string aside = spare_path(directory);
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, open_spare(fs, aside, header.bytes));
  if (!file) {
    // Not the name that make_spare uses: it may be at work on another thread.
    aside = path + std::string(kUnfinishedName);
    HOLDFAST_ASSIGN(file, make_blank(fs, aside, header.bytes, Pace::kFast));
  }
  HOLDFAST_TRY(file->write_at(0, encode_segment_header(header)));
  HOLDFAST_TRY(file->sync());
  HOLDFAST_TRY(fs.rename(aside, path));
  HOLDFAST_TRY(fs.sync_directory(directory));
  return Segment(path, std::move(file), header);
}

Result<Segment> Segment::open(FileSystem& fs, const std::string& directory, uint64_t number) {
  std::string path = segment_path(directory, number);
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, fs.open(path));
  HOLDFAST_ASSIGN(const std::string block, file->read_at(0, kLogBlockBytes));
  const Result<SegmentHeader> header = decode_segment_header(block);
  if (!header) {
    return fail(header.error().code,
                fmt::format("the log file {} cannot be read: {}", path, header.error().message));
  }
  HOLDFAST_ASSIGN(const uint64_t size, file->size());
  // A file has its full size before it gets its name, so this is no trace of a crash.
  if (size != header->bytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("the log file {} has {} bytes and was made with {}", path, size,
                            header->bytes));
  }
  if (header->number != number) {
    return fail(ErrorCode::kCorrupt, fmt::format("the log file {} was made as segment {:x}: it has "
                                                 "been renamed or copied over another",
                                                 path, header->number));
  }
  return Segment(std::move(path), std::move(file), *header);
}

Result<Segment> Segment::open_remains(FileSystem& fs, const std::string& directory, uint64_t number,
                                      uint64_t salt) {
  std::string path = segment_path(directory, number);
  HOLDFAST_ASSIGN(std::unique_ptr<File> file, fs.open(path));
  HOLDFAST_ASSIGN(const std::string block, file->read_at(0, kLogBlockBytes));
  const Result<SegmentHeader> header = decode_segment_header(block);
  if (header && header->number == number && header->salt == salt)
    return Segment(std::move(path), std::move(file), *header);
  HOLDFAST_ASSIGN(const uint64_t size, file->size());
  return Segment(std::move(path), std::move(file),
                 {.salt = salt, .number = number, .bytes = size, .previous_end = 0, .after = {}});
}

Result<std::optional<Batch>> Segment::read_batch(uint64_t offset) const {
  if (offset >= header_.bytes) return std::nullopt;
  HOLDFAST_ASSIGN(std::string bytes, file_->read_at(offset, kLogBlockBytes));
  const std::optional<BatchHeader> header = decode_batch_header(bytes, place(offset));
  if (!header) return std::nullopt;
  // The length is believed only as far as the file goes.
  if (header->body_bytes > header_.bytes) return std::nullopt;
  if (header->bytes_on_disk() > bytes.size()) {
    HOLDFAST_ASSIGN(const std::string rest,
                    file_->read_at(offset + bytes.size(), header->bytes_on_disk() - bytes.size()));
    bytes += rest;
  }
  if (bytes.size() < header->bytes_on_disk()) return std::nullopt;
  Batch batch{.place = place(offset), .header = *header, .bytes = std::move(bytes)};
  RecordReader records = batch.records();
  for (uint32_t i = 0; i < header->records; ++i) {
    const std::optional<RecordView> record = records.next();
    if (!record || !record->payload_intact()) return std::nullopt;
  }
  if (records.bytes_left() != 0 || records.chain() != header->chain) return std::nullopt;
  return batch;
}

Result<Segment::Tail> Segment::look_at_tail(uint64_t offset) const {
  Tail tail{.used_end = offset, .batch_far = std::nullopt};
  const std::string zeros(kLogBlockBytes, '\0');
  for (uint64_t at = offset; at < header_.bytes; at += kChunkBytes) {
    HOLDFAST_ASSIGN(const std::string chunk,
                    file_->read_at(at, std::min(kChunkBytes, header_.bytes - at)));
    for (uint64_t start = 0; start < chunk.size(); start += kLogBlockBytes) {
      const std::string_view block = std::string_view(chunk).substr(start, kLogBlockBytes);
      if (block == zeros) continue;
      tail.used_end = at + start + kLogBlockBytes;
      if (at + start > offset && !tail.batch_far && decode_batch_header(block, place(at + start)))
        tail.batch_far = at + start;
    }
  }
  return tail;
}

Result<> Segment::clear(uint64_t offset, uint64_t end) {
  return write_zeros(*file_, offset, end);
}

}  // namespace holdfast
