#pragma once

// From one peer. Lives on the loop, and ends itself when its connection does.

#include <memory>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "replication/transport/tcp_connection.h"
#include "replication/transport/tcp_transport.h"

namespace holdfast {

// The accepting end: answers the greeting, then only reads.
class TcpTransport::Incoming {
 public:
  Incoming(TcpTransport& owner, uint64_t id, boost::asio::ip::tcp::socket socket);
  ~Incoming() { close_socket(*socket_); }
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  const Hello& peer() const { return peer_; }  // no node: it has not said

 private:
  template <class Handler>
  Guarded<Handler> guarded(Handler handler) {
    return {alive_, socket_, std::move(handler)};
  }
  void close();
  void read();
  Result<> take(std::string_view& bytes);
  Result<> check_snapshot(std::string_view rest) const;
  void hand_over();

  TcpTransport& owner_;
  const uint64_t id_;
  std::shared_ptr<boost::asio::ip::tcp::socket> socket_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<const int> alive_ = std::make_shared<const int>();
  Hello peer_;
  std::string answer_;
  Inbox inbox_;
};

}  // namespace holdfast
