#include "server/http/frames.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/text.h"

namespace holdfast::http {
namespace {

constexpr uint8_t kReservedBits = 0x70;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kFinal = 0x80;
constexpr size_t kControlBytesMax = 125;
// Lengths from here on stand in two, or in eight bytes.
constexpr uint8_t kTwoByteLength = 126;
constexpr uint8_t kEightByteLength = 127;
constexpr uint64_t kTwoByteLengthMax = 0xffff;

// Section 7.4: 1004 to 1006 and 1015 are never sent, 1016 to 2999 mean nothing yet.
bool may_be_sent(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

void append_big_endian(std::string& out, uint64_t number, size_t bytes) {
  for (size_t i = bytes; i > 0; --i) out.push_back(static_cast<char>(number >> (8 * (i - 1))));
}

void append_frame(std::string& out, uint8_t opcode, std::string_view payload) {
  out.push_back(static_cast<char>(kFinal | opcode));
  if (payload.size() < kTwoByteLength) {
    out.push_back(static_cast<char>(payload.size()));
  } else if (payload.size() <= kTwoByteLengthMax) {
    out.push_back(static_cast<char>(kTwoByteLength));
    append_big_endian(out, payload.size(), 2);
  } else {
    out.push_back(static_cast<char>(kEightByteLength));
    append_big_endian(out, payload.size(), 8);
  }
  out.append(payload);
}

}  // namespace

FrameReader::Event FrameReader::feed(std::string_view bytes, size_t& used) {
  CHECK(!broken_, "nothing may be fed behind a frame that ends the connection");
  used = 0;
  while (true) {
    if (!in_payload_) {
      const bool is_whole = take_head(bytes, used);
      if (broken_) return Event::kBroken;
      if (!is_whole) return Event::kNeedMore;
      if (!begin_payload()) return Event::kBroken;
    }
    take_payload(bytes, used);
    if (left_ > 0) return Event::kNeedMore;
    in_payload_ = false;
    head_size_ = 0;
    const Event event = end_frame();
    if (event != Event::kNeedMore) return event;
  }
}

bool FrameReader::take_head(std::string_view bytes, size_t& used) {
  while (head_size_ < head_bytes()) {
    if (used == bytes.size()) return false;
    head_.at(head_size_++) = static_cast<uint8_t>(bytes[used++]);
    // What is wrong is said before a payload of any length is waited for.
    if (head_size_ == 2 && !starts_well()) return false;
  }
  return true;
}

size_t FrameReader::head_bytes() const {
  if (head_size_ < 2) return 2;
  const size_t length_bytes = short_length() == kEightByteLength ? 8
                              : short_length() == kTwoByteLength ? 2
                                                                 : 0;
  return 2 + length_bytes + kMaskBytes;
}

bool FrameReader::starts_well() {
  if ((head_[0] & kReservedBits) != 0)
    return refuse(CloseCode::kProtocolError, "reserved bits are set, and no extension is in use");
  if ((head_[1] & kMasked) == 0)
    return refuse(CloseCode::kProtocolError, "a client's frames must be masked");
  switch (opcode()) {
    case Opcode::kClose:
    case Opcode::kPing:
    case Opcode::kPong:
      if (!is_final())
        return refuse(CloseCode::kProtocolError, "a control frame must not be fragmented");
      if (short_length() > kControlBytesMax)
        return refuse(CloseCode::kProtocolError, "a control frame has at most 125 bytes");
      return true;
    case Opcode::kContinuation:
      return in_message_ ||
             refuse(CloseCode::kProtocolError, "a continuation, and no message has begun");
    case Opcode::kText:
      return !in_message_ ||
             refuse(CloseCode::kProtocolError, "a message begins before another has ended");
    case Opcode::kBinary:
      return refuse(CloseCode::kNotText, "messages are JSON, in text frames");
  }
  return refuse(CloseCode::kProtocolError, "a frame of an unknown kind");
}

bool FrameReader::begin_payload() {
  const auto number = [&](size_t length_bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < length_bytes; ++i) value = value << 8 | head_.at(2 + i);
    return value;
  };
  left_ = short_length();
  if (short_length() == kTwoByteLength) {
    left_ = number(2);
    if (left_ < kTwoByteLength)
      return refuse(CloseCode::kProtocolError, "a length must be written as short as it can be");
  } else if (short_length() == kEightByteLength) {
    left_ = number(8);
    if (left_ <= kTwoByteLengthMax)
      return refuse(CloseCode::kProtocolError, "a length must be written as short as it can be");
  }
  taken_ = 0;
  if (is_control()) {
    control_.clear();
  } else if (left_ > message_bytes_max_ - message_.size()) {
    return refuse(CloseCode::kMessageTooLarge,
                  fmt::format("a message has at most {} bytes", message_bytes_max_));
  }
  in_payload_ = true;
  return true;
}

void FrameReader::take_payload(std::string_view bytes, size_t& used) {
  const auto count = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size() - used));
  std::string& into = is_control() ? control_ : message_;
  const size_t mask_begin = head_bytes() - kMaskBytes;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t mask = head_.at(mask_begin + (taken_ + i) % kMaskBytes);
    into.push_back(static_cast<char>(static_cast<uint8_t>(bytes[used + i]) ^ mask));
  }
  taken_ += count;
  left_ -= count;
  used += count;
}

FrameReader::Event FrameReader::end_frame() {
  switch (opcode()) {
    case Opcode::kPing:
      return Event::kPing;
    case Opcode::kPong:
      return Event::kPong;
    case Opcode::kClose:
      return end_close();
    default:
      return end_text();
  }
}

FrameReader::Event FrameReader::end_text() {
  in_message_ = !is_final();
  if (in_message_) return Event::kNeedMore;
  if (is_utf8(message_)) return Event::kMessage;
  refuse(CloseCode::kBadText, "a message must be UTF-8");
  return Event::kBroken;
}

FrameReader::Event FrameReader::end_close() {
  Closing said;
  if (control_.size() >= 2) {
    said.code = static_cast<uint16_t>(static_cast<uint8_t>(control_[0]) << 8 |
                                      static_cast<uint8_t>(control_[1]));
    said.reason = control_.substr(2);
  }
  if (control_.size() == 1 || !may_be_sent(said.code)) {
    refuse(CloseCode::kProtocolError, "that is no code to close with");
    return Event::kBroken;
  }
  if (!is_utf8(said.reason)) {
    refuse(CloseCode::kBadText, "the reason to close must be UTF-8");
    return Event::kBroken;
  }
  broken_ = true;
  closing_ = {said.code, {}};
  return Event::kClose;
}

bool FrameReader::refuse(CloseCode code, std::string_view reason) {
  broken_ = true;
  closing_ = {static_cast<uint16_t>(code), std::string(reason)};
  return false;
}

std::string FrameReader::take_message() {
  return std::exchange(message_, {});
}

void append_text_frame(std::string& out, std::string_view text) {
  append_frame(out, 1, text);
}

void append_ping(std::string& out) {
  append_frame(out, 9, {});
}

void append_pong(std::string& out, std::string_view payload) {
  append_frame(out, 10, payload);
}

void append_close(std::string& out, const Closing& closing) {
  std::string payload;
  append_big_endian(payload, closing.code, 2);
  payload.append(closing.reason);
  CHECK(payload.size() <= kControlBytesMax, "{}", closing.reason);
  append_frame(out, 8, payload);
}

}  // namespace holdfast::http
