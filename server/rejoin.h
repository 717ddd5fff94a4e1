#pragma once

// A node whose vote may be lost must never speak under its id again: it might vote twice in one
// term. Where other members can be asked, it comes back as another node of the same name by itself:
// its old id is removed from the cluster, what it has is put aside, and it joins under a new id, as
// a learner that is sent everything. A note in the data directory carries it through every restart.
// Blocking; before the node serves.
//
//   DIR/REJOIN           a note (storage/fs/note.h): u64 old id, u64 cluster, u64 stays_learner,
//                        u64 asked, then URLs, one a line, "" and why
//   DIR/groups.damaged   what it had, until a later start, or until its room is needed; in a
//                        directory of logs, too
//   GROUP/URLS           where clients reach the other members, as they last said it, for a node
//                        whose state knows none: a note, URLs, one a line. It may be out of date

#include <optional>
#include <string>
#include <vector>

#include "storage/base/ids.h"
#include "storage/fs/file_system.h"

namespace holdfast {

struct RejoinNote {
  NodeId old_id;                  // as long as IDENTITY has this one, the first part is to be done
  ClusterId cluster;              // that it belongs to, and no other
  bool stays_learner = false;     // as it did before
  bool asked = false;             // the cluster may have let go of the old id because of this node
  std::vector<std::string> urls;  // where the other members' clients go
  std::string why;                // for people
  friend bool operator==(const RejoinNote&, const RejoinNote&) = default;
};

// Nothing: none is due. kCorrupt: the note is damaged.
Result<std::optional<RejoinNote>> read_rejoin_note(FileSystem& fs, const std::string& data_dir);
Result<> note_rejoin(FileSystem& fs, const std::string& data_dir, const RejoinNote& note);
Result<> end_rejoin(FileSystem& fs, const std::string& data_dir);

// Replaces what was noted; by none it does not: where the others were is better than nothing.
Result<> note_urls(FileSystem& fs, const std::string& group, const std::vector<std::string>& urls);
// Nothing where none were noted, or the note is damaged.
std::vector<std::string> noted_urls(FileSystem& fs, const std::string& group);

// Where that lies then.
std::string groups_aside(const std::string& directory);
// What was put aside before goes. `directory`: the data directory, or one of logs. Done again after
// a crash in the middle: what lies aside then is kept.
Result<> put_groups_aside(FileSystem& fs, const std::string& directory);
Result<> remove_groups_aside(const std::string& directory);

}  // namespace holdfast
