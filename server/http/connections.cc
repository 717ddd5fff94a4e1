#include "server/http/connections.h"

#include <exception>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/chrono.h>

#include "server/http/problem.h"
#include "server/http/session.h"
#include "storage/base/check.h"
#include "storage/base/log.h"

namespace holdfast::http {

namespace asio = boost::asio;

Connections::Connections(asio::io_context& io, const Router& router, Services& services,
                         const Limits& limits, const Clock& clock)
    : io_(io),
      router_(router),
      services_(services),
      limits_(limits),
      clock_(clock),
      timer_(io),
      now_(clock.now()) {
  write_date();
}

Connections::~Connections() {
  CHECK(handlers_running_ == 0, "{} handlers still run", handlers_running_);
}

void Connections::add(Socket socket) {
  count_.fetch_add(1, std::memory_order_relaxed);
  asio::post(io_, [this, socket = std::move(socket)]() mutable { take_in(std::move(socket)); });
}

void Connections::take_in(Socket socket) {
  if (draining_) {
    count_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  now_ = clock_.now();
  uint32_t place = 0;
  if (free_.empty()) {
    place = static_cast<uint32_t>(places_.size());
    places_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  const ConnectionId id{place, ++places_[place].generation};
  places_[place].session = std::make_unique<Session>(std::move(socket), id, *this);
  places_[place].session->open();
}

Session* Connections::find(ConnectionId id) {
  return const_cast<Session*>(std::as_const(*this).find(id));
}

void Connections::Woken::operator()(const boost::system::error_code& error) const {
  if (error == asio::error::operation_aborted) return;
  Session* session = connections->find(id);
  if (session == nullptr) return;
  connections->now_ = connections->clock_.now();
  if (readiness == Readiness::kInput) {
    session->on_input();
  } else {
    session->on_output();
  }
}

const Session* Connections::find(ConnectionId id) const {
  const Place& place = places_.at(id.place);
  return place.generation == id.generation ? place.session.get() : nullptr;
}

bool Connections::has_gone(const void* connections, uint64_t id) {
  const ConnectionId connection{static_cast<uint32_t>(id >> 32), static_cast<uint32_t>(id)};
  const Session* session = static_cast<const Connections*>(connections)->find(connection);
  return session == nullptr || session->has_no_speaker();
}

void Connections::start(ConnectionId id, Pipeline::Start start) {
  ++handlers_running_;
  start.request.caller = Caller(has_gone, this, uint64_t{id.place} << 32 | id.generation);
  run(id, start.ticket, start.route->handler(services_, std::move(start.request)));
}

Detached Connections::run(ConnectionId id, Pipeline::Ticket ticket, Task<Response> handler) {
  Response response;
  try {
    response = co_await handler;
  } catch (const std::exception& error) {
    log_error("a request handler failed: {}", error.what());
    response = answer({.code = Code::kInternal,
                       .detail = "the server failed while it worked on this request; its log says "
                                 "how"});
  }
  --handlers_running_;
  // The client may have gone meanwhile: then nobody waits for this answer.
  if (Session* session = find(id)) session->answered(ticket, std::move(response));
}

// `stream` is held here, too: the client may be gone before the piece comes.
Detached Connections::await_piece(ConnectionId id, std::shared_ptr<BodyStream> stream) {
  ++handlers_running_;
  bool has_more = true;
  try {
    Task<bool> ready = stream->ready();
    has_more = co_await ready;
  } catch (const std::exception& error) {
    // It is asked all the same, and says then what is wrong with it.
    log_error("a stream failed while it waited: {}", error.what());
  }
  --handlers_running_;
  if (Session* session = find(id)) session->stream_is_ready(stream.get(), has_more);
}

Detached Connections::pull(ConnectionId id, std::shared_ptr<BodyStream> stream) {
  ++handlers_running_;
  Result<std::string> piece;
  try {
    Task<Result<std::string>> next = stream->next();
    piece = co_await next;
  } catch (const std::exception& error) {
    piece = fail(ErrorCode::kIo, error.what());
  }
  --handlers_running_;
  if (Session* session = find(id)) session->take_piece(std::move(piece));
}

void Connections::flush_soon(ConnectionId id) {
  to_flush_.push_back(id);
  if (std::exchange(flush_posted_, true)) return;
  // Behind everything that is ready in this turn: what completes until then leaves with it.
  asio::post(io_, [this] { flush(); });
}

void Connections::forget(ConnectionId id) {
  to_forget_.push_back(id);
  if (std::exchange(flush_posted_, true)) return;
  asio::post(io_, [this] { flush(); });
}

void Connections::flush() {
  flush_posted_ = false;
  std::vector<ConnectionId> batch = std::exchange(to_flush_, {});
  for (const ConnectionId id : batch) {
    if (Session* session = find(id)) session->flush();
  }
  if (to_flush_.empty()) {
    batch.clear();
    std::swap(batch, to_flush_);  // keeps the capacity
  }
  for (const ConnectionId id : std::exchange(to_forget_, {})) {
    CHECK(find(id) != nullptr);
    places_[id.place].session.reset();
    free_.push_back(id.place);
    count_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Connections::sweep(Instant now) {
  now_ = now;
  write_date();
  for (const Place& place : places_) {
    if (place.session) place.session->sweep(now);
  }
}

void Connections::start_sweeping() {
  sweep_later();
}

void Connections::sweep_later() {
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    sweep(clock_.now());
    sweep_later();
  });
}

void Connections::drain() {
  draining_ = true;
  for (const Place& place : places_) {
    if (place.session) place.session->drain();
  }
}

void Connections::close_all() {
  draining_ = true;
  timer_.cancel();
  for (const Place& place : places_) {
    if (place.session) place.session->close();
  }
}

void Connections::write_date() {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(clock_.wall());
  date_ = fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n",
                      fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

}  // namespace holdfast::http
