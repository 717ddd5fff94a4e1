#pragma once

// The body of an answer that is made while it is sent, for what has no bound or takes long: scans
// without pages, backups. The head of the answer leaves first; then the session asks for a piece
// whenever its client has taken most of what it was given, so a slow client slows the maker down.

#include <string>

#include "server/http/task.h"
#include "storage/base/result.h"

namespace holdfast::http {

// How large a piece should be; one that cannot be cut may be larger.
inline constexpr size_t kPieceBytes = size_t{256} << 10;

class BodyStream {
 public:
  // On the io thread, and soon after the client is gone: nothing is asked any more. It must not
  // block there.
  virtual ~BodyStream() = default;

  // Awaited before each piece, as long as it takes and while nothing is held for it: for bodies
  // that wait for something to happen. False: the end.
  virtual Task<bool> ready() { co_return true; }

  // The next piece; an empty one is the end. On the io thread, one at a time, and not again after
  // the end or an error. An error is logged, and ends the connection so that its client sees that
  // the body is not whole.
  virtual Task<Result<std::string>> next() = 0;

  // How much its client must take within `write_patience`, where that is more than of any answer
  // (limits.h): for what others wait for.
  virtual size_t progress_bytes() const { return 0; }

  // It goes on until somebody ends it, and may be ended behind any piece: so a node that stops does
  // not wait for it.
  virtual bool is_endless() const { return false; }
};

}  // namespace holdfast::http
