#pragma once

// What the fuzzer gave, taken piece by piece; zeros where it has ended, so that every input is a
// whole story.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace holdfast {

class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }

  template <std::unsigned_integral T>
  T take() {
    T value = 0;
    const std::string_view bytes = take_bytes(sizeof value);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  // `bound` is 1 to 65536.
  uint64_t below(uint64_t bound) { return take<uint16_t>() % bound; }
  // Fewer where there are not so many.
  std::string_view take_bytes(size_t count) {
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }
  // Bytes behind their own number.
  std::string_view take_counted() { return take_bytes(take<uint16_t>()); }
  std::string_view take_rest() { return take_bytes(rest_.size()); }

 private:
  std::string_view rest_;
};

}  // namespace holdfast
