#pragma once

// One file of the log. A segment is written in full when it is made, under another name, and gets
// its own name only when it is whole and synced: so a crash never leaves half a segment under a
// segment's name, appends never change a file's size, and a segment that exists is evidence that
// all before it is synced. Blocking; one thread, except where said.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/fs/file_system.h"
#include "storage/log/record.h"

namespace holdfast {

std::string segment_path(const std::string& directory, uint64_t number);
std::string spare_path(const std::string& directory);

// What a log directory holds.
struct SegmentFiles {
  std::vector<uint64_t> numbers;        // ascending
  std::vector<std::string> left_overs;  // paths; files that were being made
};
Result<SegmentFiles> list_segments(const FileSystem& fs, const std::string& directory);

// A batch that was read and found whole: header, every record and every payload.
struct Batch {
  BatchPlace place;
  BatchHeader header;
  std::string bytes;

  RecordReader records() const {
    return RecordReader(std::string_view(bytes).substr(BatchHeader::kBytes, header.body_bytes),
                        place);
  }
  uint64_t end() const { return place.offset + header.bytes_on_disk(); }
};

class Segment {
 public:
  // Makes the file that the next segment will need, ahead of time and under the spare's name. If
  // there is one it does nothing. After kNoSpace nothing of it is left. Callable from another
  // thread while the log is in use.
  static Result<> make_spare(FileSystem& fs, const std::string& directory, uint64_t bytes);
  // A new segment: the spare if it has the right size, or a file made now. Durable on return. After
  // kNoSpace there is none, nor a part of one, and it may be tried again.
  static Result<Segment> make(FileSystem& fs, const std::string& directory,
                              const SegmentHeader& header);
  // kCorrupt, kInvalid: see decode_segment_header. The message names the file.
  static Result<Segment> open(FileSystem& fs, const std::string& directory, uint64_t number);
  // To read what is left of one that `open` refuses: its header says what it was made with, as far
  // as that can still be read, else only how large it is now.
  static Result<Segment> open_remains(FileSystem& fs, const std::string& directory, uint64_t number,
                                      uint64_t salt);

  // Nothing: no whole batch lies there.
  Result<std::optional<Batch>> read_batch(uint64_t offset) const;

  Result<std::string> bytes(uint64_t offset, uint64_t count) const {
    return file_->read_at(offset, count);
  }

  // What lies from `offset` to the end of the file.
  struct Tail {
    uint64_t used_end;                  // all beyond is zeros; `offset` if all is
    std::optional<uint64_t> batch_far;  // where a later block begins a batch, by its header
  };
  Result<Tail> look_at_tail(uint64_t offset) const;
  // Zeros from `offset` to `end`; not synced.
  Result<> clear(uint64_t offset, uint64_t end);

  BatchPlace place(uint64_t offset) const { return {header_.salt, header_.number, offset}; }
  const SegmentHeader& header() const { return header_; }
  const std::string& path() const { return path_; }
  File& file() { return *file_; }

 private:
  Segment(std::string path, std::unique_ptr<File> file, const SegmentHeader& header)
      : path_(std::move(path)), file_(std::move(file)), header_(header) {}

  std::string path_;
  std::unique_ptr<File> file_;
  SegmentHeader header_;
};

}  // namespace holdfast
