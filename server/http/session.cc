#include "server/http/session.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <fmt/format.h>

#include "server/http/conversation.h"
#include "server/http/handshake.h"
#include "storage/base/log.h"

namespace holdfast::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// An answer larger than this is refused when the thread holds too many bytes of answers; a request
// that is not is taken when it holds too many of requests, as far as the last eighth goes.
constexpr size_t kSmallBodyBytes = 4096;

bool would_block(const error_code& error) {
  return error == asio::error::would_block || error == asio::error::try_again;
}

Problem too_many_request_bytes() {
  return {.code = Code::kOverloaded,
          .detail = "this node holds too many bytes of requests; try again later"};
}

}  // namespace

Session::Session(Socket socket, ConnectionId id, Connections& home)
    : home_(home),
      id_(id),
      socket_(std::move(socket)),
      parser_(home.limits_),
      idle_since_(home.now_),
      head_since_(home.now_) {}

void Session::open() {
  error_code error;
  socket_.non_blocking(true, error);
  if (error) return close();
  // Without it a small answer would wait for the acknowledgement of the one before.
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  wait_for_input();
}

void Session::wait_for_input() {
  if (std::exchange(waits_for_input_, true)) return;
  socket_.async_wait(Socket::wait_read,
                     Connections::Woken{&home_, id_, Connections::Readiness::kInput});
}

void Session::wait_for_output() {
  if (std::exchange(waits_for_output_, true)) return;
  socket_.async_wait(Socket::wait_write,
                     Connections::Woken{&home_, id_, Connections::Readiness::kOutput});
}

void Session::on_input() {
  waits_for_input_ = false;
  if (state_ == State::kLingering || state_ == State::kLastAnswers) return discard_input();
  if (state_ != State::kOpen) return;
  read();
  if (state_ != State::kOpen) return;
  if (!input_ended_ && may_take()) wait_for_input();
  if (is_left()) close();
}

void Session::read() {
  for (int i = 0; i < kReadsPerTurn && may_take(); ++i) {
    error_code error;
    const size_t size = socket_.read_some(asio::buffer(home_.scratch_), error);
    if (would_block(error)) return;
    if (error == asio::error::eof) {
      input_ended_ = true;
      if (incoming_ && parser_.in_body()) refuse(bad_request("the body ended before its end"));
      return;
    }
    if (error) return close();
    receive(std::string_view(home_.scratch_.data(), size));
    if (size < home_.scratch_.size()) return;
  }
}

void Session::receive(std::string_view bytes) {
  const bool head_had_begun = parser_.in_request() && !parser_.in_body();
  size_t used = 0;
  if (stash_.empty()) {
    used = parse(bytes);
    if (used < bytes.size() && goes_on()) stash_.assign(bytes.substr(used));
  } else {
    stash_.append(bytes);
    used = parse(stash_);
    if (goes_on()) stash_.erase(0, used);
  }
  if (stash_.empty() || !goes_on()) stash_ = std::string();  // gives the memory back
  if (!head_had_begun || used > 0) head_since_ = home_.now_;
  count_bytes();
  if (!parser_.in_body()) return;
  move(body_, bytes.size(), enough_input());
  if (state_ == State::kOpen && is_too_much(0)) refuse(too_many_request_bytes());
}

// Whoever sends large bodies slowly, in whatever number, does not keep others from small ones.
bool Session::is_too_much(size_t more) const {
  const size_t most = home_.limits_.thread_request_bytes_max;
  const size_t length = parser_.framing().content_length.value_or(kSmallBodyBytes + 1);
  return home_.request_bytes_ + more > most + (length <= kSmallBodyBytes ? most / 8 : 0);
}

size_t Session::parse(std::string_view bytes) {
  if (web_socket_) return hear(bytes);
  held_back_ = false;
  size_t used = 0;
  while (used < bytes.size() && may_take()) {
    size_t step = 0;
    const RequestParser::Event event = parser_.feed(bytes.substr(used), step);
    used += step;
    switch (event) {
      case RequestParser::Event::kNeedMore:
        take_incoming();
        return used;
      case RequestParser::Event::kHead:
        take_head(used < bytes.size());
        break;
      case RequestParser::Event::kComplete:
        incoming_ ? end_incoming() : take_request();
        break;
      case RequestParser::Event::kRefused:
        take_incoming();
        refuse(parser_.problem());
        break;
    }
  }
  held_back_ = used < bytes.size();
  return used;
}

