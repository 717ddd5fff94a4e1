#include "client/http_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <fmt/format.h>

#include "client/supply.h"
#include "storage/base/descriptor.h"
#include "storage/base/result.h"

namespace holdfast {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kBodyBytesMax = 256 * 1024 * 1024;
constexpr uint32_t kHeaderBytesMax = 64 * 1024;
// A host that does not answer at all must not use up the time that another node could use.
constexpr Duration kConnectPatience = std::chrono::seconds(1);
constexpr std::string_view kNoMoreWanted = "no more of its answer was wanted";

std::string system_words(int error) {
  return std::generic_category().message(error);
}

Task<Result<Descriptor>> connect_to(const SocketAddress& address, Instant deadline) {
  Descriptor socket(
      ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) co_return fail(ErrorCode::kIo, system_words(errno));
  const int on = 1;
  ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* const bytes = reinterpret_cast<const sockaddr*>(&address.bytes);
  if (::connect(socket.number(), bytes, address.size) == 0) co_return socket;
  if (errno != EINPROGRESS) co_return fail(ErrorCode::kUnavailable, system_words(errno));
  const Readiness connected{.fd = socket.number(), .events = POLLOUT, .until = deadline};
  const Supply supply = co_await connected;
  if (supply.events == 0)
    co_return fail(ErrorCode::kUnavailable, "the host did not answer in time");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) co_return fail(ErrorCode::kUnavailable, system_words(error));
  co_return socket;
}

Task<Result<Descriptor>> connect_to(const Endpoint& endpoint, Instant deadline,
                                    const Clock& clock) {
  const Lookup lookup{&endpoint};
  const Supply supply = co_await lookup;
  if (!supply.found) co_return std::unexpected(supply.found.error());
  const Instant connect_deadline = std::min(deadline, clock.now() + kConnectPatience);
  Result<Descriptor> last = fail(ErrorCode::kUnavailable, "no address");
  for (const SocketAddress& address : *supply.found) {
    last = co_await connect_to(address, connect_deadline);
    if (last) break;
  }
  co_return last;
}

std::string request_head(const HttpRequest& request, const Endpoint& endpoint) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target,
                                 endpoint.authority());
  for (const HttpHeader& header : request.headers) {
    head += fmt::format("{}: {}\r\n", header.name, header.value);
  }
  // RFC 9110, 8.6: a method whose request usually has a body says so even when it is empty.
  if (!request.body.empty() || request.method == "PUT" || request.method == "POST") {
    head += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  head += "\r\n";
  return head;
}

bool is_equal_ignoring_case(std::string_view a, std::string_view b) {
  return beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (const HttpHeader& candidate : headers) {
    if (is_equal_ignoring_case(candidate.name, name)) return candidate.value;
  }
  return {};
}

namespace {

// A body that is kept, or goes to a sink where there is one and the answer is a success.
struct AnyBody {
  struct Value {
    BodySink* sink = nullptr;
    std::string text;
  };
  class Reader {
   public:
    template <bool kIsRequest, class Fields>
    Reader(http::header<kIsRequest, Fields>& head, Value& body)
        : body_(body), is_success_([&head] { return head.result_int() / 100 == 2; }) {}
    void init(const boost::optional<uint64_t>& /*length*/, beast::error_code& error) { error = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, beast::error_code& error) {
      error = {};
      size_t size = 0;
      for (auto at = boost::asio::buffer_sequence_begin(buffers);
           at != boost::asio::buffer_sequence_end(buffers); ++at) {
        const boost::asio::const_buffer bytes = *at;
        size += bytes.size();
        if (!take({static_cast<const char*>(bytes.data()), bytes.size()}))
          error = http::error::body_limit;
      }
      return size;
    }
    void finish(beast::error_code& error) { error = {}; }

   private:
    bool take(std::string_view bytes) {
      if (body_.sink != nullptr && is_success_()) {
        body_.sink->begun = true;
        return body_.sink->take(bytes);
      }
      body_.text.append(bytes);
      return body_.text.size() <= kBodyBytesMax;
    }

