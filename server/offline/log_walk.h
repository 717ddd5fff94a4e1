#pragma once

// Walks a log as it lies on disk, record by record, past whatever is damaged. Opens files for
// reading only; the log may be in use meanwhile, and then ends somewhere. Blocking.

#include <functional>
#include <string>

#include "storage/fs/file_system.h"
#include "storage/log/recovery.h"

namespace holdfast::offline {

struct LogVisitor {
  std::function<void(const Segment& segment)> segment;   // what follows is of this file
  std::function<void(const RecordView& record)> record;  // in the order in which they lie
  std::function<void(const std::string& what)> damage;   // with its place; then the walk goes on
  std::function<void(const TornTail& tail)> torn_tail;
};

// kNotFound: there is no log.
Result<> walk_log_files(FileSystem& fs, const std::string& directory, const LogVisitor& visitor);

}  // namespace holdfast::offline
