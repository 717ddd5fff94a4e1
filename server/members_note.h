#pragma once

// The list of members that the state holds, noted beside it: where the state cannot even be opened,
// it says whom to ask for another, and whose votes count. It is never older than the state: two
// lists of which one was forgotten may have majorities that share nobody.
//
//   GROUP/MEMBERS := a note (storage/fs/note.h) of the list as in the log

#include <optional>
#include <string>

#include "replication/raft/membership.h"
#include "storage/fs/file_system.h"

namespace holdfast {

// Nothing: none was noted, or what was is damaged, which is logged.
Result<std::optional<raft::Members>> noted_members(FileSystem& fs, const std::string& group);
// To be called before the log lets go of the entry that holds them. Writes only what is not noted
// already; where that fails, an older list is removed. An error: that failed, too.
Result<> note_members(FileSystem& fs, const std::string& group, const raft::Members& members);

}  // namespace holdfast