void Session::take_head(bool body_has_begun) {
  const Framing& framing = parser_.framing();
  route_ = home_.router_.match(parser_.request());
  const BodyForm form = route_ ? (*route_)->body : BodyForm::kWhole;
  if (form == BodyForm::kStreamed && asks_for_web_socket(parser_.request()))
    return refuse(bad_request("a body that is taken while it is sent cannot ask for an upgrade"));
  if (form == BodyForm::kWhole && !framing.has_body()) return take_request();
  const auto problem = framing.has_body() ? parser_.expect_body(form) : std::nullopt;
  if (problem) return refuse(*problem);
  const size_t length = form == BodyForm::kWhole ? framing.content_length.value_or(0) : 0;
  if (is_too_much(length)) return refuse(too_many_request_bytes());
  body_ = {home_.now_, 0};
  if (framing.expects_continue && !route_) {
    // The client waits for leave to send a body that nobody wants.
    state_ = State::kLastAnswers;
    return answer_unhandled(std::move(route_).error(), {.ending = AnswerForm::Ending::kClose});
  }
  if (framing.expects_continue && !body_has_begun) {
    pipeline_.add_answered({}, {.kind = AnswerForm::Kind::kInterim});
    flush_soon();
  }
  if (form == BodyForm::kStreamed) begin_incoming();
}

AnswerForm Session::form_of_answer(const Request& request) const {
  const Framing& framing = parser_.framing();
  AnswerForm form;
  if (request.method() == Method::kHead) form.kind = AnswerForm::Kind::kHeadOnly;
  form.minor_version = framing.minor_version;
  if (!framing.keep_alive) form.ending = AnswerForm::Ending::kClose;
  return form;
}

void Session::take_request() {
  Request request = std::move(parser_.request());
  AnswerForm form = form_of_answer(request);
  if (form.ending == AnswerForm::Ending::kClose) state_ = State::kLastAnswers;
  if (asks_for_web_socket(request) && !expect_upgrade(form)) return;
  if (!route_) return answer_unhandled(std::move(route_).error(), form);
  pipeline_.add(std::move(request), **route_, form);
  start_requests();
}

void Session::refuse(const Problem& problem) {
  state_ = State::kLastAnswers;
  // A request that is being answered already says itself what became of it.
  if (incoming_) return incoming_->fail(problem, RequestBody::Rest::kStands);
  // What came of its body would take room until the connection has closed.
  parser_.take_body();
  count_bytes();
  answer_unhandled(answer(problem), {.ending = AnswerForm::Ending::kClose});
}

void Session::answer_unhandled(Response response, AnswerForm form) {
  home_.router_.mark(home_.services_, response);
  pipeline_.add_answered(std::move(response), form);
  flush_soon();
}

bool Session::may_take() const {
  const Limits& limits = home_.limits_;
  return state_ == State::kOpen && pipeline_.size() < limits.answers_max &&
         unsent_bytes() < limits.unsent_bytes_max &&
         pipeline_.request_bytes() < limits.request_bytes_max && wants_incoming() &&
         !(web_socket_ && web_socket_->is_full());
}

void Session::start_requests() {
  while (unsent_bytes() < home_.limits_.unsent_bytes_max && !says_no_more_) {
    auto start = pipeline_.next();
    if (!start) return;
    home_.start(id_, std::move(*start));
  }
}

void Session::answered(Pipeline::Ticket ticket, Response response) {
  if (state_ == State::kClosed) return;
  // Never for a write: it has happened, and its client must be told so.
  if (home_.answer_bytes_ > home_.limits_.thread_answer_bytes_max &&
      response.body.size() > kSmallBodyBytes && pipeline_.access(ticket) == Access::kRead) {
    response = answer({.code = Code::kOverloaded,
                       .detail = "this node holds too many bytes of answers that clients have not "
                                 "taken; try again later"});
  }
  pipeline_.answer(ticket, std::move(response));
  count_bytes();
  flush_soon();
}

void Session::flush_soon() {
  if (!std::exchange(flush_comes_, true)) home_.flush_soon(id_);
}

void Session::flush() {
  flush_comes_ = false;
  if (state_ == State::kClosed || state_ == State::kLingering) return;
  collect_answers();
  write();
  go_on();
}

void Session::on_output() {
  waits_for_output_ = false;
  if (state_ == State::kClosed) return;
  write();
  go_on();
}

