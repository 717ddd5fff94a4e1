#include "storage/log/segmented_log.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include <fmt/core.h>

#include "storage/base/check.h"

namespace holdfast {
namespace {

Result<> remove_left_overs(FileSystem& fs, const std::string& directory) {
  HOLDFAST_ASSIGN(const SegmentFiles files, list_segments(fs, directory));
  for (const std::string& path : files.left_overs) HOLDFAST_TRY(fs.remove(path));
  return {};
}

}  // namespace

Result<SegmentedLog::Opened> SegmentedLog::open(FileSystem& fs, std::string directory,
                                                Options options) {
  CHECK(options.segment_bytes % kLogBlockBytes == 0 && options.segment_bytes >= 4 * kLogBlockBytes,
        "segments of {} bytes", options.segment_bytes);
  HOLDFAST_TRY(fs.create_directories(directory));
  HOLDFAST_ASSIGN(SegmentFiles files, list_segments(fs, directory));
  const bool fresh = files.numbers.empty();
  if (fresh) {
    HOLDFAST_TRY(Segment::make(fs, directory,
                               {.salt = options.salt,
                                .number = 1,
                                .bytes = options.segment_bytes,
                                .previous_end = 0,
                                .after = {}}));
    files.numbers.push_back(1);
  }
  HOLDFAST_ASSIGN(WalkedLog walked, walk_log(fs, directory, files.numbers));
  walked.recovered.fresh = fresh;

  // Only now, with the whole log found sound, is anything changed.
  HOLDFAST_TRY(remove_left_overs(fs, directory));
  if (const std::optional<TornTail>& torn = walked.recovered.torn_tail)
    HOLDFAST_TRY(walked.current.clear(torn->offset, torn->offset + torn->bytes));
  HOLDFAST_TRY(walked.current.file().sync());
  HOLDFAST_TRY(fs.sync_directory(directory));
  Recovered recovered = walked.recovered;
  return Opened{.log = std::unique_ptr<SegmentedLog>(
                    new SegmentedLog(fs, std::move(directory), options, std::move(walked))),
                .recovered = std::move(recovered)};
}

Result<SegmentedLog::Opened> SegmentedLog::open_to_read(FileSystem& fs, std::string directory) {
  HOLDFAST_ASSIGN(const SegmentFiles files, list_segments(fs, directory));
  if (files.numbers.empty())
    return fail(ErrorCode::kNotFound, fmt::format("there is no log in {}", directory));
  HOLDFAST_ASSIGN(WalkedLog walked, walk_log(fs, directory, files.numbers));
  Recovered recovered = walked.recovered;
  return Opened{.log = std::unique_ptr<SegmentedLog>(
                    new SegmentedLog(fs, std::move(directory), Options(), std::move(walked))),
                .recovered = std::move(recovered)};
}

SegmentedLog::SegmentedLog(FileSystem& fs, std::string directory, Options options, WalkedLog walked)
    : fs_(fs),
      directory_(std::move(directory)),
      options_(std::move(options)),
      current_(std::move(walked.current)),
      end_(walked.end),
      hard_state_(walked.recovered.hard_state),
      entries_(std::move(walked.entries)),
      terms_(std::move(walked.recovered.terms)),
      before_(walked.recovered.before),
      older_ends_(std::move(walked.older_ends)) {}

Result<> SegmentedLog::write(std::span<const LogWrite> writes) {
  // Recovery takes a header for evidence that all before it was synced.
  CHECK(synced_, "a batch is written before the one before it was synced");
  bool hard_state_changed = false;
  for (const LogWrite& write : writes) {
    drop_before_ = write.drop_before;
    wanted_from_ = write.wanted_from;
    if (!write.hard_state) continue;
    hard_state_ = *write.hard_state;
    hard_state_changed = true;
  }
  const uint64_t body = body_bytes(writes);
  if (body == 0 && !hard_state_changed) return {};

  // Counted with a hard state even where there will be none: 56 bytes at the end of a segment.
  const uint64_t batch_bytes = whole_blocks(BatchHeader::kBytes + kRecordHeaderBytes + body);
  if (end_ + batch_bytes > current_.header().bytes) HOLDFAST_TRY(begin_segment(batch_bytes));

  batch_.begin(current_.place(end_));
  // Every segment repeats the hard state, so that it never depends on an older one.
  if (hard_state_changed || (end_ == kLogBlockBytes && hard_state_ != HardState{}))
    batch_.add(hard_state_);
  for (const LogWrite& write : writes) add(write);
  const std::string_view bytes = batch_.finish();
  HOLDFAST_TRY(current_.file().write_at(end_, bytes));
  end_ += bytes.size();
  synced_ = false;
  return {};
}

void SegmentedLog::add(const LogWrite& write) {
  if (write.restart_after) {
    batch_.add_restart(*write.restart_after);
    entries_.restart_after(write.restart_after->index);
    terms_.clear();
    before_ = *write.restart_after;
  }
  if (write.cut_from) {
    const LogIndex from = *write.cut_from;
    CHECK(from > before_.index, "cutting from {} of a log that follows {}", from.value,
          before_.index.value);
    batch_.add_cut(from, term_at(from - 1));
    entries_.cut_from(from);
    while (!terms_.empty() && terms_.back().first >= from) terms_.pop_back();
  }
  for (const EntryPtr& entry : write.append) {
    entries_.add(entry->index, current_.header().number, batch_.add(*entry),
                 kRecordHeaderBytes + entry->payload.size());
    if (terms_.empty() || terms_.back().term != entry->term)
      terms_.push_back({entry->index, entry->term});
  }
}

Term SegmentedLog::term_at(LogIndex index) const {
  if (index == before_.index) return before_.term;
  return std::prev(std::ranges::upper_bound(terms_, index, {}, &TermRun::first))->term;
}

// The newest segment that holds a batch, and with it the hard state. More than one may be without:
// a batch too large for an empty segment begins another, and a crash takes the batch.
uint64_t SegmentedLog::newest_written() const {
  uint64_t number = current_.header().number;
  if (end_ > kLogBlockBytes) return number;
  for (const uint64_t end : std::views::reverse(older_ends_)) {
    --number;
    if (end > kLogBlockBytes) break;
  }
  return number;
}

uint64_t SegmentedLog::oldest_to_keep() const {
  const uint64_t current = current_.header().number;
  const uint64_t last_needed = newest_written();
  const auto needed_for = [&](LogIndex index) {
    return std::min(last_needed, entries_.segment_needed_from(index).value_or(last_needed));
  };
  const uint64_t needed = needed_for(drop_before_);
  const uint64_t wanted = wanted_from_ ? needed_for(wanted_from_) : needed;
  // What lies before the first entry was cut, or is void since a restart: of no use to anybody.
  uint64_t keep = std::max(oldest(), needed_for(LogIndex{}));
  uint64_t bytes_behind = end_;  // of the segments behind `keep`
  for (uint64_t number = keep + 1; number < current; ++number)
    bytes_behind += older_ends_[number - oldest()];
  for (; keep < needed; ++keep) {
    const uint64_t limited = keep < wanted ? bytes_behind : bytes_behind / kWantedFactor;
    if (!thrifty_ && limited < options_.keep_bytes) break;
    if (keep + 1 < current) bytes_behind -= older_ends_[keep + 1 - oldest()];
  }
  return keep;
}

std::vector<std::string> SegmentedLog::let_go() {
  CHECK(synced_, "segments are let go before the batch that makes them needless was synced");
  std::vector<std::string> files;
  for (const uint64_t keep = oldest_to_keep(); oldest() < keep; older_ends_.pop_front())
    files.push_back(segment_path(directory_, oldest()));
  if (files.empty()) return files;
  if (older_ && older_->header().number < oldest()) older_.reset();
  entries_.drop_segments_before(oldest());
  const LogIndex first = entries_.first();
  if (first > before_.index + 1) {
    before_ = {term_at(first - 1), first - 1};
    while (terms_.size() > 1 && terms_[1].first <= first) terms_.erase(terms_.begin());
    if (entries_.empty()) terms_.clear();
    if (!terms_.empty()) terms_.front().first = first;
  }
  return files;
}

Result<> SegmentedLog::remove(const std::vector<std::string>& files) const {
  for (const std::string& file : files) {
    HOLDFAST_TRY(fs_.remove(file));
    // One at a time: what a crash leaves has no gap.
    HOLDFAST_TRY(fs_.sync_directory(directory_));
  }
  return {};
}

uint64_t SegmentedLog::body_bytes(std::span<const LogWrite> writes) {
  uint64_t bytes = 0;
  for (const LogWrite& write : writes) {
    if (write.restart_after) bytes += kRecordHeaderBytes;
    if (write.cut_from) bytes += kRecordHeaderBytes;
    for (const EntryPtr& entry : write.append) bytes += kRecordHeaderBytes + entry->payload.size();
  }
  return bytes;
}

Result<> SegmentedLog::begin_segment(uint64_t batch_bytes) {
  const SegmentHeader& before = current_.header();
  const uint64_t usual =
      thrifty_ ? std::min(options_.segment_bytes, kThriftySegmentBytes) : options_.segment_bytes;
  HOLDFAST_ASSIGN(current_, make_segment({.salt = before.salt,
                                          .number = before.number + 1,
                                          .bytes = usual,
                                          .previous_end = end_,
                                          .after = {term_at(entries_.last()), entries_.last()}},
                                         kLogBlockBytes + batch_bytes));
  older_ends_.push_back(end_);
  end_ = kLogBlockBytes;
  return {};
}

// No promise hangs on a file that could not be made, so making another is no second try of a sync.
Result<Segment> SegmentedLog::make_segment(SegmentHeader header, uint64_t bytes_least) {
  for (;;) {
    header.bytes = std::max(header.bytes, bytes_least);
    Result<Segment> made = Segment::make(fs_, directory_, header);
    const bool is_full = !made && made.error().code == ErrorCode::kNoSpace;
    if (!is_full || !options_.make_room || !options_.make_room()) return made;
    header.bytes = std::min(header.bytes, kThriftySegmentBytes);
  }
}

Result<> SegmentedLog::sync() {
  if (!synced_) HOLDFAST_TRY(current_.file().sync());
  synced_ = true;
  return {};
}

Result<> SegmentedLog::write_marker() {
  CHECK(synced_, "a marker is written before the batch that it vouches for was synced");
  // A full segment is vouched for by the next one's header.
  if (end_ == current_.header().bytes) return begin_segment(kLogBlockBytes);
  batch_.begin(current_.place(end_));
  return current_.file().write_at(end_, batch_.finish());
}

Result<> SegmentedLog::prepare_spare() const {
  return Segment::make_spare(fs_, directory_, options_.segment_bytes);
}

Result<std::vector<EntryPtr>> SegmentedLog::read(const LoadOrder& order) {
  if (order.first < entries_.first() || order.first > entries_.last()) {
    return fail(ErrorCode::kNotFound,
                fmt::format("entry {} is not in the log, which holds {} to {}", order.first.value,
                            entries_.first().value, entries_.last().value));
  }
  Loading loading{.next = order.first,
                  .last = std::min(order.last, entries_.last()),
                  .bytes_left = order.bytes_max,
                  .entries = {}};
  do {
    HOLDFAST_TRY(read_run(loading));
  } while (loading.next <= loading.last);
  return std::move(loading.entries);
}

// Takes what is wanted of the run that holds loading.next. Where no more is wanted, `next` is put
// behind `last`.
Result<> SegmentedLog::read_run(Loading& loading) {
  const EntryIndex::Run& run = entries_.find(loading.next);
  const LogIndex run_end = entries_.end_of(run);
  HOLDFAST_ASSIGN(Segment* const segment, segment_of(run.segment));
  HOLDFAST_ASSIGN(const std::string bytes, segment->file().read_at(run.start.offset, run.bytes));
  RecordReader records(bytes, run.start.chain);
  for (LogIndex index = run.first; index < run_end; index = index + 1) {
    const std::optional<RecordView> record = records.next();
    const bool wanted = index >= loading.next;
    if (!record || record->index != index || (wanted && !record->payload_intact())) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("the log file {} is damaged: entry {}, behind byte {}, is not what "
                              "was written",
                              segment->path(), index.value, run.start.offset));
    }
    if (!wanted) continue;
    const size_t cost = record->payload.size() + LogEntry::kOverheadBytes;
    const bool enough = !loading.entries.empty() && cost > loading.bytes_left;
    if (enough || index > loading.last) {
      loading.next = loading.last + 1;
      return {};
    }
    loading.entries.push_back(std::make_shared<const LogEntry>(
        LogEntry{.index = index,
                 .term = record->term,
                 .kind = record->kind,
                 .origin = record->origin,
                 .payload = Bytes(std::string(record->payload), record->payload_checksum),
                 .stamp = record->stamp}));
    loading.bytes_left -= std::min(cost, loading.bytes_left);
    loading.next = index + 1;
  }
  return {};
}

Result<Segment*> SegmentedLog::segment_of(uint64_t number) {
  if (number == current_.header().number) return &current_;
  if (!older_ || older_->header().number != number) {
    HOLDFAST_ASSIGN(older_, Segment::open(fs_, directory_, number));
  }
  return &*older_;
}

}  // namespace holdfast
