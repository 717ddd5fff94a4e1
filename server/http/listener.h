#pragma once

// Accepts connections and deals them to the io threads in turn. Beyond `connections_max` a client
// is told `overloaded` and its connection closed.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "server/http/connections.h"
#include "server/http/limits.h"
#include "storage/base/result.h"

namespace holdfast::http {

class Listener {
 public:
  // `address` is an IP address, port 0 any free port. kUnavailable: the port is taken or not ours.
  // All arguments outlive the listener, which runs on `io` and is destroyed when `io` has ended.
  static Result<std::unique_ptr<Listener>> open(boost::asio::io_context& io,
                                                const std::string& address, uint16_t port,
                                                std::vector<Connections*> threads,
                                                const Limits& limits);

  uint16_t port() const;
  void start();
  void stop();  // on the thread of `io`

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, IoExecutor>;

  Listener(Acceptor acceptor, std::vector<Connections*> threads, const Limits& limits);
  void accept();
  void accepted(const boost::system::error_code& error, Socket socket, Connections& thread);

  Acceptor acceptor_;
  Timer pause_;
  std::vector<Connections*> threads_;
  const Limits& limits_;
  size_t next_ = 0;
};

}  // namespace holdfast::http
