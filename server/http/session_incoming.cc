// Of a session: the request whose body is taken while it is sent. Nothing behind it is read before
// its answer is whole: only then has all of it taken effect.

#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "server/http/session.h"

namespace holdfast::http {

void Session::begin_incoming() {
  RequestBody::Wiring wiring{
      .defer = [&home = home_](
                   std::function<void()> act) { boost::asio::post(home.io(), std::move(act)); },
      .has_room =
          [&home = home_, id = id_] {
            if (Session* session = home.find(id)) session->flush_soon();
          }};
  incoming_ = std::make_shared<RequestBody>(home_.limits_.stream_room_bytes, std::move(wiring));
  Request request = std::move(parser_.request());
  request.incoming = incoming_;
  const AnswerForm form = form_of_answer(request);
  pipeline_.add(std::move(request), **route_, form);
  start_requests();
  if (!parser_.in_body()) end_incoming();
}

void Session::take_incoming() {
  if (!incoming_) return;
  incoming_->add(parser_.take_body());
  // Many a client sends all before it takes anything: that is no slowness yet.
  output_.since = home_.now_;
}

void Session::end_incoming() {
  if (parser_.framing().has_body()) take_incoming();
  incoming_->end();
  if (!parser_.framing().keep_alive || says_no_more_) state_ = State::kLastAnswers;
}

// Its answer is whole. Where its body is not, what comes is of no use to anybody.
void Session::end_exchange() {
  if (parser_.in_body() || says_no_more_) state_ = State::kLastAnswers;
  drop_incoming(bad_request("the request was answered before its end"));
  incoming_.reset();
}

void Session::drop_incoming(Problem why) {
  if (incoming_) incoming_->fail(std::move(why), RequestBody::Rest::kDropped);
}

// It may be a client that takes nothing before it has sent everything, so the rest is read and
// thrown away: then it finds the answers to what was begun, and behind them that the rest was not.
void Session::refuse_stalled() {
  drop_incoming(
      {.code = Code::kRequestTimeout,
       .detail = fmt::format("none of the answers was taken for {} s while the body was sent; take "
                             "them meanwhile, or "
                             "send less at once",
                             std::chrono::duration<double>(home_.limits_.stall_patience).count())});
  go_on();
}

}  // namespace holdfast::http
