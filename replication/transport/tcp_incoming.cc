#include "replication/transport/tcp_incoming.h"

#include <utility>

#include <boost/asio/write.hpp>

#include "storage/base/log.h"

namespace holdfast {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

TcpTransport::Incoming::Incoming(TcpTransport& owner, uint64_t id, tcp::socket socket)
    : owner_(owner),
      id_(id),
      socket_(std::make_shared<tcp::socket>(std::move(socket))),
      timer_(owner.loop_) {
  set_socket_options(*socket_);
  timer_.expires_after(kGreetingPatience);
  timer_.async_wait(guarded([this](error_code code) {
    if (!code && !peer_.node) close();
  }));
  read();
}

void TcpTransport::Incoming::close() {
  TcpTransport& owner = owner_;
  owner.incoming_.erase(id_);  // ends this
  owner.dial_all();
}

void TcpTransport::Incoming::read() {
  socket_->async_read_some(inbox_.space(), guarded([this](error_code code, size_t count) {
                             if (code) return close();
                             inbox_.grow(count);
                             std::string_view bytes = inbox_.view();
                             const Result<> taken = take(bytes);
                             if (!taken) {
                               log_warning("connection from {} ended: {}",
                                           peer_.node ? peer_.name : "a stranger",
                                           taken.error().message);
                               return close();
                             }
                             inbox_.drop(inbox_.view().size() - bytes.size());
                             if (!peer_.snapshot_term) read();
                           }));
}

Result<> TcpTransport::Incoming::take(std::string_view& bytes) {
  if (!peer_.node) {
    HOLDFAST_ASSIGN(const std::optional<Hello> hello, take_hello(bytes));
    if (!hello) return {};
    peer_ = *hello;
    if (peer_.snapshot_term) HOLDFAST_TRY(check_snapshot(bytes));
    owner_.dial_all();
    encode_hello(owner_.self_, answer_);
    net::async_write(*socket_, net::buffer(answer_), guarded([this](error_code code, size_t) {
      if (code) return close();
      if (peer_.snapshot_term) hand_over();
    }));
  }
  while (!bytes.empty()) {
    HOLDFAST_ASSIGN(std::optional<PeerMessage> message, take_message(bytes));
    if (!message) return {};
    if (!owner_.deliver_) return fail(ErrorCode::kInvalid, "this node does not take part yet");
    if (message->cluster != owner_.self_.cluster || !owner_.self_.cluster)
      return fail(ErrorCode::kInvalid, "its messages are for another cluster");
    if (message->group != owner_.group_ || message->envelope.to != owner_.self_.node ||
        message->envelope.from != peer_.node)
      return fail(ErrorCode::kInvalid, "its messages are for another node");
    owner_.deliver_(std::move(message->envelope));
  }
  return {};
}

Result<> TcpTransport::Incoming::check_snapshot(std::string_view rest) const {
  if (!owner_.take_snapshot_ || peer_.cluster != owner_.self_.cluster || !peer_.cluster)
    return fail(ErrorCode::kInvalid, "its snapshot is for another cluster");
  if (!peer_.node || peer_.node == owner_.self_.node)
    return fail(ErrorCode::kInvalid, "its snapshot is from no other node");
  if (!rest.empty()) return fail(ErrorCode::kInvalid, "it speaks before it was greeted");
  return {};
}

void TcpTransport::Incoming::hand_over() {
  error_code code;
  Descriptor connection(socket_->release(code));
  if (code) {
    log_warning("connection from {} ended: {}", peer_.name, code.message());
  } else {
    owner_.take_snapshot_(std::move(connection), peer_);
  }
  close();
}

}  // namespace holdfast
