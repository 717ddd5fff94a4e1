#pragma once

// What a damaged log still tells, and how the damaged rest of it is put aside, so that the log ends
// before the damage. Blocking; before there are threads.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/fs/file_system.h"
#include "storage/log/log_entry.h"

namespace holdfast {

struct LogDamage {
  // Where the log stops being what was written. Offset 0: the file as a whole is missing, or cannot
  // be told from another.
  uint64_t segment;
  uint64_t offset;
  // The newest entry that can still be read behind that place; 0: none.
  LogIndex last_behind;
  // The newest term and vote that the log holds. Known only if nothing newer can have been in what
  // is not readable: it begins each segment, and it is the first record of its batch, so damage to
  // the rest of a batch hides none.
  bool hard_state_known;
  HardState hard_state;
};

// Of a log that SegmentedLog::open calls kCorrupt. Only reads. kInvalid: a newer format.
Result<LogDamage> examine_log(FileSystem& fs, const std::string& directory);

// The damaged file and all behind it are renamed to *.damaged, and what is intact of the damaged
// one is copied into a new file of its name. Ended by a crash, it is to be called again with what a
// new look says; then the log ends at that place or earlier.
Result<> put_damage_aside(FileSystem& fs, const std::string& directory, const LogDamage& damage);

// Where the damage is in segments that hold nothing behind `durable`, and the next one says where
// the log stands, these are renamed to *.damaged: the log begins later then, and lacks nothing that
// is needed. Ended by a crash, it is to be called again. False: it is not so; nothing was changed.
Result<bool> put_needless_aside(FileSystem& fs, const std::string& directory,
                                const LogDamage& damage, LogIndex durable);

// Told of so many bytes that were read back; false: enough.
using ReadBackPace = std::function<bool(uint64_t bytes)>;
// Every segment but the newest, of a log that may be in use. kCorrupt: one is not what was written.
Result<> read_back_log(FileSystem& fs, const std::string& directory, const ReadBackPace& pace);

// The files that earlier damage has left and that need not be kept any more: all but the newest.
Result<std::vector<std::string>> needless_damaged_files(const FileSystem& fs,
                                                        const std::string& directory);

}  // namespace holdfast
