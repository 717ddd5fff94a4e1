#include "server/http/web_socket.h"

#include <string>
#include <utility>

namespace holdfast::http {
namespace {

// Frames are bytes that follow: like a body without chunks.
void say(std::string frame, Outbox& outbox) {
  outbox.add_piece(std::move(frame), 0);
}

}  // namespace

size_t WebSocket::hear(std::string_view bytes, Instant now, Outbox& outbox) {
  is_read_again(now);
  size_t used = 0;
  while (used < bytes.size() && !closed_ && !conversation_->is_full()) {
    size_t step = 0;
    const FrameReader::Event event = reader_.feed(bytes.substr(used), step);
    used += step;
    switch (event) {
      case FrameReader::Event::kMessage:
        conversation_->hear(reader_.take_message());
        break;
      case FrameReader::Event::kPing: {
        std::string pong;
        append_pong(pong, reader_.control());
        say(std::move(pong), outbox);
        break;
      }
      case FrameReader::Event::kClose:
      case FrameReader::Event::kBroken:
        close(reader_.closing(), outbox);
        break;
      case FrameReader::Event::kPong:
      case FrameReader::Event::kNeedMore:
        break;
    }
  }
  return used;
}

void WebSocket::close(CloseCode code, std::string_view reason, Outbox& outbox) {
  close({static_cast<uint16_t>(code), std::string(reason)}, outbox);
}

void WebSocket::close(const Closing& closing, Outbox& outbox) {
  std::string frame;
  append_close(frame, closing);
  say(std::move(frame), outbox);
  hang_up();
}

void WebSocket::hang_up() {
  if (!std::exchange(closed_, true)) conversation_->hang_up();
}

bool WebSocket::is_alive(Instant now, Outbox& outbox) {
  if (pinged_at_) return now - *pinged_at_ < limits_.pong_patience;
  if (now - heard_at_ < limits_.ping_after || !outbox.empty()) return true;
  std::string ping;
  append_ping(ping);
  say(std::move(ping), outbox);
  pinged_at_ = now;
  return true;
}

void WebSocket::is_read_again(Instant now) {
  heard_at_ = now;
  pinged_at_.reset();
}

}  // namespace holdfast::http
