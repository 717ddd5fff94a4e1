#pragma once

// The end of a node's log as it is in its files: what is written, and what a power cut would take.

#include <cstdint>
#include <filesystem>
#include <string>

#include "storage/base/random.h"
#include "storage/base/result.h"

namespace holdfast::drill {

// How much of a file of the log is written; the rest of it is blank.
uint64_t used_bytes(const std::filesystem::path& file);

// Of a power cut that took so many blocks of each node, or more: it has shown something.
Result<> check_loss(size_t least);

// Of the newest segment. What `remember` saw may be durable; what is written after it, while no
// sync ends, certainly is not.
class LogTail {
 public:
  // Takes a while: reads the whole segment.
  static Result<LogTail> find(const std::string& directory);

  // Takes no while, so that little is written meanwhile.
  void remember();
  // Whether anything was, since.
  bool is_written() const;
  // To be called when the node has ended. Of the blocks that were written since `remember`, those
  // from one on that is drawn are again what they were. Returns how many; 0: none was written.
  Result<size_t> take_back(Random& random);

 private:
  std::string directory_;
  std::filesystem::path segment_;
  uint64_t begin_ = 0;      // a whole number of blocks
  std::string remembered_;  // from `begin_` on; empty: it does not reach the blank rest
};

}  // namespace holdfast::drill
