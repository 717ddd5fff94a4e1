#pragma once

// Answers out of bytes as they come from a connection; one reader for each connection.

#include <memory>
#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace holdfast::load {

struct RawAnswer {
  unsigned status = 0;  // HTTP's; of Redis 200, 404 for nil, 500 for an error
  bool closes = false;  // the server closes the connection behind it
  std::string_view
      body;  // what was kept of it, until the next read; of Redis the line or the value
};

class AnswerReader {
 public:
  virtual ~AnswerReader() = default;

  // Reads on, at most to the end of one answer. The number of bytes that were taken; what was not
  // is given again, with what follows it. An error: what came is no answer, and the connection is
  // of no more use.
  virtual Result<size_t> read(std::string_view bytes) = 0;
  // The answer of the last read(), if that was its end.
  virtual const RawAnswer* answer() const = 0;
};

}  // namespace holdfast::load
