#pragma once

// A node whose state was found damaged, or to be another than its peers have, drops it and makes it
// anew: from its log, where that goes back to the first entry, else from a peer. A note in the
// group's folder carries it through every restart. Blocking.
//
//   GROUP/REBUILD         a note (storage/fs/note.h): u64 dropped, u64 times, why
//   GROUP/damaged-state   the state that was dropped
//
// Both stay until all of the new state has been read back from the disk, but for the old state
// where its room is needed.

#include <optional>
#include <string>

#include "storage/fs/file_system.h"

namespace holdfast {

struct RebuildNote {
  bool dropped = false;  // else the state in use is the damaged one
  int times = 1;         // how often it was begun since the state was last read back whole
  std::string why;       // for people
};

// A disk that damages each new state is not fought for ever.
inline constexpr int kRebuildsMax = 5;

std::string damaged_state_path(const std::string& group);

// Nothing: no rebuild is due. kCorrupt: the note is damaged.
Result<std::optional<RebuildNote>> read_rebuild_note(FileSystem& fs, const std::string& group);
// Counts on from a note that is there.
Result<RebuildNote> note_damaged_state(FileSystem& fs, const std::string& group,
                                       const std::string& why);
// Puts the damaged state aside and notes that it did; done again after a crash in the middle.
// kCorrupt: it was done too often.
Result<> drop_damaged_state(FileSystem& fs, const std::string& group, RebuildNote& note);
Result<> remove_damaged_state(const std::string& group);
// The new state was read back whole.
Result<> end_rebuild(FileSystem& fs, const std::string& group);

}  // namespace holdfast
