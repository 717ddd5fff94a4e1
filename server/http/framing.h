#pragma once

// The strict guard before the parser. Where one reader could see other bounds of a request than
// another (a proxy and we, or the parser and we), a request could be smuggled inside another; so
// everything doubtful is refused here, and the connection closed (RFC 9112, section 11.2).

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "server/http/limits.h"
#include "server/http/problem.h"

namespace holdfast::http {

struct Framing {
  std::string_view method;
  std::string_view target;
  uint8_t minor_version = 1;               // of HTTP/1.x
  std::optional<uint64_t> content_length;  // never together with chunked
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

// `head` is one request's line and fields, up to and with the blank line. Views point into it.
std::expected<Framing, Problem> check_framing(std::string_view head, const Limits& limits);

// The beginning of a head whose blank line has not come: is it wrong already? The first
// `looked_at` bytes were found in order before.
std::optional<Problem> check_head_so_far(std::string_view bytes, size_t looked_at);

}  // namespace holdfast::http
