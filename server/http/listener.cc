#include "server/http/listener.h"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <fmt/format.h>

#include "server/http/outbox.h"
#include "server/http/problem.h"
#include "storage/base/check.h"
#include "storage/base/log.h"

namespace holdfast::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kBacklog = 1024;

// Best effort: the few bytes fit into a fresh socket's buffer.
void turn_away(Socket socket, size_t connections_max) {
  Outbox outbox;
  outbox.add({.form = {.ending = AnswerForm::Ending::kClose},
              .response = answer({.code = Code::kOverloaded,
                                  .detail = fmt::format("this node has {} connections, its limit",
                                                        connections_max)})},
             "");
  error_code error;
  socket.non_blocking(true, error);
  for (size_t i = 0; i < outbox.front().count && !error; ++i) {
    const std::string_view piece = outbox.front().pieces.at(i);
    socket.write_some(asio::buffer(piece.data(), piece.size()), error);
  }
  socket.shutdown(Socket::shutdown_send, error);
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(asio::io_context& io, const std::string& address,
                                                 uint16_t port, std::vector<Connections*> threads,
                                                 const Limits& limits) {
  CHECK(!threads.empty());
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) {
    return fail(ErrorCode::kInvalid,
                fmt::format("'{}' is not an IP address to listen on", address));
  }
  const asio::ip::tcp::endpoint endpoint(ip, port);
  Acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  if (error) {
    return fail(
        ErrorCode::kUnavailable,
        fmt::format("cannot listen on {}:{}: {}; is another server running there? Stop it, or "
                    "give --listen another address",
                    address, port, error.message()));
  }
  return std::unique_ptr<Listener>(new Listener(std::move(acceptor), std::move(threads), limits));
}

Listener::Listener(Acceptor acceptor, std::vector<Connections*> threads, const Limits& limits)
    : acceptor_(std::move(acceptor)),
      pause_(acceptor_.get_executor()),
      threads_(std::move(threads)),
      limits_(limits) {}

uint16_t Listener::port() const {
  return acceptor_.local_endpoint().port();
}

void Listener::start() {
  accept();
}

void Listener::stop() {
  error_code error;
  acceptor_.close(error);
  pause_.cancel();
}

void Listener::accept() {
  Connections& thread = *threads_[next_];
  next_ = (next_ + 1) % threads_.size();
  acceptor_.async_accept(thread.io(), [this, &thread](const error_code& error, Socket socket) {
    accepted(error, std::move(socket), thread);
  });
}

void Listener::accepted(const error_code& error, Socket socket, Connections& thread) {
  if (!acceptor_.is_open()) return;
  if (error) {
    // Most likely no file descriptor is free; accepting again at once would only spin.
    log_warning("cannot accept a connection: {}; trying again in 100 ms", error.message());
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) accept();
    });
    return;
  }
  size_t open = 0;
  for (const Connections* each : threads_) open += each->size();
  if (open < limits_.connections_max) {
    thread.add(std::move(socket));
  } else {
    turn_away(std::move(socket), limits_.connections_max);
  }
  accept();
}

}  // namespace holdfast::http
