#pragma once

// A log for people to read, and for scripts: a line a record.

#include <cstdio>
#include <string>

#include "storage/fs/file_system.h"
#include "storage/log/log_entry.h"

namespace holdfast::offline {

struct DumpOrder {
  std::string directory;  // of the log
  LogIndex from;
  LogIndex to{UINT64_MAX};
  bool as_json = false;
  std::FILE* out = stdout;
};

// How many places are damaged; they are named among the lines. kNotFound: there is no log.
Result<size_t> dump_log(FileSystem& fs, const DumpOrder& order);

}  // namespace holdfast::offline
