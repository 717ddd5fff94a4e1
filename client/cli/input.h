#pragma once

// What a command is given to read: a file or standard input, by blocks or by lines.

#include <string>
#include <string_view>
#include <sys/types.h>

#include "storage/base/descriptor.h"
#include "storage/base/result.h"

namespace holdfast::cli {

class Input {
 public:
  // "-": standard input.
  static Result<Input> open(const std::string& path);

  // What comes next, good until the next call; empty: the end. kIo, with the system's words: it
  // cannot be read, which is never taken for its end.
  Result<std::string_view> next_block();
  // Without its newline, which the last line need not have. False: that was the end.
  Result<bool> next_line(std::string& line);

  // Whether what was read can be read again: not from a pipe.
  bool can_rewind() const { return begin_ >= 0; }
  Result<> rewind();

 private:
  Input(std::string name, Descriptor descriptor);

  std::string name_;
  Descriptor descriptor_;
  off_t begin_;  // where it began; negative: it has no places
  std::string buffer_;
  size_t at_ = 0;  // of what was read and not given away
  size_t filled_ = 0;
};

// All of it.
Result<std::string> read_input(const std::string& path);

}  // namespace holdfast::cli
