#pragma once

// Makes the data directory of a new cluster's first node out of a backup. The cluster and the node
// are new; keys, history, leases and settings are those of the backup.

#include <string>

#include "server/data_directory.h"
#include "server/offline/unpack.h"

namespace holdfast::offline {

struct RestoreOrder {
  std::string file;
  std::string data_dir;  // made where it is missing; must be empty, or of a restore that was ended
  std::string name;      // of the node
  std::string peer_address;
  NodeId node;        // random, that no node has had
  ClusterId cluster;  // random
  uint64_t now_ms;    // the calendar
};

struct Restored {
  backup::Head head;
  Identity identity;
  Revision revision;  // from which the new cluster goes on
};

// Done only when all of it is durable; a crash before that leaves a folder that no node starts
// from, and that another call makes anew. kInvalid: the folder is not empty, or in use, or the file
// is no backup; kCorrupt: the backup is damaged.
Result<Restored> restore(FileSystem& fs, const RestoreOrder& order, const Progress& progress);

// Above every revision that the cluster of the backup can have given out until `now_ms`.
Revision revision_to_go_on_from(const backup::Head& head, uint64_t now_ms);

}  // namespace holdfast::offline
