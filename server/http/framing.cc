#include "server/http/framing.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "server/http/request.h"

namespace holdfast::http {
namespace {

using CharSet = std::array<bool, 256>;

constexpr CharSet set_of(std::string_view extra, bool visible) {
  CharSet set{};
  for (int c = 0; c < 256; ++c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    set[static_cast<size_t>(c)] = visible ? (c > ' ' && c < 0x7f) : alnum;
  }
  for (const char c : extra) set[static_cast<unsigned char>(c)] = !visible;
  return set;
}

// RFC 9110, section 5.6.2.
constexpr CharSet kToken = set_of("!#$%&'*+-.^_`|~", false);
// Browsers leave some characters as they are that RFC 3986 wants encoded; refused are those that
// end a target or that others rewrite ('\' becomes '/').
constexpr CharSet kTarget = set_of("\"#<>\\", true);
constexpr CharSet kHost = set_of("-._~%!$&'()*+;=:[]", false);

bool all_in(const CharSet& set, std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return set[static_cast<unsigned char>(c)]; });
}

// A body without a bound of its own may have so much. No sum of two such numbers overflows.
constexpr uint64_t kContentLengthMax = uint64_t{1} << 60;

// Visible characters, spaces, tabs, and bytes above ASCII.
bool is_field_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= ' ' && byte != 0x7f) || byte == '\t';
  });
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::unexpected<Problem> refuse(std::string detail) {
  return std::unexpected(bad_request(std::move(detail)));
}

// The guard's work on one head: what has been seen so far.
class Inspection {
 public:
  explicit Inspection(const Limits& limits) : limits_(limits) {}

  std::expected<void, Problem> take_request_line(std::string_view line);
  std::expected<void, Problem> take_field(std::string_view line);
  std::expected<Framing, Problem> conclude();

 private:
  std::expected<void, Problem> take_value(std::string_view name, std::string_view value);
  std::expected<void, Problem> take_content_length(std::string_view value);
  std::expected<void, Problem> take_host(std::string_view value);
  void take_connection(std::string_view value);

  const Limits& limits_;
  Framing framing_;
  size_t fields_ = 0;
  size_t hosts_ = 0;
  bool too_large_ = false;
  bool says_close_ = false;
  bool says_keep_alive_ = false;
  bool unknown_expectation_ = false;
};

std::expected<void, Problem> Inspection::take_request_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return refuse("the request line must be METHOD SP TARGET SP HTTP/1.1");
  }
  framing_.method = line.substr(0, first);
  framing_.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (version == "HTTP/1.1") {
    framing_.minor_version = 1;
  } else if (version == "HTTP/1.0") {
    framing_.minor_version = 0;
  } else {
    return refuse("the version in the request line must be HTTP/1.1 or HTTP/1.0");
  }
  if (framing_.method.empty() || !all_in(kToken, framing_.method)) {
    return refuse("the method in the request line is not a token");
  }
  if (framing_.target.size() > limits_.target_bytes_max) {
    return std::unexpected(
        Problem{.code = Code::kKeyTooLarge,
                .detail = fmt::format("the request target has {} bytes, the limit is {}",
                                      framing_.target.size(), limits_.target_bytes_max),
                .figures = {{"limit", limits_.target_bytes_max}}});
  }
  if (framing_.target.empty() || !all_in(kTarget, framing_.target)) {
    return refuse(
        "the request target has a character that must be percent-encoded (a space, a quote, "
        "'#', '<', '>', '\\' or a byte outside ASCII)");
  }
  const bool absolute =
      framing_.target.size() > 7 && same_word(framing_.target.substr(0, 7), "http://");
  if (framing_.target[0] != '/' && !absolute) {
    return refuse("the request target must begin with '/'");
  }
  return {};
}

