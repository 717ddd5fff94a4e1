#include "storage/log/recovery.h"

#include <utility>

#include <fmt/core.h>

namespace holdfast {
namespace {

// Collects what the batches say, one after another in the order in which they were written.
class Collector {
 public:
  // What the oldest segment follows.
  explicit Collector(const LogPosition& before) { restart(before); }

  Result<> take(const Batch& batch, const std::string& path) {
    RecordReader records = batch.records();
    const uint64_t body_end = batch.place.offset + BatchHeader::kBytes + batch.header.body_bytes;
    for (;;) {
      const RecordPlace place{.offset = body_end - records.bytes_left(), .chain = records.chain()};
      const std::optional<RecordView> record = records.next();
      if (!record) return {};
      if (!take(*record, batch.place.segment, place))
        return damaged(path, place.offset, "a record does not follow from those before it");
    }
  }

  std::unexpected<Error> damaged(const std::string& path, uint64_t offset, std::string_view what) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("the log file {} is damaged at byte {}, after entry {}: {}", path,
                            offset, entries_.last().value, what));
  }

  Recovered recovered() {
    recovered_.last = recovered_.before;
    if (!entries_.empty())
      recovered_.last = {.term = recovered_.terms.back().term, .index = entries_.last()};
    return std::move(recovered_);
  }
  EntryIndex entries() { return std::move(entries_); }

 private:
  bool take(const RecordView& record, uint64_t segment, const RecordPlace& place) {
    std::vector<TermRun>& terms = recovered_.terms;
    switch (record.type) {
      case RecordType::kHardState:
        recovered_.hard_state = {.term = record.term, .vote = record.origin.node};
        return true;
      case RecordType::kCutFrom:
        if (record.index.value == 0 || record.index > entries_.last() + 1) return false;
        // What was cut may have gone with its segment since.
        if (record.index <= recovered_.before.index) {
          restart({record.term, record.index - 1});
          return true;
        }
        entries_.cut_from(record.index);
        while (!terms.empty() && terms.back().first >= record.index) terms.pop_back();
        return true;
      case RecordType::kRestart:
        restart({record.term, record.index});
        return true;
      case RecordType::kEntry:
        if (record.index != entries_.last() + 1) return false;
        entries_.add(record.index, segment, place, kRecordHeaderBytes + record.payload.size());
        if (terms.empty() || terms.back().term != record.term)
          terms.push_back({.first = record.index, .term = record.term});
        return true;
    }
    return false;
  }

  void restart(const LogPosition& after) {
    entries_.restart_after(after.index);
    recovered_.terms.clear();
    recovered_.before = after;
  }

  Recovered recovered_{};
  EntryIndex entries_;
};

Result<std::vector<Segment>> open_segments(FileSystem& fs, const std::string& directory,
                                           const std::vector<uint64_t>& numbers) {
  std::vector<Segment> segments;
  for (const uint64_t number : numbers) {
    const uint64_t expected = numbers.front() + segments.size();
    if (number != expected) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("the log file {} is missing, and there are later ones",
                              segment_path(directory, expected)));
    }
    HOLDFAST_ASSIGN(Segment segment, Segment::open(fs, directory, number));
    if (!segments.empty() && segment.header().salt != segments.front().header().salt) {
      return fail(ErrorCode::kCorrupt, fmt::format("the log file {} belongs to another log than {}",
                                                   segment.path(), segments.front().path()));
    }
    segments.push_back(std::move(segment));
  }
  return segments;
}

// Takes batches up to `limit` and answers where they stop: at `limit`, at a marker, or at
// something that is no whole batch.
Result<uint64_t> walk(const Segment& segment, uint64_t limit, Collector& collector) {
  uint64_t at = kLogBlockBytes;
  while (at < limit) {
    HOLDFAST_ASSIGN(const std::optional<Batch> batch, segment.read_batch(at));
    if (!batch || batch->header.records == 0 || batch->end() > limit) return at;
    HOLDFAST_TRY(collector.take(*batch, segment.path()));
    at = batch->end();
  }
  return at;
}

}  // namespace

Result<WalkedLog> walk_log(FileSystem& fs, const std::string& directory,
                           const std::vector<uint64_t>& numbers) {
  HOLDFAST_ASSIGN(std::vector<Segment> segments, open_segments(fs, directory, numbers));
  Collector collector(segments.front().header().after);
  std::deque<uint64_t> older_ends;
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    // The next segment was begun when this one was synced up to here: no torn tail to look for.
    const uint64_t limit = segments[i + 1].header().previous_end;
    HOLDFAST_ASSIGN(const uint64_t end, walk(segments[i], limit, collector));
    if (end != limit)
      return collector.damaged(segments[i].path(), end, "a synced batch is not what was written");
    older_ends.push_back(end);
  }

  Segment current = std::move(segments.back());
  HOLDFAST_ASSIGN(const uint64_t end, walk(current, current.header().bytes, collector));
  HOLDFAST_ASSIGN(const std::optional<Batch> marker, current.read_batch(end));
  HOLDFAST_ASSIGN(const Segment::Tail tail, current.look_at_tail(end));
  // A batch is begun only when all before it is synced: so what stands before one was no torn tail.
  if (tail.batch_far) {
    return collector.damaged(
        current.path(), end,
        fmt::format("a synced batch is not what was written, for at byte {} is a later one",
                    *tail.batch_far));
  }
  const uint64_t torn_from = marker ? end + kLogBlockBytes : end;
  Recovered recovered = collector.recovered();
  if (tail.used_end > torn_from) {
    recovered.torn_tail =
        TornTail{.file = current.path(), .offset = torn_from, .bytes = tail.used_end - torn_from};
  }
  return WalkedLog{.recovered = std::move(recovered),
                   .entries = collector.entries(),
                   .older_ends = std::move(older_ends),
                   .current = std::move(current),
                   .end = end};
}

}  // namespace holdfast
