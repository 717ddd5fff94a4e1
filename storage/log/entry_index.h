#pragma once

// Where each entry lies, without an item for each: a run is a row of entries that lie one after
// another in one batch. 40 bytes for every batch, and for every 256 KiB of a long one.

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/log/record.h"

namespace holdfast {

class EntryIndex {
 public:
  struct Run {
    LogIndex first;
    uint64_t segment;
    RecordPlace start;
    uint64_t bytes;  // of its records; those of entries that were cut later are among them
  };

  // `index` is last() + 1.
  void add(LogIndex index, uint64_t segment, const RecordPlace& place, uint64_t record_bytes);
  void cut_from(LogIndex index);
  void restart_after(LogIndex index);  // empty, and the next entry follows `index`
  void drop_segments_before(uint64_t segment);

  bool empty() const { return runs_.empty(); }
  LogIndex first() const { return empty() ? last_ + 1 : runs_.front().first; }
  LogIndex last() const { return last_; }  // first() - 1 when empty
  // The oldest segment that holds an entry at or behind `index`; nothing: none does.
  std::optional<uint64_t> segment_needed_from(LogIndex index) const;
  const Run& find(LogIndex index) const;  // first() <= index <= last()
  LogIndex end_of(const Run& run) const;  // the index behind its last entry

 private:
  std::vector<Run> runs_;  // by first
  LogIndex last_;
};

}  // namespace holdfast
