#pragma once

// A file of no content, which holds room on a disk for the moment when others have filled it: given
// back then, it lets what has to be written go on, and lets the process start again. Any thread.

#include <cstdint>
#include <mutex>
#include <string>

#include "storage/fs/file_system.h"

namespace holdfast {

class Reserve {
 public:
  // Touches nothing yet: the file may be there from an earlier run.
  Reserve(FileSystem& fs, std::string path, uint64_t bytes);

  // Takes the room, where it does not hold it all. kNoSpace: nothing is held then.
  Result<> take();
  // True: room was given back. False: there was none to give.
  Result<bool> give_back();
  // What `take` would still take.
  Result<uint64_t> lacks() const;

 private:
  Result<uint64_t> held() const;

  FileSystem& fs_;
  const std::string path_;
  const uint64_t bytes_;
  mutable std::mutex mutex_;
};

}  // namespace holdfast
