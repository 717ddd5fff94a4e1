#pragma once

// To one peer, or one that is only asked who it is. Dials again for ever; lives on the loop.

#include <memory>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "replication/transport/tcp_connection.h"
#include "replication/transport/tcp_transport.h"

namespace holdfast {

// The dialler's end. Greets, then sends; the other end says nothing after its greeting, so a read
// that ends means that the connection did.
class TcpTransport::Link {
 public:
  // With `greeted`: asks once who is there, and tells it the outcome.
  Link(TcpTransport& owner, std::string address, NodeId expected, Greeted greeted);
  ~Link() { close_socket(*socket_); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  const std::string& address() const { return address_; }
  std::string* queue();  // what is appended goes with the next flush; none: not now
  void flush();

 private:
  static constexpr Duration kRedialFirst = std::chrono::milliseconds(20);

  template <class Handler>
  Guarded<Handler> guarded(Handler handler) {
    return {attempt_, socket_, std::move(handler)};
  }
  void begin_attempt();
  void dial();
  void connect(const boost::asio::ip::tcp::resolver::results_type& found);
  void greet();
  void read();
  void take();
  std::string object_to(const Hello& hello) const;
  void finish(Result<Hello> outcome);
  void lost_to(const boost::system::error_code& code);
  void suspect();
  void lost(const std::string& why);

  TcpTransport& owner_;
  const std::string address_;
  const NodeId expected_;
  Greeted greeted_;
  std::shared_ptr<boost::asio::ip::tcp::socket> socket_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<const int> attempt_;
  bool ready_ = false;
  bool complained_ = false;
  bool settled_ = false;    // ready for kSettlesAfter
  bool was_there_ = false;  // it greeted as the peer, in this life of the link
  bool suspected_ = false;  // since the last connection
  Duration redial_ = kRedialFirst;
  Inbox inbox_;
  std::string waiting_;
  std::string writing_;
};

}  // namespace holdfast
