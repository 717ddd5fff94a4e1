#include "server/offline/log_walk.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace holdfast::offline {
namespace {

std::string unsound(const std::string& path, uint64_t offset, std::string_view what) {
  return fmt::format("{} is damaged at byte {}: {}", path, offset, what);
}

void visit(const Batch& batch, const LogVisitor& visitor) {
  RecordReader records = batch.records();
  while (const std::optional<RecordView> record = records.next()) visitor.record(*record);
}

// From `at` to `limit`, where the next segment says that this one ends; or, of the last one, to
// where nothing more is written.
Result<> walk(const Segment& segment, std::optional<uint64_t> limit, const LogVisitor& visitor) {
  const uint64_t end = limit.value_or(segment.header().bytes);
  uint64_t at = kLogBlockBytes;
  while (at < end) {
    HOLDFAST_ASSIGN(const std::optional<Batch> batch, segment.read_batch(at));
    if (batch && batch->header.records > 0) {
      visit(*batch, visitor);
      at = batch->end();
      continue;
    }
    HOLDFAST_ASSIGN(const Segment::Tail tail, segment.look_at_tail(at));
    if (tail.batch_far) {
      visitor.damage(unsound(
          segment.path(), at,
          fmt::format("synced bytes are not what was written, up to byte {}", *tail.batch_far)));
      at = *tail.batch_far;
      continue;
    }
    if (limit) {
      visitor.damage(unsound(segment.path(), at,
                             fmt::format("synced bytes are not what was written, up to byte {}, "
                                         "where the file's last batch ended",
                                         *limit)));
      return {};
    }
    const uint64_t torn_from = batch ? at + kLogBlockBytes : at;
    if (tail.used_end > torn_from)
      visitor.torn_tail({segment.path(), torn_from, tail.used_end - torn_from});
    return {};
  }
  return {};
}

}  // namespace

Result<> walk_log_files(FileSystem& fs, const std::string& directory, const LogVisitor& visitor) {
  HOLDFAST_ASSIGN(const SegmentFiles files, list_segments(fs, directory));
  if (files.numbers.empty())
    return fail(ErrorCode::kNotFound, fmt::format("there is no log in {}", directory));
  std::vector<std::optional<Segment>> segments;
  std::optional<uint64_t> previous;
  for (const uint64_t number : files.numbers) {
    Result<Segment> opened = Segment::open(fs, directory, number);
    // Gone meanwhile: a node that runs lets go of its oldest files.
    if (!opened && opened.error().code == ErrorCode::kNotFound && segments.empty()) continue;
    if (!opened) visitor.damage(opened.error().message);
    if (previous && number != *previous + 1)
      visitor.damage(fmt::format("{} is missing, and there are later log files",
                                 segment_path(directory, *previous + 1)));
    previous = number;
    segments.push_back(opened ? std::optional(*std::move(opened)) : std::nullopt);
  }
  for (size_t i = 0; i < segments.size(); ++i) {
    if (!segments[i]) continue;
    std::optional<uint64_t> limit;
    if (i + 1 < segments.size() && segments[i + 1]) limit = segments[i + 1]->header().previous_end;
    visitor.segment(*segments[i]);
    HOLDFAST_TRY(walk(*segments[i], limit, visitor));
  }
  return {};
}

}  // namespace holdfast::offline
