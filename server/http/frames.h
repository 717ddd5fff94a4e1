#pragma once

// The frames of a WebSocket (RFC 6455): what a client sends, taken apart strictly, and what a
// server sends. Values alone: no socket, no thread, no clock.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::http {

// Why a connection is closed (section 7.4.1), where it is us who close it.
enum class CloseCode : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,  // the node stops
  kProtocolError = 1002,
  kNotText = 1003,
  kBadText = 1007,  // text that is not UTF-8
  kMessageTooLarge = 1009,
  kInternal = 1011,
  kTryAgainLater = 1013,
};

// How a connection ends: a client may have codes of its own.
struct Closing {
  uint16_t code = static_cast<uint16_t>(CloseCode::kNormal);
  std::string reason;
};

// A client's bytes, in any pieces, as messages. Text only, masked, without extensions.
class FrameReader {
 public:
  explicit FrameReader(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  enum class Event : uint8_t {
    kNeedMore,  // all was used
    kMessage,   // `take_message`: whole, and UTF-8
    kPing,      // `control` is what the pong must carry
    kPong,
    kClose,   // the client closes; `closing` is what to answer
    kBroken,  // `closing` says why, to the client; after it and kClose nothing may be fed any more
  };
  // Takes from the front of `bytes` what belongs to the next event, and counts it in `used`.
  Event feed(std::string_view bytes, size_t& used);

  std::string take_message();
  const std::string& control() const { return control_; }
  const Closing& closing() const { return closing_; }
  size_t bytes() const { return message_.size(); }  // of the message that has come in part

 private:
  enum class Opcode : uint8_t {
    kContinuation = 0,
    kText = 1,
    kBinary = 2,
    kClose = 8,
    kPing = 9,
    kPong = 10
  };

  static constexpr size_t kMaskBytes = 4;
  // Two bytes, a length of eight, the mask.
  static constexpr size_t kHeadBytesMax = 2 + 8 + kMaskBytes;

  bool take_head(std::string_view bytes, size_t& used);
  size_t head_bytes() const;
  bool starts_well();
  bool begin_payload();
  void take_payload(std::string_view bytes, size_t& used);
  Event end_frame();
  Event end_text();
  Event end_close();
  // Always false.
  bool refuse(CloseCode code, std::string_view reason);

  bool is_final() const { return (head_[0] & 0x80) != 0; }
  bool is_control() const { return (head_[0] & 0x08) != 0; }
  Opcode opcode() const { return static_cast<Opcode>(head_[0] & 0x0f); }
  uint8_t short_length() const { return head_[1] & 0x7f; }

  const size_t message_bytes_max_;
  std::array<uint8_t, kHeadBytesMax> head_{};
  size_t head_size_ = 0;  // so much of it has come
  bool in_payload_ = false;
  uint64_t left_ = 0;  // of the payload
  size_t taken_ = 0;
  bool in_message_ = false;  // between its first fragment and its last
  bool broken_ = false;
  std::string message_;
  std::string control_;
  Closing closing_;
};

// What a server sends: whole, and not masked.
void append_text_frame(std::string& out, std::string_view text);
void append_ping(std::string& out);
void append_pong(std::string& out, std::string_view payload);
void append_close(std::string& out, const Closing& closing);

}  // namespace holdfast::http
