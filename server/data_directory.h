#pragma once

// The folder that holds everything a node must not forget.
//
//   DIR/LOCK                   held while the process lives: one process, one folder
//   DIR/IDENTITY               who this node is; checksummed, replaced as one act
//   DIR/groups/ID/log/         the log (may be a link to another disk: --log-dir)
//   DIR/groups/ID/state/       the state, in RocksDB
//   DIR/groups/ID/backup/      a backup that is being made
//   DIR/RESTORING              a restore into the folder has not come to its end
//   DIR/REJOIN                 the node is to come back as another one (rejoin.h)
//   DIR/groups.damaged         what it had before it did
//   DIR/RESERVE                room that is held back (disk_room.h)

#include <string>
#include <utility>

#include "replication/raft/membership.h"
#include "storage/base/descriptor.h"
#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/fs/file_system.h"

namespace holdfast {

inline constexpr const char* kRestoring = "RESTORING";

// Of one group's log and state, in a data directory or a directory of logs.
std::string group_directory(const std::string& directory, GroupId group);

// The cluster that a node forms with others or is taken into, and who belonged to it then.
struct Entered {
  ClusterId cluster;
  raft::Members members;
  friend bool operator==(const Entered&, const Entered&) = default;
};

struct Identity {
  // Random, drawn at the first start, and anew where the node comes back as another one; never used
  // again.
  NodeId node;
  std::string name;
  ClusterId cluster;  // none until the node of that id has entered one; then it never changes
  // Who belonged to it then. Counts for Raft as long as neither state nor log hold members.
  raft::Members first_members;
  bool removed = false;  // from its cluster, for ever
  friend bool operator==(const Identity&, const Identity&) = default;
};

// kNotFound: there is no IDENTITY in the folder. kCorrupt: it is damaged. kInvalid: a newer format.
Result<Identity> read_identity(FileSystem& fs, const std::string& path);
// Replaces the folder's IDENTITY as one act.
Result<> write_identity(FileSystem& fs, const std::string& path, const Identity& identity);

// Held by the process that uses a folder; given back with it, or by the system when the process
// ends.
class DirectoryLock {
 public:
  // kInvalid: another process holds it. The folder must be there.
  static Result<DirectoryLock> take(const std::string& path);
  // As take, but makes no file: a folder without LOCK is not in use, and is not held either.
  static Result<DirectoryLock> take_to_read(const std::string& path);

 private:
  explicit DirectoryLock(Descriptor file) : file_(std::move(file)) {}
  static Result<DirectoryLock> take(const std::string& path, int open_flags);

  Descriptor file_;  // none: holds nothing
};

class DataDirectory {
 public:
  static constexpr int kFormat = 1;

  // Locks `path`, making it if it is missing. A folder without an identity gets `node` and `name`,
  // or `name_if_none` where that is empty; one with an identity keeps its own, and another `name`
  // is refused.
  static Result<DataDirectory> open(FileSystem& fs, std::string path, const std::string& name,
                                    NodeId node, const std::string& name_if_none);
  const Identity& identity() const { return identity_; }
  std::string group_path(GroupId group) const;
  // Makes the cluster known for as long as the node has this id, before its first vote, and when
  // its log has had its first write: an empty log is from then on a lost one.
  Result<> enter(FileSystem& fs, Entered entered);
  // The node is another one from now on, of no cluster yet, under the same name. Who it was is
  // forgotten as one act.
  Result<> become(FileSystem& fs, NodeId other);
  // The node was removed from its cluster, which is told at every later start.
  Result<> note_removal(FileSystem& fs);

 private:
  DataDirectory(std::string path, DirectoryLock lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  DirectoryLock lock_;
  Identity identity_;
};

}  // namespace holdfast
