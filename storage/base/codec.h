#pragma once

// Fixed-width little-endian fields in a byte buffer: the language of log records and frames.

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

template <std::unsigned_integral T>
void put_fixed(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <std::unsigned_integral T>
void store_fixed(char* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

template <std::unsigned_integral T>
T load_fixed(const char* in) {
  T value;
  std::memcpy(&value, in, sizeof value);
  return value;
}

// Reads fields one after another, and never past the end.
class FixedReader {
 public:
  explicit FixedReader(std::string_view bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  std::optional<T> take() {
    if (rest_.size() < sizeof(T)) return std::nullopt;
    const T value = load_fixed<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }

  std::optional<std::string_view> take_bytes(size_t count) {
    if (rest_.size() < count) return std::nullopt;
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace holdfast
