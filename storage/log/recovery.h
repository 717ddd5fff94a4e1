#pragma once

// Reads a log from its first byte to its last and tells what it holds. It only reads: what to cut
// or clear is done by the caller, once the whole log has been found sound.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "storage/log/entry_index.h"
#include "storage/log/segment.h"

namespace holdfast {

struct TermRun {
  LogIndex first;  // from this entry to the next run's first, or the last entry
  Term term;
  friend bool operator==(const TermRun&, const TermRun&) = default;
};

// Bytes of a batch that was being written when the process or the power stopped: never synced as
// far as the log itself can tell, and no longer part of it. README.md says what it may have been.
struct TornTail {
  std::string file;
  uint64_t offset;
  uint64_t bytes;
};

struct Recovered {
  bool fresh;  // there was no log here, and it was made
  HardState hard_state;
  LogPosition before;  // the entry before the first; {0, 0}: the log holds all there ever was
  LogPosition last;    // `before`: no entries
  std::vector<TermRun> terms;
  std::optional<TornTail> torn_tail;
};

struct WalkedLog {
  Recovered recovered;
  EntryIndex entries;
  std::deque<uint64_t> older_ends;  // where each segment before the last one ends, oldest first
  Segment current;                  // the last one
  uint64_t end;                     // in `current`: the next batch goes here
};

// `numbers`: of the segments in the directory, ascending, at least one. kCorrupt: bytes that had
// been synced are not what was written; the message names file, offset and last sound index.
Result<WalkedLog> walk_log(FileSystem& fs, const std::string& directory,
                           const std::vector<uint64_t>& numbers);

}  // namespace holdfast
