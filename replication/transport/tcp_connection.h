#pragma once

// What both ends of a connection between peers are made of: TcpTransport::Link, who dialled, and
// TcpTransport::Incoming, who was dialled.

#include <chrono>
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace holdfast {

inline constexpr size_t kReadBytes = 256 << 10;
inline constexpr auto kGreetingPatience = std::chrono::milliseconds(1000);

// Bytes that have come and are not a whole frame yet.
class Inbox {
 public:
  boost::asio::mutable_buffer space() {
    bytes_.resize(used_ + kReadBytes);
    return boost::asio::buffer(bytes_.data() + used_, kReadBytes);
  }
  void grow(size_t count) { used_ += count; }
  std::string_view view() const { return std::string_view(bytes_).substr(0, used_); }
  void drop(size_t count) {
    bytes_.erase(0, count);
    used_ -= count;
    // An idle connection holds no buffer of a busy hour.
    if (used_ == 0 && bytes_.capacity() > 4 * kReadBytes) bytes_ = {};
  }

 private:
  std::string bytes_;
  size_t used_ = 0;
};

// A handler that does nothing once `alive` has ended: operations in flight outlive the attempt or
// the connection that began them. Those of several steps look at their socket between two, so it
// stays until they are over; who ends before them closes it.
template <class Handler>
class Guarded {
 public:
  Guarded(std::weak_ptr<const int> alive, std::shared_ptr<boost::asio::ip::tcp::socket> socket,
          Handler handler)
      : alive_(std::move(alive)), socket_(std::move(socket)), handler_(std::move(handler)) {}

  template <class... Results>
    requires std::invocable<Handler&, Results...>
  void operator()(Results&&... results) {
    if (!alive_.expired()) handler_(std::forward<Results>(results)...);
  }

 private:
  std::weak_ptr<const int> alive_;
  std::shared_ptr<boost::asio::ip::tcp::socket> socket_;
  Handler handler_;
};

inline void close_socket(boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code ignored;  // it is closed all the same
  socket.close(ignored);
}

inline void set_socket_options(boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code ignored;  // an option that is refused costs speed only
  socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
}

}  // namespace holdfast
