// How a session ends: what still comes in is read and thrown away.

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "server/http/session.h"

namespace holdfast::http {
namespace {

using boost::system::error_code;

}  // namespace

// A client that reads until the end of the connection must see that this is no such end.
void Session::abort() {
  error_code error;
  socket_.set_option(boost::asio::socket_base::linger(true, 0), error);
  close();
}

void Session::linger() {
  state_ = State::kLingering;
  lingers_since_ = home_.now_;
  error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) return close();
  wait_for_input();
}

void Session::discard_input() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    error_code error;
    socket_.read_some(boost::asio::buffer(home_.scratch_), error);
    if (error == boost::asio::error::would_block) break;
    // Whose last answers are owed may have shut its sending side alone.
    if (error == boost::asio::error::eof && state_ == State::kLastAnswers) {
      input_ended_ = true;
      if (is_left()) close();
      return;
    }
    if (error) return close();
  }
  wait_for_input();
}

}  // namespace holdfast::http
