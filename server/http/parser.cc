#include "server/http/parser.h"

#include <algorithm>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>
#include <fmt/format.h>

#include "storage/base/check.h"

namespace holdfast::http {
namespace {

namespace beast = boost::beast;

// A chunk's size line with its extensions, or all trailers.
constexpr size_t kChunkLineBytesMax = 8192;
// "0\r\n\r\n": a chunked body that is not at its end goes on for so much at the least.
constexpr size_t kChunkedEndBytes = 5;

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

// Writes what Beast finds straight into our Request: its own containers would allocate for each
// header field.
class IntoRequest final : public beast::http::basic_parser<true> {
 public:
  // What a body may have is known once its route is.
  IntoRequest(const Limits& limits, size_t head_bytes) {
    header_limit(static_cast<uint32_t>(limits.head_bytes_max + kChunkLineBytesMax));
    body_limit(boost::none);
    eager(true);
    request.expect_head(head_bytes);
  }

  Request request;
  bool trailer_frames = false;
  bool chunk_line_too_long = false;

 private:
  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int,
                       beast::error_code&) override {
    request.set_line(method_of(view(method)), view(target));
  }
  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     beast::error_code&) override {
    if (!in_trailer_) return request.add_header(view(name), view(value));
    trailer_bytes_ += name.size() + value.size();
    if (trailer_bytes_ > kChunkLineBytesMax) chunk_line_too_long = true;
    // Trailers are dropped; those that pretend to frame the message are an attack.
    trailer_frames = trailer_frames || field == beast::http::field::content_length ||
                     field == beast::http::field::transfer_encoding ||
                     field == beast::http::field::host;
  }
  void on_header_impl(beast::error_code&) override { in_trailer_ = true; }
  void on_body_init_impl(boost::optional<uint64_t> const&, beast::error_code&) override {}
  size_t on_body_impl(beast::string_view body, beast::error_code&) override {
    request.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, beast::string_view extensions, beast::error_code&) override {
    if (extensions.size() > kChunkLineBytesMax) chunk_line_too_long = true;
  }
  size_t on_chunk_body_impl(uint64_t, beast::string_view body, beast::error_code&) override {
    request.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(beast::error_code&) override {}
  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}

  bool in_trailer_ = false;
  size_t trailer_bytes_ = 0;
};

}  // namespace

struct RequestParser::Message {
  Message(const Limits& limits, size_t head_bytes) : beast(limits, head_bytes) {}
  IntoRequest beast;
};

RequestParser::RequestParser(const Limits& limits) : limits_(limits) {}
RequestParser::~RequestParser() = default;

Request& RequestParser::request() {
  CHECK(message_ != nullptr);
  return message_->beast.request;
}

RequestParser::Event RequestParser::refuse(Problem problem) {
  phase_ = Phase::kRefused;
  problem_ = std::move(problem);
  if (message_) rest_ = std::move(message_->beast.request.body);
  message_.reset();
  return Event::kRefused;
}

RequestParser::Event RequestParser::feed(std::string_view bytes, size_t& used) {
  used = 0;
  if (phase_ == Phase::kComplete) {
    message_.reset();
    phase_ = Phase::kHead;
  }
  CHECK(phase_ != Phase::kRefused, "nothing may be read behind a refused request");
  return phase_ == Phase::kHead ? feed_head(bytes, used) : feed_body(bytes, used);
}

RequestParser::Event RequestParser::feed_head(std::string_view bytes, size_t& used) {
  constexpr std::string_view kBlankLine = "\r\n\r\n";
  const std::string_view possible = bytes.substr(0, limits_.head_bytes_max);
  const size_t from = searched_ < kBlankLine.size() ? 0 : searched_ - kBlankLine.size() + 1;
  const size_t blank = possible.find(kBlankLine, from);
  if (blank == std::string_view::npos) {
    if (auto problem = check_head_so_far(possible, from)) return refuse(std::move(*problem));
    if (bytes.size() >= limits_.head_bytes_max) {
      return refuse({.code = Code::kHeadersTooLarge,
                     .detail = fmt::format("request line and header fields have more than {} bytes",
                                           limits_.head_bytes_max),
                     .figures = {{"limit", limits_.head_bytes_max}}});
    }
    searched_ = bytes.size();
    return Event::kNeedMore;
  }
  searched_ = 0;
  const std::string_view head = bytes.substr(0, blank + kBlankLine.size());
  auto framing = check_framing(head, limits_);
  if (!framing) return refuse(std::move(framing).error());
  framing_ = *framing;

  message_ = std::make_unique<Message>(limits_, head.size());
  beast::error_code error;
  used = message_->beast.put(boost::asio::buffer(head.data(), head.size()), error);
  // Two readers must see one and the same request, or it is not served.
  const bool agree =
      !error && used == head.size() && message_->beast.is_header_done() &&
      message_->beast.chunked() == framing_.chunked &&
      message_->beast.content_length().value_or(0) == framing_.content_length.value_or(0);
  if (!agree) return refuse(bad_request("the request's head is malformed"));
  phase_ = framing_.has_body() ? Phase::kBody : Phase::kComplete;
  return Event::kHead;
}

std::optional<Problem> RequestParser::expect_body(BodyForm form) {
  if (form == BodyForm::kStreamed) return std::nullopt;
  if (framing_.content_length.value_or(0) > limits_.body_bytes_max) {
    refuse(body_too_large());
    return std::move(problem_);
  }
  message_->beast.body_limit(limits_.body_bytes_max);
  return std::nullopt;
}

std::string RequestParser::take_body() {
  return std::exchange(message_ ? message_->beast.request.body : rest_, {});
}

Problem RequestParser::body_too_large() const {
  return {.code = Code::kValueTooLarge,
          .detail = fmt::format("the body is larger than {} bytes", limits_.body_bytes_max),
          .figures = {{"limit", limits_.body_bytes_max}}};
}

RequestParser::Event RequestParser::feed_body(std::string_view bytes, size_t& used) {
  IntoRequest& message = message_->beast;
  // Shown the end of a body without chunks in smaller pieces, Beast 1.81 asserts.
  if (framing_.chunked && bytes.size() < kChunkedEndBytes) return Event::kNeedMore;
  beast::error_code error;
  used = message.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error == beast::http::error::body_limit) return refuse(body_too_large());
  if (error && error != beast::http::error::need_more) {
    return refuse(bad_request("the chunks of the body are malformed"));
  }
  if (message.trailer_frames) {
    return refuse(bad_request("a trailer must not be Content-Length, Transfer-Encoding or Host"));
  }
  if (message.chunk_line_too_long ||
      (!message.is_done() && bytes.size() - used > kChunkLineBytesMax)) {
    return refuse({.code = Code::kHeadersTooLarge,
                   .detail = fmt::format("a chunk's line or the trailers have more than {} bytes",
                                         kChunkLineBytesMax),
                   .figures = {{"limit", kChunkLineBytesMax}}});
  }
  if (message.is_done()) {
    phase_ = Phase::kComplete;
    return Event::kComplete;
  }
  return Event::kNeedMore;
}

}  // namespace holdfast::http