    Value& body_;
    const std::function<bool()> is_success_;
  };
  // As Beast wants them named.
  using value_type = Value;
  using reader = Reader;
};

}  // namespace

class HttpConnection::Wire {
 public:
  Wire(Endpoint endpoint, const Clock& clock) : endpoint_(std::move(endpoint)), clock_(clock) {}

  const Endpoint& endpoint() const { return endpoint_; }
  const Clock& clock() const { return clock_; }

  Task<std::expected<HttpResponse, NoAnswer>> exchange(const HttpRequest& request, Instant deadline,
                                                       BodySink* sink) {
    // Of an exchange that nobody saw the end of, the answer may still come.
    if (socket_.is_open() && (is_in_exchange_ || !is_idle())) close();
    is_in_exchange_ = true;
    if (!socket_.is_open()) {
      Result<Descriptor> connected = co_await connect_to(endpoint_, deadline, clock_);
      if (!connected) {
        auto nothing = no_answer(Delivery::kNotServed, connected.error().message);
        nothing.error().is_connected = false;
        co_return nothing;
      }
      socket_ = std::move(*connected);
    }
    const std::expected<Sent, NoAnswer> sent = co_await send(request, deadline);
    if (!sent) {
      close();
      co_return std::unexpected(sent.error());
    }
    std::expected<HttpResponse, NoAnswer> answer = co_await receive(request, *sent, deadline, sink);
    if (!answer || !keep_alive_ || *sent == Sent::kPart) close();
    is_in_exchange_ = false;
    co_return answer;
  }

 private:
  enum class Sent { kPart, kWhole };

