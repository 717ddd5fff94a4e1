#include "bench/load/http_answers.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace holdfast::load {
namespace {

constexpr size_t kHeadMax = 32 << 10;
constexpr size_t kLineMax = 4 << 10;  // of a chunk's size, or of a trailer
constexpr uint64_t kBodyMax = uint64_t{1} << 40;

std::unexpected<Error> no_answer(std::string_view what, std::string_view bytes) {
  return fail(ErrorCode::kInvalid,
              fmt::format("{}: '{}'", what, bytes.substr(0, std::min<size_t>(bytes.size(), 60))));
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// `name` is in lower case.
bool is_same_name(std::string_view field, std::string_view name) {
  return std::ranges::equal(field, name, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b;
  });
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

void HttpAnswers::begin_anew() {
  is_complete_ = false;
  answer_ = {};
  has_length_ = is_chunked_ = false;
  left_ = 0;
  kept_.clear();
  in_place_ = {};
}

void HttpAnswers::complete() {
  is_complete_ = true;
  state_ = State::kHead;
  answer_.body = in_place_.empty() ? std::string_view(kept_) : in_place_;
}

Result<size_t> HttpAnswers::read(std::string_view bytes) {
  if (is_complete_) begin_anew();
  size_t taken = 0;
  while (!is_complete_) {
    const std::string_view left = bytes.substr(taken);
    size_t step = 0;
    const State before = state_;
    switch (state_) {
      case State::kHead: {
        HOLDFAST_ASSIGN(step, read_head(left));
        break;
      }
      case State::kBody:
        step = read_body(left, State::kHead);
        break;
      case State::kChunkSize: {
        HOLDFAST_ASSIGN(step, read_chunk_size(left));
        break;
      }
      case State::kChunk:
        step = read_body(left, State::kChunkEnd);
        break;
      case State::kChunkEnd: {
        HOLDFAST_ASSIGN(step, read_chunk_end(left));
        break;
      }
      case State::kTrailer: {
        HOLDFAST_ASSIGN(step, read_trailer(left));
        break;
      }
    }
    taken += step;
    if (step == 0 && state_ == before) break;
  }
  return taken;
}

Result<size_t> HttpAnswers::read_head(std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() > kHeadMax) return no_answer("a head without an end", bytes);
    return 0;
  }
  const std::string_view head = bytes.substr(0, end + 2);
  // "HTTP/1.1 200 OK"
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  constexpr size_t kStatusEnd = kVersion.size() + 3;
  const auto status = head.starts_with(kVersion)
                          ? parse_number<unsigned>(head.substr(kVersion.size(), 3), 10)
                          : std::nullopt;
  if (!status || *status < 100 || (head[kStatusEnd] != ' ' && head[kStatusEnd] != '\r')) {
    return no_answer("this does not begin as an HTTP/1.1 answer does", head);
  }
  answer_.status = *status;
  HOLDFAST_TRY(read_fields(head.substr(head.find("\r\n") + 2)));
  const size_t taken = end + 4;
  if (*status < 200) {  // an interim answer: the real one follows
    begin_anew();
    return taken;
  }
  const bool has_no_body = *status == 204 || *status == 304;
  if (has_no_body || (has_length_ && !is_chunked_ && left_ == 0)) {
    complete();
  } else if (is_chunked_) {
    if (has_length_) return no_answer("a length and chunks in one answer", head);
    state_ = State::kChunkSize;
  } else if (!has_length_) {
    return no_answer("an answer with neither Content-Length nor chunks", head);
  } else {
    state_ = State::kBody;
  }
  return taken;
}

Result<> HttpAnswers::read_fields(std::string_view lines) {
  while (!lines.empty()) {
    const size_t end = lines.find("\r\n");
    HOLDFAST_TRY(read_field(lines.substr(0, end)));
    lines.remove_prefix(end + 2);
  }
  return {};
}

Result<> HttpAnswers::read_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos || line.front() == ' ' ||
      line.front() == '\t' || line[colon - 1] == ' ') {
    return no_answer("a line of the head is no field", line);
  }
  const char initial = static_cast<char>(line.front() | 0x20);
  if (initial != 'c' && initial != 't') return {};
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (is_same_name(name, "content-length")) {
    const auto length = parse_number<uint64_t>(value, 10);
    if (!length || *length > kBodyMax || (has_length_ && *length != left_)) {
      return no_answer("no length", line);
    }
    has_length_ = true;
    left_ = *length;
  } else if (is_same_name(name, "transfer-encoding")) {
    if (is_chunked_ || !is_same_name(value, "chunked")) return no_answer("not chunked", line);
    is_chunked_ = true;
  } else if (is_same_name(name, "connection")) {
    answer_.closes = is_same_name(value, "close");
  }
  return {};
}

void HttpAnswers::keep(std::string_view part) {
  const size_t room = body_kept_max_ - std::min(body_kept_max_, kept_.size());
  kept_.append(part.substr(0, room));
}

size_t HttpAnswers::read_body(std::string_view bytes, State then) {
  const size_t taken = std::min<uint64_t>(left_, bytes.size());
  const bool is_whole = state_ == State::kBody && kept_.empty() && taken == left_;
  if (is_whole) {
    in_place_ = bytes.substr(0, std::min(taken, body_kept_max_));
  } else {
    keep(bytes.substr(0, taken));
  }
  left_ -= taken;
  if (left_ == 0) {
    state_ = then;
    if (then == State::kHead) complete();
  }
  return taken;
}

Result<size_t> HttpAnswers::read_chunk_size(std::string_view bytes) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() > kLineMax) return no_answer("no size of a chunk", bytes);
    return 0;
  }
  const std::string_view digits = bytes.substr(0, std::min(end, bytes.find(';')));
  const auto size = parse_number<uint64_t>(trimmed(digits), 16);
  if (!size || *size > kBodyMax) return no_answer("no size of a chunk", bytes.substr(0, end));
  left_ = *size;
  state_ = *size == 0 ? State::kTrailer : State::kChunk;
  return end + 2;
}

Result<size_t> HttpAnswers::read_chunk_end(std::string_view bytes) {
  if (bytes.size() < 2) return 0;
  if (!bytes.starts_with("\r\n")) return no_answer("a chunk does not end where it said", bytes);
  state_ = State::kChunkSize;
  return 2;
}

Result<size_t> HttpAnswers::read_trailer(std::string_view bytes) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() > kLineMax) return no_answer("a trailer without an end", bytes);
    return 0;
  }
  if (end == 0) complete();
  return end + 2;
}

}  // namespace holdfast::load
