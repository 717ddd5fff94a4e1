#include "storage/kv/memory_engine.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "storage/base/check.h"

namespace holdfast {
namespace {

// How long a started flush stays incomplete, so that a crash can fall into it.
constexpr int kFlushWrites = 3;

}  // namespace

// A state at rest: nothing of it changes any more.
struct MemoryEngine::Image {
  Rows rows;
  std::map<Revision, Change> changes;
  NamedValues meta;
};

const Row* MemoryEngine::row_at(const Versions& versions, Revision at) {
  const auto above = std::ranges::upper_bound(versions, at, {}, &Version::revision);
  if (above == versions.begin()) return nullptr;
  const std::optional<Row>& row = std::prev(above)->row;
  return row ? &*row : nullptr;
}

void MemoryEngine::write(const EngineBatch& batch) {
  const std::lock_guard lock(mutex_);
  Undo undo;
  for (const RevisionWrite& write : batch.revisions) {
    CHECK(changes_.empty() || changes_.rbegin()->first < write.revision, "revision {}",
          write.revision.value);
    Change change{write.revision, write.made, {}};
    for (const RowWrite& row : write.rows) {
      CHECK(change.keys.empty() || change.keys.back() < row.key, "revision {}: keys out of order",
            write.revision.value);
      rows_[row.key].push_back({write.revision, row.row});
      change.keys.push_back(row.key);
    }
    undo.keys.emplace_back(write.revision, change.keys);
    changes_.emplace_hint(changes_.end(), write.revision, std::move(change));
  }
  for (const auto& [name, value] : batch.meta) write_meta(name, value, undo);
  unflushed_.push_back(std::move(undo));
  if (flushing_batches_ > 0 && --flushing_writes_ == 0) finish_flush(flushing_batches_);
}

void MemoryEngine::write_meta(const std::string& name, const std::optional<std::string>& value,
                              Undo& undo) {
  const auto found = meta_.find(name);
  undo.meta.emplace_back(
      name, found == meta_.end() ? std::nullopt : std::optional(std::move(found->second)));
  if (value) {
    meta_[name] = *value;
  } else if (found != meta_.end()) {
    meta_.erase(found);
  }
}

Result<std::optional<Row>> MemoryEngine::get(std::string_view key, Revision at, ReadTier) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(key);
  const Row* row = found == rows_.end() ? nullptr : row_at(found->second, at);
  if (!row) return std::nullopt;
  return *row;
}

Result<std::optional<RowInfo>> MemoryEngine::get_info(std::string_view key, Revision at) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(key);
  const Row* row = found == rows_.end() ? nullptr : row_at(found->second, at);
  if (!row) return std::nullopt;
  return row->info;
}

Result<> MemoryEngine::scan(const RangeScan& scan, const Visitor& visit) const {
  if (!scan.end.empty() && scan.end <= scan.start) return {};
  const std::lock_guard lock(mutex_);
  const auto first = rows_.lower_bound(scan.start);
  const auto last = scan.end.empty() ? rows_.end() : rows_.lower_bound(scan.end);
  const auto walk = [&](const auto& from, const auto& to) {
    for (auto keyed = from; keyed != to; ++keyed) {
      const Row* row = row_at(keyed->second, scan.at);
      if (row && !visit(keyed->first, row->info, row->value)) return;
    }
  };
  if (scan.reverse) {
    walk(std::make_reverse_iterator(last), std::make_reverse_iterator(first));
  } else {
    walk(first, last);
  }
  return {};
}

Result<std::optional<std::string>> MemoryEngine::get_meta(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = meta_.find(name);
  if (found == meta_.end()) return std::nullopt;
  return found->second;
}

Result<Engine::NamedValueList> MemoryEngine::scan_meta(std::string_view prefix,
                                                       std::string_view start_after,
                                                       size_t limit) const {
  const std::lock_guard lock(mutex_);
  NamedValueList found;
  auto at = start_after < prefix ? meta_.lower_bound(prefix) : meta_.upper_bound(start_after);
  for (; at != meta_.end() && found.size() < limit && at->first.starts_with(prefix); ++at) {
    found.push_back(*at);
  }
  return found;
}

Result<std::optional<std::string>> MemoryEngine::get_durable_meta(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = durable_meta_.find(name);
  if (found == durable_meta_.end()) return std::nullopt;
  return found->second;
}

Result<std::vector<Change>> MemoryEngine::changes(Revision first, size_t limit) const {
  const std::lock_guard lock(mutex_);
  std::vector<Change> found;
  size_t bytes = 0;
  for (auto at = changes_.lower_bound(first);
       at != changes_.end() && found.size() < limit && bytes < kFeedBytesMax; ++at) {
    for (const std::string& key : at->second.keys) bytes += key.size();
    found.push_back(at->second);
  }
  return found;
}

Result<> MemoryEngine::versions(std::string_view key, Revision floor, Revision at,
                                const VersionVisitor& visit) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(key);
  if (found == rows_.end()) return {};
  for (const Version& version : std::views::reverse(found->second)) {
    if (version.revision > at) continue;
    // What stood at the floor is a version of it; that there was nothing is none.
    if (version.revision < floor && (at < floor || !version.row)) return {};
    const bool goes_on = version.row
                             ? visit(version.revision, &version.row->info, version.row->value)
                             : visit(version.revision, nullptr, {});
    if (!goes_on || version.revision <= floor) return {};
  }
  return {};
}

