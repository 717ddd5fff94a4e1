#include "server/http/request_body.h"

#include <utility>

namespace holdfast::http {

void RequestBody::add(std::string bytes) {
  if (is_over() || bytes.empty()) return;
  if (bytes_.empty()) {
    bytes_ = std::move(bytes);
  } else {
    bytes_.append(bytes);
  }
  wake();
}

void RequestBody::end() {
  if (is_over()) return;
  ended_ = true;
  wake();
}

void RequestBody::fail(Problem why, Rest rest) {
  // A body that is whole may be dropped, and so may one that has failed already.
  if (!failure_) failure_ = std::move(why);
  if (rest == Rest::kDropped) {
    dropped_ = true;
    bytes_ = std::string();
    if (on_drop_) on_drop_();
  }
  wake();
}

std::string RequestBody::take() {
  const bool was_full = is_full();
  std::string bytes = std::exchange(bytes_, {});
  if (was_full) wiring_.has_room();
  return bytes;
}

void RequestBody::wake() {
  if (!waiter_) return;
  wiring_.defer(
      [self = shared_from_this(), waiter = std::exchange(waiter_, nullptr)] { waiter.resume(); });
}

}  // namespace holdfast::http
