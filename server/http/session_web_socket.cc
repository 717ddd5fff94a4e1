// What a session does otherwise once its connection is a WebSocket.

#include <utility>

#include "server/http/conversation.h"
#include "server/http/session.h"
#include "storage/base/check.h"

namespace holdfast::http {

// False: it is refused. Behind the request come frames, or nothing: whatever becomes of it.
bool Session::expect_upgrade(AnswerForm& form) {
  if (form.minor_version == 0) {
    refuse(bad_request("HTTP/1.0 knows no Upgrade"));
    return false;
  }
  form.ending = AnswerForm::Ending::kClose;
  state_ = State::kUpgrades;
  return true;
}

void Session::begin_conversation(Pipeline::Answer& answer) {
  CHECK(state_ == State::kUpgrades, "nobody asked for a WebSocket");
  state_ = State::kOpen;
  answer.form.ending = AnswerForm::Ending::kKeepAlive;
  stream_ = answer.response.conversation;
  stream_minor_version_ = 0;
  web_socket_ = std::make_unique<WebSocket>(std::move(answer.response.conversation), home_.limits_,
                                            home_.now_);
}

void Session::close_web_socket(CloseCode code, std::string_view reason) {
  if (web_socket_->is_closed()) return;
  begin_output();
  web_socket_->close(code, reason, outbox_);
  say_frames();
}

void Session::say_frames() {
  if (web_socket_->is_closed()) {
    stream_.reset();
    pull_ = Pull::kNone;
    state_ = State::kLastAnswers;
  }
  flush_soon();
}

size_t Session::hear(std::string_view bytes) {
  begin_output();
  const size_t used = web_socket_->hear(bytes, home_.now_, outbox_);
  if (state_ == State::kClosed) return used;
  held_back_ = used < bytes.size();
  count_bytes();
  if (web_socket_->bytes() > 0 && home_.request_bytes_ > home_.limits_.thread_request_bytes_max) {
    close_web_socket(CloseCode::kTryAgainLater, "this node holds too many bytes of messages");
  }
  say_frames();
  return used;
}

}  // namespace holdfast::http
