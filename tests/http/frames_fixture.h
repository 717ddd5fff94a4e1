#pragma once

// Frames as a client makes them (RFC 6455), in order or not, and what a server has sent.

#include <string>
#include <string_view>
#include <vector>

#include "storage/base/check.h"

namespace holdfast::http {

struct FrameForm {
  int opcode = 1;
  bool final = true;
  bool masked = true;
  int reserved = 0;         // the three bits
  size_t length_bytes = 0;  // 0, 2 or 8; 0: as short as it can be
  std::string mask = "\x11\x80\xfe\x07";
};

inline std::string frame_of(std::string_view payload, const FrameForm& form = {}) {
  std::string out;
  out.push_back(static_cast<char>((form.final ? 0x80 : 0) | form.reserved << 4 | form.opcode));
  const size_t shortest = payload.size() > 0xffff ? 8 : payload.size() > 125 ? 2 : 0;
  const size_t length_bytes = form.length_bytes == 0 ? shortest : form.length_bytes;
  const size_t first = length_bytes == 0 ? payload.size() : length_bytes == 2 ? 126 : 127;
  out.push_back(static_cast<char>((form.masked ? 0x80 : 0) | static_cast<int>(first)));
  for (size_t i = length_bytes; i > 0; --i)
    out.push_back(static_cast<char>(payload.size() >> (8 * (i - 1)) & 0xff));
  if (form.masked) out.append(form.mask);
  for (size_t i = 0; i < payload.size(); ++i)
    out.push_back(static_cast<char>(payload[i] ^ (form.masked ? form.mask[i % 4] : 0)));
  return out;
}

inline std::string close_payload(int code, std::string_view reason = "") {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return payload.append(reason);
}

struct SentFrame {
  int opcode = -1;  // nothing came, or a part
  std::string payload;
  int code() const {  // of a close frame
    return payload.size() < 2 ? 0
                              : static_cast<unsigned char>(payload[0]) << 8 |
                                    static_cast<unsigned char>(payload[1]);
  }
};

// How many bytes the frame that begins with these has, as far as they tell.
inline size_t size_of_sent(std::string_view bytes) {
  if (bytes.size() < 2) return 2;
  const auto first = static_cast<unsigned char>(bytes[1]);
  const size_t length_bytes = first == 127 ? 8 : first == 126 ? 2 : 0;
  if (bytes.size() < 2 + length_bytes) return 2 + length_bytes;
  size_t length = length_bytes == 0 ? first : 0;
  for (size_t i = 0; i < length_bytes; ++i)
    length = length << 8 | static_cast<unsigned char>(bytes[2 + i]);
  return 2 + length_bytes + length;
}

inline SentFrame sent_frame(std::string_view bytes) {
  if (bytes.size() < 2 || bytes.size() < size_of_sent(bytes)) return {};
  CHECK((static_cast<unsigned char>(bytes[0]) & 0xf0) == 0x80 && (bytes[1] & 0x80) == 0,
        "whole, and not masked");
  const auto first = static_cast<unsigned char>(bytes[1]);
  const size_t head = first == 127 ? 10 : first == 126 ? 4 : 2;
  return {bytes[0] & 0x0f, std::string(bytes.substr(head, size_of_sent(bytes) - head))};
}

}  // namespace holdfast::http
