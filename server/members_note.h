#pragma once

// The newest committed list of members that this node has seen, noted beside its state: where that
// cannot even be opened, it says whether there is anybody to ask for another.
//
//   GROUP/MEMBERS := a note (storage/fs/note.h) of the list as in the log

#include <optional>
#include <string>

#include "replication/raft/membership.h"
#include "storage/fs/file_system.h"

namespace holdfast {

// Nothing: none was noted, or what was is damaged, which is logged.
Result<std::optional<raft::Members>> noted_members(FileSystem& fs, const std::string& group);
// Writes only what is not noted already.
Result<> note_members(FileSystem& fs, const std::string& group, const raft::Members& members);

}  // namespace holdfast
