#include "storage/log/damage.h"

#include <algorithm>
#include <optional>
#include <ranges>

#include <fmt/core.h>

#include "storage/log/segment.h"

namespace holdfast {
namespace {

constexpr std::string_view kDamagedName = ".damaged";
constexpr std::string_view kCopy = ".new";
constexpr size_t kKept = 2;  // files, for people who want to know what happened
constexpr uint64_t kZerosBytes = uint64_t{1} << 20;

// Reads on where recovery stops, and remembers what matters there.
class Examination {
 public:
  void missing(uint64_t number) {
    begins_at(number, 0);
    hard_state_lost_ = true;
  }
  void unreadable(uint64_t number) {
    begins_at(number, 0);
    hard_state_lost_ = true;  // until a batch of it, or of a later one, says otherwise
  }

  // `limit`: where what was written ends, if that is known.
  Result<> look_at(const Segment& segment, std::optional<uint64_t> limit) {
    for (uint64_t at = kLogBlockBytes; !limit || at < *limit;) {
      HOLDFAST_ASSIGN(const std::optional<Batch> batch, segment.read_batch(at));
      if (batch && batch->header.records > 0 && (!limit || batch->end() <= *limit)) {
        take(*batch);
        at = batch->end();
        continue;
      }
      HOLDFAST_ASSIGN(const Segment::Tail tail, segment.look_at_tail(at));
      const std::optional<uint64_t> next =
          limit && tail.batch_far && *tail.batch_far >= *limit ? std::nullopt : tail.batch_far;
      if (!limit && !next) return {};
      begins_at(segment.header().number, at);
      const uint64_t end = next.value_or(limit.value_or(0));
      HOLDFAST_TRY(read_remains(segment, at, end));
      at = end;
    }
    return {};
  }

  std::optional<LogDamage> found() const {
    if (!segment_) return std::nullopt;
    return LogDamage{.segment = *segment_,
                     .offset = offset_,
                     .last_behind = last_behind_,
                     .hard_state_known = !hard_state_lost_ && hard_state_.term,
                     .hard_state = hard_state_};
  }

 private:
  void begins_at(uint64_t segment, uint64_t offset) {
    if (segment_) return;
    segment_ = segment;
    offset_ = offset;
  }

  void note(const RecordView& record) {
    if (record.type == RecordType::kHardState) {
      hard_state_ = {record.term, record.origin.node};
      hard_state_lost_ = false;
    }
    if (record.type == RecordType::kEntry && segment_) last_behind_ = record.index;
  }

  void take(const Batch& batch) {
    RecordReader records = batch.records();
    while (const std::optional<RecordView> record = records.next()) note(*record);
  }

  // Of the batches from `at` to `end`, at least one of which is damaged: where the first record of
  // each can be read, it is known what hard states they held.
  Result<> read_remains(const Segment& segment, uint64_t at, uint64_t end) {
    while (at < end) {
      HOLDFAST_ASSIGN(const std::string bytes, segment.bytes(at, end - at));
      if (bytes.size() <= BatchHeader::kBytes) break;
      const std::optional<BatchHeader> header = decode_batch_header(bytes, segment.place(at));
      RecordReader records(std::string_view(bytes).substr(BatchHeader::kBytes), segment.place(at));
      const std::optional<RecordView> first = records.next();
      if (!first) break;
      if (first->type == RecordType::kHardState) note(*first);
      // Without a header the records say how long the batch is, as far as they can be followed.
      while (!header && records.next()) {
      }
      const uint64_t used = bytes.size() - records.bytes_left();
      at += header ? header->bytes_on_disk() : whole_blocks(used);
    }
    if (at != end) hard_state_lost_ = true;
    return {};
  }

