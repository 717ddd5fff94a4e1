#pragma once

// Reads data directories of stopped nodes. Changes nothing: files are opened for reading only, and
// no file is made. Blocking.

#include <string>

#include "server/recover/judgement.h"
#include "storage/fs/file_system.h"

namespace holdfast::recover {

// Where a node's data lies.
struct Place {
  std::string data_dir;
  std::string log_dir;  // as holdfastd's --log-dir; empty: the log is in data_dir

  std::string log_path() const;
};

// The caller holds the directory's lock. Everything that is wrong with it is in the answer.
Finding look_at(FileSystem& fs, const Place& place);

// The answer for a directory whose lock could not be taken: who it is, and that it is in use.
Finding look_at_locked(FileSystem& fs, const Place& place, const Error& refusal);

}  // namespace holdfast::recover
