#pragma once

// Checks a backup, or the data directory of a stopped node, from its first byte to its last.
// Changes nothing of it. Blocking, for as long as reading all of it takes.

#include <string>
#include <vector>

#include "server/offline/unpack.h"
#include "server/recover/survey.h"

namespace holdfast::offline {

struct Report {
  std::vector<std::string> found;  // what was looked at, a sentence each
  std::vector<std::string> wrong;  // what is wrong with it, and where; empty: nothing
};

// `scratch`: a directory that is not there, on a disk with room for the whole state; it is made,
// and removed again. A file that cannot be read at all, or is no backup, is an error.
Result<Report> verify_backup(FileSystem& fs, const std::string& file, const std::string& scratch,
                             const Progress& progress);

// The caller holds the directory's lock. kNotFound: there is no node's data.
Result<Report> verify_directory(FileSystem& fs, const recover::Place& place);

}  // namespace holdfast::offline
