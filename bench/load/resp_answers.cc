#include "bench/load/resp_answers.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace holdfast::load {
namespace {

constexpr size_t kReplyLineMax = 64 << 10;
constexpr int64_t kReplyValueMax = 512 << 20;  // as Redis itself

std::unexpected<Error> no_reply(std::string_view bytes) {
  return fail(ErrorCode::kInvalid,
              fmt::format("this is no answer of Redis: '{}'", bytes.substr(0, 60)));
}

}  // namespace

Result<size_t> RespAnswers::read(std::string_view bytes) {
  is_complete_ = false;
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() > kReplyLineMax) return no_reply(bytes);
    return 0;
  }
  if (end == 0) return no_reply(bytes);
  const std::string_view line = bytes.substr(1, end - 1);
  answer_ = {.status = 200, .body = line};
  is_complete_ = true;
  switch (bytes.front()) {
    case '+':
    case ':':
      return end + 2;
    case '-':
      answer_.status = 500;
      return end + 2;
    case '$':
      break;
    default:
      return no_reply(bytes);
  }
  int64_t size = 0;
  const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), size);
  if (error != std::errc() || stop != line.data() + line.size() || size < -1 ||
      size > kReplyValueMax) {
    return no_reply(bytes);
  }
  if (size == -1) {
    answer_ = {.status = 404};
    return end + 2;
  }
  const size_t whole = end + 2 + static_cast<size_t>(size) + 2;
  if (bytes.size() < whole) {
    is_complete_ = false;
    return 0;
  }
  if (bytes.substr(whole - 2, 2) != "\r\n") return no_reply(bytes);
  answer_.body = bytes.substr(end + 2, static_cast<size_t>(size));
  return whole;
}

}  // namespace holdfast::load
