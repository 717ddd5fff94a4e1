#include "server/http/outbox.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "storage/base/check.h"

namespace holdfast::http {
namespace {

constexpr size_t kCopiedBodyBytesMax = size_t{16} << 10;  // above, a copy costs more than a piece
constexpr size_t kRunBytes = size_t{256} << 10;           // then a new run is begun

std::string_view reason(int status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Status";  // the phrase says nothing that the number does not
  }
}

void append_number(std::string& out, uint64_t number) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end.ptr);
}

// Whatever their fields say (RFC 9112, section 6.3).
bool is_without_body(int status) {
  return status == 101 || status == 204 || status == 304;
}

void append_head(std::string& out, const Pipeline::Answer& answer, std::string_view date) {
  const Response& response = answer.response;
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<uint64_t>(response.status));
  out.append(" ").append(reason(response.status)).append("\r\n").append(date);
  if (!response.content_type.empty()) {
    out.append("Content-Type: ").append(response.content_type).append("\r\n");
  }
  const bool has_length = response.says_length && !is_without_body(response.status);
  if (response.stream) {
    // HTTP/1.0 has no chunks: there the end of the connection is the end of the body.
    if (answer.form.minor_version > 0) out.append("Transfer-Encoding: chunked\r\n");
  } else if (has_length) {
    out.append("Content-Length: ");
    append_number(out, response.body.size());
    out.append("\r\n");
  }
  // Upgrade is of this connection alone, and must be named as such (RFC 9110, section 7.8).
  if (response.status == 101 || response.status == 426) out.append("Connection: Upgrade\r\n");
  if (answer.form.ending == AnswerForm::Ending::kClose) {
    out.append("Connection: close\r\n");
  } else if (answer.form.minor_version == 0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append(response.header_lines()).append("\r\n");
}

}  // namespace

std::string& Outbox::tail() {
  if (runs_.empty() || runs_.back().size() >= kRunBytes) runs_.emplace_back();
  return runs_.back();
}

void Outbox::add_bytes(std::string_view bytes) {
  tail().append(bytes);
  bytes_ += bytes.size();
}

void Outbox::add_body(std::string body) {
  if (body.size() <= kCopiedBodyBytesMax) return add_bytes(body);
  bytes_ += body.size();
  runs_.push_back(std::move(body));
}

void Outbox::add(Pipeline::Answer answer, std::string_view date) {
  if (answer.form.kind == AnswerForm::Kind::kInterim) {
    return add_bytes("HTTP/1.1 100 Continue\r\n\r\n");
  }
  std::string& run = tail();
  const size_t before = run.size();
  append_head(run, answer, date);
  bytes_ += run.size() - before;
  std::string& body = answer.response.body;
  if (answer.form.kind == AnswerForm::Kind::kHeadOnly || is_without_body(answer.response.status))
    return;
  if (answer.response.stream) return add_piece(std::move(body), answer.form.minor_version);
  add_body(std::move(body));
}

void Outbox::add_piece(std::string piece, uint8_t minor_version) {
  // A chunk without bytes would be the end.
  if (piece.empty()) return;
  if (minor_version == 0) return add_body(std::move(piece));
  add_bytes(fmt::format("{:x}\r\n", piece.size()));
  add_body(std::move(piece));
  add_bytes("\r\n");
}

void Outbox::end_stream(uint8_t minor_version) {
  if (minor_version > 0) add_bytes("0\r\n\r\n");
}

Outbox::Pieces Outbox::front() const {
  Pieces result;
  for (const std::string& run : runs_) {
    if (result.count == kPieces) break;
    std::string_view piece = run;
    if (result.count == 0) piece.remove_prefix(written_);
    result.pieces.at(result.count++) = piece;
  }
  return result;
}

void Outbox::pop(size_t bytes) {
  CHECK(bytes <= bytes_);
  bytes_ -= bytes;
  while (bytes > 0) {
    const size_t left = runs_.front().size() - written_;
    if (bytes < left) {
      written_ += bytes;
      return;
    }
    bytes -= left;
    written_ = 0;
    runs_.pop_front();
  }
}

}  // namespace holdfast::http
