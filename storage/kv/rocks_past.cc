#include "storage/kv/rocks_past.h"

#include <algorithm>
#include <memory>

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>

#include "storage/base/codec.h"
#include "storage/kv/command.h"
#include "storage/kv/rocks_words.h"
#include "storage/kv/stored_bytes.h"

namespace holdfast {
namespace {

using rocksdb::ReadOptions;
using rocksdb::Slice;

// An iterator over versions gives the stored key: the user's key and revision, and eight bytes
// behind them of which the lowest says what lies there.
constexpr size_t kStoredTailBytes = 8;
constexpr uint8_t kStoredPut = 1;

struct StoredKey {
  Revision revision;
  bool is_put;
};

Result<StoredKey> decode_stored_key(std::string_view stored, std::string_view key) {
  if (stored.size() != key.size() + kRevisionBytes + kStoredTailBytes || !stored.starts_with(key)) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("among the versions of a key of {} bytes lies one of another: the "
                            "state's files are damaged, restore this node from its peers",
                            key.size()));
  }
  const char* const behind = stored.data() + key.size();
  return StoredKey{{load_fixed<uint64_t>(behind)},
                   static_cast<uint8_t>(behind[kRevisionBytes]) == kStoredPut};
}

// To the newest element up to `revision`, if there is one.
Result<> seek_newest(rocksdb::Iterator& elements, Revision revision) {
  const std::array<char, 8> at = feed_key(revision);
  elements.SeekForPrev(slice(at));
  return done(elements.status(), "reading the feed of changes");
}

}  // namespace

Result<> read_versions(RocksFamily rows, std::string_view key, Revision floor, Revision at,
                       const Engine::VersionVisitor& visit) {
  if (floor > at) return {};
  const std::array<char, kRevisionBytes> newest = timestamp_bytes(at);
  const std::array<char, kRevisionBytes> oldest = timestamp_bytes(floor);
  const Slice newest_slice = slice(newest);
  const Slice oldest_slice = slice(oldest);
  const std::string end = std::string(key) + '\0';
  const Slice end_slice = slice(end);
  ReadOptions read;
  read.timestamp = &newest_slice;
  read.iter_start_ts = &oldest_slice;
  read.iterate_upper_bound = &end_slice;
  bool reaches_floor = false;
  {
    const std::unique_ptr<rocksdb::Iterator> versions(rows.db.NewIterator(read, rows.family));
    for (versions->Seek(slice(key)); versions->Valid(); versions->Next()) {
      StoredKey stored;
      HOLDFAST_ASSIGN(stored, decode_stored_key(view(versions->key()), key));
      reaches_floor = stored.revision == floor;
      if (!stored.is_put) {
        if (!visit(stored.revision, nullptr, {})) return {};
        continue;
      }
      const std::string_view bytes = view(versions->value());
      RowInfo info;
      HOLDFAST_ASSIGN(info, decode_info(key, bytes));
      if (!visit(info.mod_revision, &info, bytes.substr(kRowHeaderBytes))) return {};
    }
    HOLDFAST_TRY(done(versions->status(), "reading the versions of a key"));
  }
  if (reaches_floor) return {};
  // Below the floor revisions may be gone from the keys, so the row says its own.
  read = ReadOptions();
  read.timestamp = &oldest_slice;
  rocksdb::PinnableSlice bytes;
  const rocksdb::Status status = rows.db.Get(read, rows.family, slice(key), &bytes);
  if (status.IsNotFound()) return {};
  HOLDFAST_TRY(done(status, "reading the versions of a key"));
  RowInfo info;
  HOLDFAST_ASSIGN(info, decode_info(key, view(bytes)));
  visit(info.mod_revision, &info, view(bytes).substr(kRowHeaderBytes));
  return {};
}

Result<uint64_t> approximate_bytes(RocksFamily rows, const std::string& start,
                                   const std::string& end) {
  if (!end.empty() && end <= start) return 0;
  // No key is so long.
  const std::string beyond_all(kKeyBytesMax + 1, '\xff');
  const rocksdb::Range range(slice(start), slice(end.empty() ? beyond_all : end));
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  uint64_t bytes = 0;
  HOLDFAST_TRY(done(rows.db.GetApproximateSizes(options, rows.family, &range, 1, &bytes),
                    "estimating the size of a range of keys"));
  return bytes;
}

Result<std::vector<Change>> read_changes(RocksFamily feed, Revision first, size_t limit) {
  std::vector<Change> found;
  size_t bytes = 0;
  const std::unique_ptr<rocksdb::Iterator> elements(
      feed.db.NewIterator(ReadOptions(), feed.family));
  const std::array<char, 8> start = feed_key(first);
  elements->Seek(slice(start));
  for (; elements->Valid() && found.size() < limit && bytes < kFeedBytesMax; elements->Next()) {
    Change change;
    HOLDFAST_ASSIGN(change, decode_change(view(elements->key()), view(elements->value())));
    for (const std::string& key : change.keys) bytes += key.size();
    found.push_back(std::move(change));
  }
  HOLDFAST_TRY(done(elements->status(), "reading the feed of changes"));
  return found;
}

Result<Stamp> read_made(RocksFamily feed, Revision revision) {
  const std::unique_ptr<rocksdb::Iterator> elements(
      feed.db.NewIterator(ReadOptions(), feed.family));
  HOLDFAST_TRY(seek_newest(*elements, revision));
  if (!elements->Valid()) return Stamp{};
  return decode_made(view(elements->value()));
}

Result<> forget_below(RocksFamily rows, RocksFamily feed, Revision floor) {
  const std::string doing = fmt::format("setting the history floor to revision {}", floor.value);
  const std::array<char, kRevisionBytes> low = timestamp_bytes(floor);
  HOLDFAST_TRY(done(
      rows.db.IncreaseFullHistoryTsLow(rows.family, std::string(low.data(), low.size())), doing));
  // The element that made what stands at the floor says when that was.
  const std::unique_ptr<rocksdb::Iterator> elements(
      feed.db.NewIterator(ReadOptions(), feed.family));
  HOLDFAST_TRY(seek_newest(*elements, floor));
  if (!elements->Valid()) return {};
  // No tombstones: elements go with their files, which hold ascending revisions, and nobody reads
  // what is left of them below.
  const Slice end = elements->key();
  return done(rocksdb::DeleteFilesInRange(&feed.db, feed.family, nullptr, &end, false), doing);
}

}  // namespace holdfast
