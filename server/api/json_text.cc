#include "server/api/json_text.h"

#include <array>
#include <cstdint>

#include "storage/base/text.h"

namespace holdfast {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

uint32_t byte_at(std::string_view bytes, size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

void append_base64(std::string& out, std::string_view bytes, std::string_view alphabet) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) group = group << 8 | (i < count ? byte_at(bytes, at + i) : 0);
    for (size_t i = 0; i <= count; ++i) out.push_back(alphabet[group >> (18 - 6 * i) & 0x3f]);
  }
}

std::optional<std::string> bytes_of(std::string_view text, std::string_view alphabet) {
  std::string bytes;
  uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    group = (group << 6 | static_cast<uint32_t>(digit)) & 0xffffu;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<char>(group >> bits & 0xffu));
  }
  // One text for each content: what is left over must be nothing.
  if (bits >= 6 || (group & ((1u << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte >= 0x20) {
      out.push_back(c);
    } else {
      out.append("\\u00").push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 0xf]);
    }
  }
}

}  // namespace

void append_json_bytes(std::string& out, std::string_view name, std::string_view bytes) {
  const bool is_text = is_utf8(bytes);
  out.append("\"").append(name).append(is_text ? "\":\"" : "_base64\":\"");
  if (is_text) {
    append_escaped(out, bytes);
  } else {
    append_base64(out, bytes, kBase64);
    out.append((3 - bytes.size() % 3) % 3, '=');
  }
  out.push_back('"');
}

std::string to_base64url(std::string_view bytes) {
  std::string text;
  append_base64(text, bytes, kBase64Url);
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  return bytes_of(text, kBase64);
}

std::optional<std::string> from_base64url(std::string_view text) {
  return bytes_of(text, kBase64Url);
}

}  // namespace holdfast
