#pragma once

// Bytes to requests: the framing guard, then Beast's parser. One for each connection; holds no
// buffer of its own, only the request that is being received.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/framing.h"
#include "server/http/limits.h"
#include "server/http/problem.h"
#include "server/http/request.h"
#include "server/http/router.h"

namespace holdfast::http {

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  enum class Event {
    kNeedMore,  // come back with the bytes not used, and more behind them
    kHead,      // `request` has line and fields, `framing` is known; a body may follow
    kComplete,  // `request` may be moved away; the next byte begins another
    kRefused,   // `problem` says why; not a byte more may be read from this connection
  };
  // Takes from the front of `bytes` what belongs to the next event, and counts it in `used`.
  Event feed(std::string_view bytes, size_t& used);

  // Behind kHead, of a request with a body: how it comes. kWhole: up to the limit, into the
  // request, else a problem. kStreamed: without a limit; `take_body` has what came with an event.
  std::optional<Problem> expect_body(BodyForm form);
  std::string take_body();

  Request& request();
  const Framing& framing() const { return framing_; }  // its views are valid until the next feed
  Problem& problem() { return problem_; }

  // Some of a request has come, and not all.
  bool in_request() const { return in_body() || searched_ > 0; }
  bool in_body() const { return phase_ == Phase::kBody; }

 private:
  enum class Phase { kHead, kBody, kComplete, kRefused };
  struct Message;

  Event feed_head(std::string_view bytes, size_t& used);
  Event feed_body(std::string_view bytes, size_t& used);
  Event refuse(Problem problem);
  Problem body_too_large() const;

  const Limits& limits_;
  Phase phase_ = Phase::kHead;
  size_t searched_ = 0;  // so far no blank line in that many bytes
  Framing framing_;
  Problem problem_;
  std::unique_ptr<Message> message_;
  std::string rest_;  // of the body of a refused request: what came before the fault
};

}  // namespace holdfast::http
