#pragma once

// The client that sent a request, as far as its connection tells: asked by handlers that may wait
// long, so that they do nothing for somebody who is not there any more. A value, and cheap.

#include <cstdint>

namespace holdfast::http {

class Caller {
 public:
  using HasGone = bool (*)(const void* home, uint64_t id);

  Caller() = default;  // one that never goes
  // `home` outlives every request.
  Caller(HasGone ask, const void* home, uint64_t id) : ask_(ask), home_(home), id_(id) {}

  // Its connection is closed, or it has shut its sending side: nobody who does the latter can be
  // told from who is gone. On the request's io thread.
  bool has_gone() const { return ask_ != nullptr && ask_(home_, id_); }

 private:
  HasGone ask_ = nullptr;
  const void* home_ = nullptr;
  uint64_t id_ = 0;
};

}  // namespace holdfast::http