  // A node that has closed an idle connection has not seen a request that was not sent yet: looking
  // first turns most "unknown" outcomes of a restart into a plain reconnect.
  bool is_idle() const {
    char byte = 0;
    const ssize_t seen = ::recv(socket_.number(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return seen < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  void close() {
    socket_.close();
    buffer_.clear();
  }

  std::unexpected<NoAnswer> no_answer(Delivery delivery, std::string_view why) const {
    return std::unexpected(NoAnswer{delivery, fmt::format("{}: {}", endpoint_.url(), why)});
  }

  // Until the last byte is handed to the system no node can have the whole request, and a part of
  // one is never carried out.
  Task<std::expected<Sent, NoAnswer>> send(const HttpRequest& request, Instant deadline) {
    const std::string head = request_head(request, endpoint_);
    const size_t size = head.size() + request.body.size();
    for (size_t sent = 0; sent < size;) {
      const Readiness either{.fd = socket_.number(), .events = POLLOUT | POLLIN, .until = deadline};
      const Supply supply = co_await either;
      const short ready = supply.events;
      if (ready == 0)
        co_return no_answer(Delivery::kNotServed, "it did not take the request in time");
      // An answer before the end of the request is a refusal of it, such as 413.
      if ((ready & POLLIN) != 0 && !(request.is_answered_meanwhile && take_early()))
        co_return Sent::kPart;
      if ((ready & POLLOUT) == 0) continue;
      const ssize_t count = send_from(head, request.body, sent);
      if (count < 0 && errno != EAGAIN && errno != EINTR) {
        co_return no_answer(Delivery::kNotServed, system_words(errno));
      }
      if (count > 0) sent += static_cast<size_t>(count);
    }
    co_return Sent::kWhole;
  }

  // False: the connection is over.
  bool take_early() {
    auto space = buffer_.prepare(kReadBytes);
    const ssize_t count = ::recv(socket_.number(), space.data(), space.size(), MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    buffer_.commit(static_cast<size_t>(count));
    return count > 0;
  }

  ssize_t send_from(const std::string& head, const std::string& body, size_t sent) const {
    const auto part = [](const std::string& bytes, size_t skip) {
      // sendmsg does not write through iov_base.
      return iovec{const_cast<char*>(bytes.data()) + skip, bytes.size() - skip};
    };
    const size_t body_sent = sent > head.size() ? sent - head.size() : 0;
    std::array parts{part(head, std::min(sent, head.size())), part(body, body_sent)};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    return ::sendmsg(socket_.number(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  Task<std::expected<HttpResponse, NoAnswer>> receive(const HttpRequest& request, Sent sent,
                                                      Instant deadline, BodySink* sink) {
    const Delivery delivery = sent == Sent::kWhole ? Delivery::kUnknown : Delivery::kNotServed;
    http::response_parser<AnyBody> parser;
    parser.get().body().sink = sink;
    parser.eager(true);
    parser.header_limit(kHeaderBytesMax);
    parser.body_limit(boost::none);  // AnyBody has one
    parser.skip(request.method == "HEAD");
    for (bool has_ended = false;;) {
      if (buffer_.size() > 0 || has_ended) {
        if (std::optional<std::string> broken = parse(parser, has_ended))
          co_return no_answer(delivery, *broken);
        if (sink != nullptr && sink->begun && sink->deal) {
          const bool goes_on = co_await sink->deal();
          if (!goes_on) co_return no_answer(delivery, kNoMoreWanted);
        }
        if (sink != nullptr && parser.is_header_done()) deadline = clock_.now() + sink->patience;
      }
      if (parser.is_done()) break;
      const Readiness readable{.fd = socket_.number(), .events = POLLIN, .until = deadline};
      const Supply supply = co_await readable;
      if (supply.events == 0) co_return no_answer(delivery, "no answer in time");
      auto space = buffer_.prepare(kReadBytes);
      const ssize_t count = ::recv(socket_.number(), space.data(), space.size(), MSG_DONTWAIT);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (count < 0) co_return no_answer(delivery, system_words(errno));
      buffer_.commit(static_cast<size_t>(count));
      has_ended = count == 0;
    }
    // Bytes beyond the answer belong to no request of ours.
    keep_alive_ = parser.keep_alive() && buffer_.size() == 0;
    co_return response_from(parser.release());
  }

  // Gives the parser what was read; says what is wrong, if anything is.
  template <class Parser>
  std::optional<std::string> parse(Parser& parser, bool ended) {
    beast::error_code error;
    if (buffer_.size() > 0) buffer_.consume(parser.put(buffer_.data(), error));
    if (error && error != http::error::need_more) {
      return fmt::format("its answer is not HTTP/1.1 ({})", error.message());
    }
    if (!ended || parser.is_done()) return std::nullopt;
    if (!parser.got_some()) return "it closed the connection without an answer";
    error = {};
    parser.put_eof(error);
    if (error) return "it closed the connection in the middle of its answer";
    return std::nullopt;
  }

  static HttpResponse response_from(http::response<AnyBody> message) {
    HttpResponse response;
    response.status = message.result_int();
    for (const auto& field : message) {
      response.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    }
    response.body = std::move(message.body().text);
    return response;
  }

  const Endpoint endpoint_;
  const Clock& clock_;
  Descriptor socket_;
  beast::flat_buffer buffer_;
  bool keep_alive_ = true;
  bool is_in_exchange_ = false;
};

HttpConnection::HttpConnection(Endpoint endpoint, const Clock& clock)
    : wire_(std::make_unique<Wire>(std::move(endpoint), clock)) {}
HttpConnection::~HttpConnection() = default;
HttpConnection::HttpConnection(HttpConnection&&) noexcept = default;
HttpConnection& HttpConnection::operator=(HttpConnection&&) noexcept = default;

const Endpoint& HttpConnection::endpoint() const {
  return wire_->endpoint();
}

std::expected<HttpResponse, NoAnswer> HttpConnection::exchange(const HttpRequest& request,
                                                               Instant deadline, BodySink* sink) {
  return carry_out(begin(request, deadline, sink),
                   [this](const Need& need) { return supply_connection(need, wire_->clock()); });
}

Task<std::expected<HttpResponse, NoAnswer>> HttpConnection::begin(const HttpRequest& request,
                                                                  Instant deadline,
                                                                  BodySink* sink) {
  return wire_->exchange(request, deadline, sink);
}

}  // namespace holdfast
