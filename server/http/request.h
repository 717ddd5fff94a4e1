#pragma once

// A request and an answer as plain values: what handlers are given and give back. They know
// nothing of sockets, and a test makes them by hand.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/caller.h"

namespace holdfast::http {

class BodyStream;
class Conversation;
class RequestBody;

enum class Method : uint8_t { kGet, kHead, kPut, kPost, kPatch, kDelete, kOther };

Method method_of(std::string_view token);
std::string_view name_of(Method method);

// True if both are the same but for the case of ASCII letters.
bool same_word(std::string_view a, std::string_view b);

class Request {
 public:
  Request() = default;
  // `target` as sent: an absolute path with an optional query, or the same behind http://host.
  Request(Method method, std::string_view target);

  void add_header(std::string_view name, std::string_view value);
  // Makes room once for a request line and header fields of this size.
  void expect_head(size_t bytes) { text_.reserve(bytes); }
  void set_line(Method method, std::string_view target);

  Method method() const { return method_; }
  std::string_view target() const { return {text_.data(), target_size_}; }
  std::string_view path() const;   // still percent-encoded
  std::string_view query() const;  // behind the first '?', still percent-encoded

  // The first field of that name.
  std::optional<std::string_view> header(std::string_view name) const;
  // All fields of that name, in order: for those whose values are lists.
  std::vector<std::string_view> headers(std::string_view name) const;

  std::string body;
  std::shared_ptr<RequestBody> incoming;  // instead of `body`, where it is taken while it is sent
  std::string parameter;  // what the route's {parameter} matched, percent-decoded once
  Caller caller;          // who sent it

 private:
  struct Field {
    uint32_t name;
    uint32_t value;
    uint32_t end;
  };
  std::string_view name_of(const Field& field) const;
  std::string_view value_of(const Field& field) const;

  Method method_ = Method::kOther;
  std::string text_;  // the target, then names and values: one allocation
  uint32_t target_size_ = 0;
  uint32_t path_begin_ = 0;
  uint32_t path_end_ = 0;
  std::vector<Field> fields_;
};

struct Response {
  int status = 200;
  std::string_view content_type;  // a literal; empty: none is sent
  std::string body;
  std::shared_ptr<BodyStream> stream;          // what follows `body`; none: that is all
  std::shared_ptr<Conversation> conversation;  // with 101: what the connection goes on with
  bool says_length = true;                     // false: to HEAD, of a body that was not made

  Response() = default;
  explicit Response(int status_in) : status(status_in) {}
  Response(int status_in, std::string_view content_type_in, std::string body_in)
      : status(status_in), content_type(content_type_in), body(std::move(body_in)) {}

  // Not for Content-Type, Content-Length, Transfer-Encoding, Date and Connection, which the session
  // writes. A control character in `value` becomes a space: it must never end the line.
  void add_header(std::string_view name, std::string_view value);
  std::optional<std::string_view> header(std::string_view name) const;
  // All added headers as they go out: `Name: value\r\n` each.
  const std::string& header_lines() const { return header_lines_; }

 private:
  std::string header_lines_;
};

}  // namespace holdfast::http
