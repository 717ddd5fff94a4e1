#pragma once

// An upgraded connection between its session, which has the socket, and the conversation: frames to
// messages, what must be answered at once, and whether the client is still there. On the io thread.

#include <memory>
#include <optional>
#include <string_view>

#include "server/http/conversation.h"
#include "server/http/frames.h"
#include "server/http/limits.h"
#include "server/http/outbox.h"

namespace holdfast::http {

class WebSocket {
 public:
  WebSocket(std::shared_ptr<Conversation> conversation, const Limits& limits, Instant now)
      : conversation_(std::move(conversation)),
        limits_(limits),
        reader_(limits.message_bytes_max),
        heard_at_(now) {}

  // Takes a client's bytes, and gives back how many: fewer where the conversation is full, or once
  // it is closed. What must be said at once is put into `outbox`.
  size_t hear(std::string_view bytes, Instant now, Outbox& outbox);
  // Says so to the client: the last of all that is said.
  void close(CloseCode code, std::string_view reason, Outbox& outbox);
  // Without a word, since nobody would hear it.
  void hang_up();
  bool is_closed() const { return closed_; }

  // To be asked about once a second. A client from which nothing comes is pinged where it has taken
  // all that it was sent: else what it takes is its sign of life. False: it is dead.
  bool is_alive(Instant now, Outbox& outbox);
  // It was not read until now, and could say nothing.
  void is_read_again(Instant now);

  bool is_full() const { return conversation_->is_full(); }
  size_t bytes() const { return reader_.bytes(); }

 private:
  void close(const Closing& closing, Outbox& outbox);

  const std::shared_ptr<Conversation> conversation_;
  const Limits& limits_;
  FrameReader reader_;
  bool closed_ = false;
  Instant heard_at_;
  std::optional<Instant> pinged_at_;
};

}  // namespace holdfast::http