void Session::begin_output() {
  if (!outbox_.empty()) return;
  output_ = {home_.now_, 0};
  drained_since_ = home_.now_;
}

void Session::collect_answers() {
  begin_output();
  while (!stream_ && !says_no_more_) {
    auto next = pipeline_.take();
    if (!next) return;
    // Only now the client has leave to send the body.
    if (next->form.kind == AnswerForm::Kind::kInterim) body_ = {home_.now_, 0};
    if (next->response.stream) begin_stream(*next);
    if (next->response.conversation) {
      begin_conversation(*next);
    } else if (state_ == State::kUpgrades && pipeline_.empty()) {
      state_ = State::kLastAnswers;  // it was refused
    }
    if (incoming_ && pipeline_.empty() && !stream_) end_exchange();
    if (state_ == State::kLastAnswers && pipeline_.empty())
      next->form.ending = AnswerForm::Ending::kClose;
    outbox_.add(std::move(*next), home_.date_);
  }
}

void Session::begin_stream(Pipeline::Answer& answer) {
  if (answer.form.kind == AnswerForm::Kind::kHeadOnly) return;
  if (answer.form.minor_version == 0) {
    // The end of the connection is the end of this body: requests behind it get no answer.
    answer.form.ending = AnswerForm::Ending::kClose;
    if (!incoming_ || !parser_.in_body()) state_ = State::kLastAnswers;
    says_no_more_ = true;
  }
  stream_ = answer.response.stream;
  stream_minor_version_ = answer.form.minor_version;
}

void Session::pull() {
  if (!stream_ || pull_ == Pull::kComes) return;
  if (home_.draining_ && stream_->is_endless()) {
    end_stream();
    return flush_soon();
  }
  if (pull_ == Pull::kWaits || outbox_.bytes() >= home_.limits_.stream_ahead_bytes) return;
  if (pull_ == Pull::kNone) {
    pull_ = Pull::kWaits;
    home_.await_piece(id_, stream_);
    return;
  }
  // The next sweep looks again.
  if (home_.answer_bytes_ > home_.limits_.thread_answer_bytes_max) return;
  pull_ = Pull::kComes;
  count_bytes();
  home_.pull(id_, stream_);
}

void Session::stream_is_ready(const BodyStream* stream, bool has_more) {
  // It may have been ended meanwhile, and another have begun.
  if (state_ == State::kClosed || stream != stream_.get()) return;
  pull_ = Pull::kReady;
  if (has_more) return pull();
  end_stream();
  flush_soon();
}

void Session::take_piece(Result<std::string> piece) {
  pull_ = Pull::kNone;
  if (state_ == State::kClosed || !stream_) return;
  if (!piece) {
    log_error("an answer ended before its end: {}", piece.error().message);
    if (!web_socket_) return abort();
    return close_web_socket(CloseCode::kInternal, "this node cannot go on; its log says why");
  }
  // What went by meanwhile was not the client's time.
  if (outbox_.empty()) output_.since += home_.now_ - drained_since_;
  if (piece->empty() && !web_socket_) {
    end_stream();
  } else {
    outbox_.add_piece(std::move(*piece), stream_minor_version_);
  }
  count_bytes();
  flush_soon();
}

void Session::end_stream() {
  if (web_socket_)
    return close_web_socket(CloseCode::kGoingAway, "this node stops; go on at another");
  outbox_.end_stream(stream_minor_version_);
  stream_.reset();
  pull_ = Pull::kNone;
  if (incoming_ && pipeline_.empty()) end_exchange();
}

void Session::write() {
  while (!outbox_.empty() && !waits_for_output_) {
    const Outbox::Pieces front = outbox_.front();
    std::array<asio::const_buffer, Outbox::kPieces> buffers;
    for (size_t i = 0; i < front.count; ++i) {
      buffers.at(i) = asio::const_buffer(front.pieces.at(i).data(), front.pieces.at(i).size());
    }
    error_code error;
    const size_t size =
        socket_.write_some(std::span<const asio::const_buffer>(buffers.data(), front.count), error);
    if (would_block(error)) {
      wait_for_output();
    } else if (error) {
      return close();
    }
    outbox_.pop(size);
    move(output_, size, enough_output());
    if (outbox_.empty()) drained_since_ = home_.now_;
  }
  count_bytes();
}