std::expected<void, Problem> Inspection::take_field(std::string_view line) {
  if (++fields_ > limits_.fields_max) {
    return std::unexpected(
        Problem{.code = Code::kHeadersTooLarge,
                .detail = fmt::format("more than {} header fields", limits_.fields_max),
                .figures = {{"limit", limits_.fields_max}}});
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return refuse("a header line has no ':'");
  const std::string_view name = line.substr(0, colon);
  // This also refuses a space before the colon and a folded line, which begins with one.
  if (name.empty() || !all_in(kToken, name)) return refuse("a header field's name is not a token");
  const std::string_view value = trim(line.substr(colon + 1));
  if (!is_field_value(value)) {
    return refuse(fmt::format("the value of header field '{}' has a control character", name));
  }
  return take_value(name, value);
}

std::expected<void, Problem> Inspection::take_value(std::string_view name, std::string_view value) {
  if (same_word(name, "host")) return take_host(value);
  if (same_word(name, "content-length")) return take_content_length(value);
  if (same_word(name, "transfer-encoding")) {
    if (framing_.chunked) return refuse("Transfer-Encoding comes twice");
    if (!same_word(value, "chunked")) {
      return refuse("Transfer-Encoding must be exactly 'chunked'");
    }
    framing_.chunked = true;
  } else if (same_word(name, "connection")) {
    take_connection(value);
  } else if (same_word(name, "expect")) {
    if (same_word(value, "100-continue")) {
      framing_.expects_continue = true;
    } else {
      unknown_expectation_ = true;
    }
  }
  return {};
}

std::expected<void, Problem> Inspection::take_host(std::string_view value) {
  if (++hosts_ > 1) return refuse("Host comes twice");
  if (!all_in(kHost, value)) return refuse("Host is not a host name with an optional port");
  return {};
}

std::expected<void, Problem> Inspection::take_content_length(std::string_view value) {
  if (framing_.content_length) return refuse("Content-Length comes twice");
  if (value.empty()) return refuse("Content-Length is empty");
  uint64_t length = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return refuse("Content-Length must be decimal digits only");
    if (!too_large_) length = length * 10 + static_cast<uint64_t>(c - '0');
    too_large_ = too_large_ || length > kContentLengthMax;
  }
  framing_.content_length = length;
  return {};
}

void Inspection::take_connection(std::string_view value) {
  while (!value.empty()) {
    const std::string_view option = value.substr(0, value.find(','));
    value.remove_prefix(std::min(option.size() + 1, value.size()));
    says_close_ = says_close_ || same_word(trim(option), "close");
    says_keep_alive_ = says_keep_alive_ || same_word(trim(option), "keep-alive");
  }
}

std::expected<Framing, Problem> Inspection::conclude() {
  if (framing_.minor_version == 1 && hosts_ == 0) return refuse("Host is missing");
  if (framing_.chunked && framing_.content_length) {
    return refuse("Content-Length and Transfer-Encoding must not come together");
  }
  if (framing_.chunked && framing_.minor_version == 0) {
    return refuse("HTTP/1.0 has no Transfer-Encoding");
  }
  if ((framing_.method == "GET" || framing_.method == "HEAD") &&
      (framing_.has_body() || too_large_)) {
    return refuse("a GET or HEAD request must not have a body");
  }
  if (too_large_) {
    return std::unexpected(
        Problem{.code = Code::kValueTooLarge,
                .detail = fmt::format("the body is larger than {} bytes", kContentLengthMax),
                .figures = {{"limit", kContentLengthMax}}});
  }
  if (unknown_expectation_ && framing_.minor_version == 1) {
    return std::unexpected(Problem{.code = Code::kExpectationFailed,
                                   .detail = "the only expectation known is 100-continue"});
  }
  // HTTP/1.0 knows no interim answers (RFC 9110, section 10.1.1).
  framing_.expects_continue = framing_.expects_continue && framing_.minor_version == 1;
  framing_.keep_alive = !says_close_ && (framing_.minor_version == 1 || says_keep_alive_);
  return framing_;
}

}  // namespace

std::expected<Framing, Problem> check_framing(std::string_view head, const Limits& limits) {
  Inspection inspection(limits);
  bool first = true;
  while (true) {
    const size_t end = head.find('\n');
    // A CR elsewhere than before the LF is refused with the other control characters.
    if (end == std::string_view::npos || end == 0 || head[end - 1] != '\r') {
      return refuse("lines must end in CR LF");
    }
    const std::string_view line = head.substr(0, end - 1);
    head.remove_prefix(end + 1);
    if (line.empty() && !first) break;
    auto outcome = first ? inspection.take_request_line(line) : inspection.take_field(line);
    if (!outcome) return std::unexpected(std::move(outcome).error());
    first = false;
  }
  if (!head.empty()) return refuse("lines must end in CR LF");
  return inspection.conclude();
}

std::optional<Problem> check_head_so_far(std::string_view bytes, size_t looked_at) {
  if (!bytes.empty() && !kToken[static_cast<unsigned char>(bytes[0])]) {
    return bad_request(
        "this is not HTTP/1.1 in plain text: the request line must begin with a method");
  }
  for (size_t at = bytes.find('\n', looked_at); at != std::string_view::npos;
       at = bytes.find('\n', at + 1)) {
    if (at == 0 || bytes[at - 1] != '\r') return bad_request("lines must end in CR LF");
  }
  return std::nullopt;
}

}  // namespace holdfast::http