  std::optional<uint64_t> segment_;
  uint64_t offset_ = 0;
  LogIndex last_behind_;
  bool hard_state_lost_ = false;
  HardState hard_state_;
};

// The next segment says where the one before ends. A file that was cut short may have been full.
Result<std::optional<uint64_t>> known_end(Segment& segment, const Segment* next) {
  if (next != nullptr) return next->header().previous_end;
  HOLDFAST_ASSIGN(const uint64_t size, segment.file().size());
  const uint64_t made_with = segment.header().bytes;
  return size < made_with ? std::optional(made_with) : std::nullopt;
}

Result<> copy_beginning(FileSystem& fs, const std::string& from, const std::string& to,
                        uint64_t bytes) {
  HOLDFAST_ASSIGN(const bool left_over, fs.exists(to));
  if (left_over) HOLDFAST_TRY(fs.remove(to));
  HOLDFAST_ASSIGN(const std::unique_ptr<File> source, fs.open(from));
  HOLDFAST_ASSIGN(const uint64_t size, source->size());
  HOLDFAST_ASSIGN(const std::unique_ptr<File> copy, fs.create(to));
  const std::string zeros(kZerosBytes, '\0');
  for (uint64_t at = 0; at < size;) {
    const uint64_t end = at < bytes ? bytes : size;
    const uint64_t piece = std::min(kZerosBytes, end - at);
    if (at < bytes) {
      HOLDFAST_ASSIGN(const std::string read, source->read_at(at, piece));
      HOLDFAST_TRY(copy->write_at(at, read));
    } else {
      HOLDFAST_TRY(copy->write_at(at, std::string_view(zeros).substr(0, piece)));
    }
    at += piece;
  }
  return copy->sync();
}

Result<> put_aside(FileSystem& fs, const std::string& directory, const std::string& path) {
  HOLDFAST_TRY(fs.rename(path, path + std::string(kDamagedName)));
  return fs.sync_directory(directory);
}

}  // namespace

Result<LogDamage> examine_log(FileSystem& fs, const std::string& directory) {
  HOLDFAST_ASSIGN(const SegmentFiles files, list_segments(fs, directory));
  std::vector<Result<Segment>> segments;
  std::optional<uint64_t> salt;
  for (const uint64_t number : files.numbers) {
    segments.push_back(Segment::open(fs, directory, number));
    const Result<Segment>& segment = segments.back();
    if (!segment && segment.error().code != ErrorCode::kCorrupt)
      return std::unexpected(segment.error());
    if (segment && !salt) salt = segment->header().salt;
  }
  Examination examination;
  uint64_t expected = files.numbers.empty() ? 1 : files.numbers.front();
  for (size_t i = 0; i < segments.size(); ++i) {
    const uint64_t number = files.numbers[i];
    if (number != expected) examination.missing(expected);
    expected = number + 1;
    Result<Segment>& segment = segments[i];
    if (!segment || segment->header().salt != *salt) {
      examination.unreadable(number);
      if (!salt) continue;
      HOLDFAST_ASSIGN(segment, Segment::open_remains(fs, directory, number, *salt));
    }
    const bool has_next =
        i + 1 < segments.size() && files.numbers[i + 1] == expected && segments[i + 1];
    HOLDFAST_ASSIGN(const std::optional<uint64_t> limit,
                    known_end(*segment, has_next ? &*segments[i + 1] : nullptr));
    HOLDFAST_TRY(examination.look_at(*segment, limit));
  }
  const std::optional<LogDamage> found = examination.found();
  if (!found)
    return fail(ErrorCode::kCorrupt,
                "the log in " + directory + " is damaged in a way that does not show where");
  return *found;
}

Result<> put_damage_aside(FileSystem& fs, const std::string& directory, const LogDamage& damage) {
  HOLDFAST_ASSIGN(const SegmentFiles files, list_segments(fs, directory));
  // The newest first: what a crash leaves is damaged at the same place.
  for (const uint64_t number : std::views::reverse(files.numbers)) {
    if (number > damage.segment)
      HOLDFAST_TRY(put_aside(fs, directory, segment_path(directory, number)));
  }
  if (std::ranges::find(files.numbers, damage.segment) == files.numbers.end()) return {};
  const std::string path = segment_path(directory, damage.segment);
  const std::string copy = path + std::string(kCopy);
  if (damage.offset > 0) HOLDFAST_TRY(copy_beginning(fs, path, copy, damage.offset));
  HOLDFAST_TRY(put_aside(fs, directory, path));
  if (damage.offset == 0) return {};
  HOLDFAST_TRY(fs.rename(copy, path));
  return fs.sync_directory(directory);
}

Result<bool> put_needless_aside(FileSystem& fs, const std::string& directory,
                                const LogDamage& damage, LogIndex durable) {
  const Result<Segment> next = Segment::open(fs, directory, damage.segment + 1);
  if (!next || next->header().after.index > durable) return false;
  // Its first one repeats the hard state.
  HOLDFAST_ASSIGN(const std::optional<Batch> batch, next->read_batch(kLogBlockBytes));
  if (!batch || batch->header.records == 0) return false;
  HOLDFAST_ASSIGN(const SegmentFiles files, list_segments(fs, directory));
  // The oldest first: what a crash leaves has no gap, and is damaged at the same place.
  for (const uint64_t number : files.numbers) {
    if (number <= damage.segment)
      HOLDFAST_TRY(put_aside(fs, directory, segment_path(directory, number)));
  }
  return true;
}

Result<> read_back_log(FileSystem& fs, const std::string& directory, const ReadBackPace& pace) {
  HOLDFAST_ASSIGN(const SegmentFiles files, list_segments(fs, directory));
  for (size_t i = 0; i + 1 < files.numbers.size(); ++i) {
    const Result<Segment> segment = Segment::open(fs, directory, files.numbers[i]);
    // The oldest may have been let go meanwhile.
    if (!segment && segment.error().code == ErrorCode::kNotFound) continue;
    if (!segment) return std::unexpected(segment.error());
    HOLDFAST_ASSIGN(const Segment next, Segment::open(fs, directory, files.numbers[i + 1]));
    const uint64_t end = next.header().previous_end;
    for (uint64_t at = kLogBlockBytes; at < end;) {
      HOLDFAST_ASSIGN(const std::optional<Batch> batch, segment->read_batch(at));
      if (!batch || batch->header.records == 0 || batch->end() > end)
        return fail(ErrorCode::kCorrupt,
                    fmt::format("the log file {} is damaged at byte {}", segment->path(), at));
      at = batch->end();
    }
    if (!pace(end)) return {};
  }
  return {};
}

Result<std::vector<std::string>> needless_damaged_files(const FileSystem& fs,
                                                        const std::string& directory) {
  HOLDFAST_ASSIGN(std::vector<std::string> names, fs.list(directory));
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(kDamagedName); });
  names.resize(names.size() - std::min(names.size(), kKept));
  for (std::string& name : names) name = directory + "/" + name;
  return names;
}

}  // namespace holdfast
