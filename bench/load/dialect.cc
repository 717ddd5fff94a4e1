#include "bench/load/dialect.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace holdfast::load {
namespace {

constexpr uint64_t kNoiseSeed = 4653;
constexpr uint32_t kNoiseLeast = 64 << 10;
constexpr size_t kKeyDigits = 10;
constexpr std::string_view kStampBegin = "<due ";
constexpr size_t kStampDigits = 20;
constexpr size_t kStampSize = kStampBegin.size() + kStampDigits + 1;

void append_digits(uint64_t number, size_t width, std::string& out) {
  const size_t at = out.size();
  out.append(width, '0');
  for (size_t i = width; i > 0 && number > 0; --i, number /= 10) {
    out[at + i - 1] = static_cast<char>('0' + number % 10);
  }
}

}  // namespace

Values::Values(const Settings& settings) : largest_(settings.value.most) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  Random random(kNoiseSeed);
  noise_.resize(std::max(kNoiseLeast, 2 * largest_));
  for (char& byte : noise_) byte = kLetters[random.below(kLetters.size())];
}

std::string_view Values::piece(uint64_t number, uint32_t size) const {
  const uint64_t places = noise_.size() - largest_;
  return std::string_view(noise_).substr(number * 0x9e3779b97f4a7c15 % places, size);
}

void Dialect::append_key(uint64_t number, std::string& out) const {
  out += settings_.key_prefix;
  append_digits(number, kKeyDigits, out);
}

std::unique_ptr<Dialect> make_dialect(const Settings& settings) {
  switch (settings.product) {
    case Product::kHoldfast:
      return make_holdfast_dialect(settings);
    case Product::kEtcd:
      return make_etcd_dialect(settings);
    case Product::kRedis:
      return make_redis_dialect(settings);
    case Product::kStatic:
      return make_static_dialect(settings);
  }
  return nullptr;
}

void stamp_value(Instant intended, std::string& value) {
  std::string stamp(kStampBegin);
  append_digits(static_cast<uint64_t>(intended.time_since_epoch().count()), kStampDigits, stamp);
  stamp += '>';
  value.replace(0, stamp.size(), stamp);
}

std::vector<Instant> take_stamps(std::string& text) {
  std::vector<Instant> found;
  size_t at = text.find(kStampBegin);
  while (at != std::string::npos && at + kStampSize <= text.size()) {
    const char* const digits = text.data() + at + kStampBegin.size();
    int64_t count = 0;
    std::from_chars(digits, digits + kStampDigits, count);
    found.emplace_back(Duration(count));
    text.erase(0, at + kStampSize);
    at = text.find(kStampBegin);
  }
  // What may be the beginning of a stamp is kept.
  const size_t kept =
      at != std::string::npos ? text.size() - at : std::min(text.size(), kStampBegin.size() - 1);
  text.erase(0, text.size() - kept);
  return found;
}

}  // namespace holdfast::load
