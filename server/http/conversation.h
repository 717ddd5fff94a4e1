#pragma once

// What is said and heard on a connection that was upgraded to a WebSocket. What it says is a body
// that is made while it is sent (body_stream.h), in pieces of whole frames (frames.h); but here an
// empty piece says only that there is nothing now, and `ready` alone tells the end.

#include <string>

#include "server/http/body_stream.h"

namespace holdfast::http {

class Conversation : public BodyStream {
 public:
  // One whole message, UTF-8. On the io thread, in order, and not while `is_full`.
  virtual void hear(std::string message) = 0;
  // It has enough to do and to say: nothing is read from the client until it has said something.
  virtual bool is_full() const = 0;
  // The client is gone, or all is said: it is heard and asked no more, and lets go what it holds.
  // May come while a piece is being made.
  virtual void hang_up() = 0;
};

}  // namespace holdfast::http