Result<Stamp> MemoryEngine::made(Revision revision) const {
  const std::lock_guard lock(mutex_);
  const auto above = changes_.upper_bound(revision);
  return above == changes_.begin() ? Stamp{} : std::prev(above)->second.made;
}

Result<uint64_t> MemoryEngine::approximate_bytes(const std::string& start,
                                                 const std::string& end) const {
  const std::lock_guard lock(mutex_);
  if (!end.empty() && end <= start) return 0;
  const auto last = end.empty() ? rows_.end() : rows_.lower_bound(end);
  uint64_t bytes = 0;
  for (auto keyed = rows_.lower_bound(start); keyed != last; ++keyed) {
    for (const Version& version : keyed->second)
      bytes += keyed->first.size() + (version.row ? version.row->value.size() : 0);
  }
  return bytes;
}

Result<> MemoryEngine::set_history_floor(Revision floor) {
  const std::lock_guard lock(mutex_);
  // The one that made what stands at the floor says when that was.
  const auto above_floor = changes_.upper_bound(floor);
  if (above_floor != changes_.begin()) changes_.erase(changes_.begin(), std::prev(above_floor));
  for (auto keyed = rows_.begin(); keyed != rows_.end();) {
    Versions& kept = keyed->second;
    // The last one not above the floor is what reads there see; it need not stay if it is nothing.
    auto first = std::ranges::upper_bound(kept, floor, {}, &Version::revision);
    if (first != kept.begin() && (std::prev(first)->row || std::prev(first)->revision == floor))
      --first;
    kept.erase(kept.begin(), first);
    keyed = kept.empty() ? rows_.erase(keyed) : std::next(keyed);
  }
  return {};
}

void MemoryEngine::start_flush() {
  const std::lock_guard lock(mutex_);
  if (flushing_batches_ > 0) finish_flush(flushing_batches_);
  flushing_batches_ = unflushed_.size();
  flushing_writes_ = kFlushWrites;
}

Result<> MemoryEngine::flush() {
  const std::lock_guard lock(mutex_);
  finish_flush(unflushed_.size());
  return {};
}

void MemoryEngine::finish_flush(size_t batches) {
  // The durable values are the present ones with the batches after the flush taken back.
  durable_meta_ = meta_;
  for (size_t i = unflushed_.size(); i > batches; --i) {
    restore(durable_meta_, unflushed_[i - 1]);
  }
  unflushed_.erase(unflushed_.begin(), unflushed_.begin() + static_cast<ptrdiff_t>(batches));
  flushing_batches_ = 0;
  flush_count_.fetch_add(1, std::memory_order_release);
}

Result<> MemoryEngine::checkpoint(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  if (images_.contains(directory))
    return fail(ErrorCode::kInvalid, fmt::format("copying the state: '{}' exists", directory));
  images_[directory] = std::make_shared<const Image>(rows_, changes_, meta_);
  return {};
}

Result<NamedValues> MemoryEngine::read_checkpoint(const std::string& directory,
                                                  std::span<const std::string_view> names) const {
  const std::lock_guard lock(mutex_);
  const auto found = images_.find(directory);
  if (found == images_.end())
    return fail(ErrorCode::kNotFound, fmt::format("there is no checkpoint '{}'", directory));
  const NamedValues& meta = found->second->meta;
  NamedValues named;
  for (const std::string_view name : names)
    if (const auto value = meta.find(name); value != meta.end()) named.insert(*value);
  return named;
}

Result<> MemoryEngine::install(const std::string& directory, const NamedValues& meta) {
  const std::shared_ptr<const Image> image = take_image(directory);
  if (!image)
    return fail(ErrorCode::kNotFound, fmt::format("there is no checkpoint '{}'", directory));
  const std::lock_guard lock(mutex_);
  rows_ = image->rows;
  changes_ = image->changes;
  meta_ = image->meta;
  for (const auto& [name, value] : meta) meta_[name] = value;
  // A batch of the state before is nothing that a crash could take back.
  unflushed_.clear();
  finish_flush(0);
  return {};
}

std::shared_ptr<const MemoryEngine::Image> MemoryEngine::take_image(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto taken = images_.extract(name);
  return taken ? taken.mapped() : nullptr;
}

void MemoryEngine::put_image(const std::string& name, std::shared_ptr<const Image> image) {
  const std::lock_guard lock(mutex_);
  images_[name] = std::move(image);
}

void MemoryEngine::overwrite(const std::string& key, Row row) {
  const std::lock_guard lock(mutex_);
  rows_.at(key).back().row = std::move(row);
}

void MemoryEngine::crash(Random& random) {
  const std::lock_guard lock(mutex_);
  const size_t kept = random.below(unflushed_.size() + 1);
  while (unflushed_.size() > kept) {
    take_back(unflushed_.back());
    unflushed_.pop_back();
  }
  finish_flush(kept);
}

void MemoryEngine::restore(NamedValues& values, const Undo& undo) {
  for (const auto& [name, old] : std::views::reverse(undo.meta)) {
    if (old) {
      values[name] = *old;
    } else {
      values.erase(name);
    }
  }
}

void MemoryEngine::take_back(const Undo& undo) {
  for (const auto& [revision, keys] : std::views::reverse(undo.keys)) {
    for (const std::string& key : keys) {
      const auto found = rows_.find(key);
      CHECK(found != rows_.end() && found->second.back().revision == revision);
      found->second.pop_back();
      if (found->second.empty()) rows_.erase(found);
    }
    changes_.erase(revision);
  }
  restore(meta_, undo);
}

}  // namespace holdfast