void Session::go_on() {
  pull();
  if (state_ == State::kClosed) return;  // also by a stream that failed at once
  start_requests();
  if (held_back_ && may_take()) {
    const std::string stash = std::exchange(stash_, {});
    receive(stash);
  }
  if (state_ == State::kOpen && !input_ended_ && !waits_for_input_ && may_take()) {
    // The client could not send while we did not read.
    head_since_ = home_.now_;
    body_ = {home_.now_, 0};
    if (web_socket_) web_socket_->is_read_again(home_.now_);
    wait_for_input();
  }
  if (!owes_nothing()) return;
  idle_since_ = home_.now_;
  if (state_ == State::kLastAnswers) {
    linger();
  } else if (input_ended_) {
    close();
  }
}

void Session::sweep(Instant now) {
  const Limits& limits = home_.limits_;
  if (state_ == State::kClosed) return;
  if (state_ == State::kLingering) {
    if (now - lingers_since_ >= limits.linger_patience) close();
    return;
  }
  if (!outbox_.empty() && now - output_.since >= limits.write_patience) return close();
  if (incoming_ && incoming_->is_full() && !outbox_.empty() &&
      now - output_.since >= limits.stall_patience) {
    return refuse_stalled();
  }
  pull();
  // Nothing more is taken from it, but a handler may ask whether it is still there.
  if (state_ == State::kLastAnswers && !input_ended_) wait_for_input();
  if (state_ != State::kOpen || !waits_for_input_) return;
  if (web_socket_) {
    begin_output();
    if (!web_socket_->is_alive(now, outbox_)) return close();
    if (!outbox_.empty()) flush_soon();
  } else if (parser_.in_body()) {
    if (!pipeline_.owes_interim() && now - body_.since >= limits.body_patience) {
      refuse({.code = Code::kRequestTimeout,
              .detail = fmt::format("the body came too slowly: less than {} bytes in {} s",
                                    enough_input(),
                                    std::chrono::duration<double>(limits.body_patience).count())});
    }
  } else if (parser_.in_request()) {
    if (now - head_since_ >= limits.head_patience) {
      refuse({.code = Code::kRequestTimeout,
              .detail = fmt::format("the header fields did not end within {} s",
                                    std::chrono::duration<double>(limits.head_patience).count())});
    }
  } else if (owes_nothing() && now - idle_since_ >= limits.idle_patience) {
    close();
  }
}

void Session::drain() {
  drop_incoming({.code = Code::kNotReady, .detail = "this node stops; go on at another"});
  if (state_ == State::kOpen) {
    state_ = State::kLastAnswers;
    pipeline_.end();
    if (owes_nothing()) return close();
  }
  if (state_ == State::kLastAnswers || state_ == State::kUpgrades) pull();
}

void Session::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  stream_.reset();
  if (web_socket_) web_socket_->hang_up();
  drop_incoming(bad_request("the client is gone"));
  error_code error;
  socket_.close(error);
  home_.request_bytes_ -= std::exchange(counted_request_bytes_, 0);
  home_.answer_bytes_ -= std::exchange(counted_answer_bytes_, 0);
  home_.forget(id_);
}

void Session::move(Progress& progress, size_t bytes, size_t enough) const {
  progress.bytes += bytes;
  if (progress.bytes >= enough) progress = {home_.now_, 0};
}

// One that is taken while it is sent holds little, and may come line by line; not where it is
// thrown away.
size_t Session::enough_input() const {
  return incoming_ && !incoming_->is_dropped() ? 1 : home_.limits_.progress_bytes;
}

size_t Session::enough_output() const {
  return std::max(home_.limits_.progress_bytes, stream_ ? stream_->progress_bytes() : 0);
}

void Session::count_bytes() {
  if (state_ == State::kClosed) return;
  const size_t receiving = web_socket_         ? web_socket_->bytes()
                           : parser_.in_body() ? parser_.request().body.size()
                                               : 0;
  const size_t streamed = incoming_ ? incoming_->held() : 0;
  const size_t requests = pipeline_.request_bytes() + receiving + streamed;
  home_.request_bytes_ += requests - std::exchange(counted_request_bytes_, requests);
  const size_t answers = unsent_bytes() + (pull_ == Pull::kComes ? kPieceBytes : 0);
  home_.answer_bytes_ += answers - std::exchange(counted_answer_bytes_, answers);
}

}  // namespace holdfast::http
