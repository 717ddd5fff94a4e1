#pragma once

// Where the state lies: versioned rows, the feed of changes, and small named values, all written
// in one atomic batch. Two implementations: RocksDB, and ordered maps for the simulator, which a
// crash takes back to an earlier flush. One thread writes (the apply thread); any thread reads.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/kv/bond.h"
#include "storage/log/log_entry.h"

namespace holdfast {

// What is known of one version of one key, beside its bytes.
struct RowInfo {
  Revision create_revision;  // that created the key in this life
  Revision mod_revision;     // of this version
  uint64_t version = 0;      // how many times it was written in this life
  uint64_t hash = 0;         // row_hash of all the rest; the state's hash is the sum of these
  Bond bond;                 // what ends its life beside a delete
  friend bool operator==(const RowInfo&, const RowInfo&) = default;
};

struct Row {
  RowInfo info;
  std::string value;
  friend bool operator==(const Row&, const Row&) = default;
};

uint64_t row_hash(std::string_view key, const RowInfo& info, std::string_view value);

// One element of the ordered feed: the keys that one revision changed.
struct Change {
  Revision revision;
  Stamp made;
  std::vector<std::string> keys;  // sorted
  friend bool operator==(const Change&, const Change&) = default;
};

// A key's new version; no row: it is deleted.
struct RowWrite {
  std::string key;
  std::optional<Row> row;
};

// Everything that one revision changes. The feed's element is made from it, so that feed and rows
// cannot disagree.
struct RevisionWrite {
  Revision revision;
  Stamp made;                  // neither time is less than in the revision before
  std::vector<RowWrite> rows;  // sorted by key, each key once
};

// Named values are written in the order given: the last word on a name stands.
struct EngineBatch {
  std::vector<RevisionWrite> revisions;  // ascending, and above all written before
  // name → value; no value: the name is deleted, which it may have been before
  std::vector<std::pair<std::string, std::optional<std::string>>> meta;
};

using NamedValues = std::map<std::string, std::string, std::less<>>;

inline constexpr size_t kFeedBytesMax = 1 << 20;

// kMemory answers kIncomplete instead of waiting for the disk: for threads that carry heartbeats.
enum class ReadTier { kMemory, kDisk };

struct RangeScan {
  std::string start;  // inclusive
  std::string end;    // exclusive; empty: to the last key
  Revision at;
  bool reverse = false;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // All of the batch or nothing, also after a crash. A failure stops the process.
  virtual void write(const EngineBatch& batch) = 0;

  // The newest version of `key` not above `at`; nothing if the key did not exist then.
  virtual Result<std::optional<Row>> get(std::string_view key, Revision at,
                                         ReadTier tier) const = 0;

  // As get, without the bytes of the value.
  virtual Result<std::optional<RowInfo>> get_info(std::string_view key, Revision at) const = 0;

  // Calls `visit` for each key that existed at `scan.at`, in order, until it returns false. What it
  // is given lives as long as the call; it must not call the engine.
  using Visitor =
      std::function<bool(std::string_view key, const RowInfo& info, std::string_view value)>;
  virtual Result<> scan(const RangeScan& scan, const Visitor& visit) const = 0;

  virtual Result<std::optional<std::string>> get_meta(std::string_view name) const = 0;
  // The names that begin with `prefix`, in the order of their bytes, from the first one that comes
  // behind `start_after` (a whole name, which need not exist; empty: from the first of all), at
  // most `limit` of them. All of one moment. Any thread.
  using NamedValueList = std::vector<std::pair<std::string, std::string>>;
  virtual Result<NamedValueList> scan_meta(std::string_view prefix, std::string_view start_after,
                                           size_t limit) const = 0;
  // The value of `name` that a crash right now would leave. Any thread.
  virtual Result<std::optional<std::string>> get_durable_meta(std::string_view name) const = 0;

  // The past is kept from the history floor on, which the caller knows: what lies below is
  // forgotten at the engine's leisure, and nothing that is read there means anything.

  // Calls `visit` for each version of `key` from `floor` to `at`, the newest first, and last for
  // the row that stood at `floor`, if it is older; until it returns false. No info: a delete.
  using VersionVisitor =
      std::function<bool(Revision revision, const RowInfo* info, std::string_view value)>;
  virtual Result<> versions(std::string_view key, Revision floor, Revision at,
                            const VersionVisitor& visit) const = 0;
  // The feed from revision `first` on: at most `limit` elements, and none more once those found
  // hold kFeedBytesMax of keys.
  virtual Result<std::vector<Change>> changes(Revision first, size_t limit) const = 0;
  // When the state was made that stood at `revision`: the times in the feed's newest element up to
  // it, which need not be its own, for a state that was put back from a backup goes on at a
  // revision far above its newest element. {}: nothing had been changed by then.
  virtual Result<Stamp> made(Revision revision) const = 0;
  // What the rows from `start` to before `end` (empty: to the last) take, with their kept versions
  // and what is not reclaimed yet. An estimate, made without reading them.
  virtual Result<uint64_t> approximate_bytes(const std::string& start,
                                             const std::string& end) const = 0;
  // From now on what no read at `floor` or later needs may be forgotten. Readers of what is older
  // were refused before, and it is never above what a crash would leave, nor below an earlier one.
  // Returns without reclaiming anything itself. By the thread that writes.
  virtual Result<> set_history_floor(Revision floor) = 0;

  // Asks that what is written so far becomes durable; returns at once. Any thread.
  virtual void start_flush() = 0;
  // As start_flush, and waits. For a clean stop and for tests.
  virtual Result<> flush() = 0;
  // Grows when something became durable: then get_durable_meta is worth another look. Any thread.
  virtual uint64_t flush_count() const = 0;

  // A copy of the whole state, of some moment after the call began, as `directory`: it must not
  // exist, its parent must. Any thread, while writes go on; takes as long as a flush.
  virtual Result<> checkpoint(const std::string& directory) = 0;
  // Those of the named values `names` that the checkpoint in `directory` has. It is only read, and
  // found to have every file that it should. Any thread.
  virtual Result<NamedValues> read_checkpoint(const std::string& directory,
                                              std::span<const std::string_view> names) const = 0;
  // The state of the checkpoint in `directory`, with `meta` written over it, takes the place of
  // this one, as one durable step: after a crash there is one of both, and after success the new
  // one. By the thread that writes; a read on another thread sees either, whole. The checkpoint is
  // used up. After an error the present state goes on; what is left in `directory` is for the
  // caller to remove.
  virtual Result<> install(const std::string& directory, const NamedValues& meta) = 0;
};

}  // namespace holdfast
