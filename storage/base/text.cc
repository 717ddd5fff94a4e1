#include "storage/base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr Duration kDurationMax = std::chrono::hours(24 * 366 * 100);

uint32_t byte_at(std::string_view bytes, size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

// How many bytes the character at `at` has; 0: it is none.
size_t character_size(std::string_view bytes, size_t at) {
  const uint32_t first = byte_at(bytes, at);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + size > bytes.size()) return 0;
  uint32_t point = first & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    const uint32_t next = byte_at(bytes, at + i);
    if ((next & 0xc0u) != 0x80) return 0;
    point = point << 6 | (next & 0x3fu);
  }
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < kSmallest.at(size) || point > 0x10ffff || is_surrogate ? 0 : size;
}

// Takes what it reads off the text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // Exactly so many digits, which say at most `most`.
  bool number(size_t digits, int most, int& out) {
    if (rest_.size() < digits) return false;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + digits, out);
    const bool is_number =
        error == std::errc() && end == rest_.data() + digits && rest_.front() != '-';
    if (is_number) rest_.remove_prefix(digits);
    return is_number && out <= most;
  }
  bool any_of(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    last_ = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }
  // One digit or more behind the point; of them three count.
  bool milliseconds_behind_point(int& out) {
    const size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    for (size_t i = 0; i < 3; ++i) out = out * 10 + (i < digits ? rest_[i] - '0' : 0);
    rest_.remove_prefix(digits);
    return digits > 0;
  }
  char last() const { return last_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  char last_ = 0;
};

}  // namespace

bool is_utf8(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = character_size(bytes, at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

std::string with_commas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string counted(uint64_t number, std::string_view one) {
  return fmt::format("{} {}{}", with_commas(number), one, number == 1 ? "" : "s");
}

std::optional<Duration> parse_duration(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(digits);
  const Duration one = unit == "ms"  ? Duration(std::chrono::milliseconds(1))
                       : unit == "s" ? Duration(std::chrono::seconds(1))
                       : unit == "m" ? Duration(std::chrono::minutes(1))
                       : unit == "h" ? Duration(std::chrono::hours(1))
                                     : Duration::zero();
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, count);
  if (error != std::errc() || one == Duration::zero() || count > kDurationMax / one)
    return std::nullopt;
  return count * one;
}

std::string duration_text(Duration duration) {
  const auto in = [duration](Duration unit) { return duration / unit; };
  const auto is_whole = [duration](Duration unit) { return duration % unit == Duration::zero(); };
  if (is_whole(std::chrono::hours(1))) return fmt::format("{}h", in(std::chrono::hours(1)));
  if (is_whole(std::chrono::minutes(1))) return fmt::format("{}m", in(std::chrono::minutes(1)));
  if (is_whole(std::chrono::seconds(1))) return fmt::format("{}s", in(std::chrono::seconds(1)));
  return fmt::format("{}ms", in(milliseconds(1)));
}

std::optional<uint64_t> parse_time(std::string_view text) {
  Scanner in(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0;
  const bool is_time = in.number(4, 9999, year) && in.any_of("-") && in.number(2, 12, month) &&
                       in.any_of("-") && in.number(2, 31, day) && in.any_of("Tt ") &&
                       in.number(2, 23, hour) && in.any_of(":") && in.number(2, 59, minute) &&
                       in.any_of(":") && in.number(2, 59, second);
  if (!is_time || (in.any_of(".") && !in.milliseconds_behind_point(fraction))) return std::nullopt;
  int ahead = 0;  // of UTC, in minutes
  if (!in.any_of("Zz")) {
    int hours = 0, minutes = 0;
    if (!in.any_of("+-")) return std::nullopt;
    const bool is_behind = in.last() == '-';
    if (!in.number(2, 23, hours) || !in.any_of(":") || !in.number(2, 59, minutes))
      return std::nullopt;
    ahead = (hours * 60 + minutes) * (is_behind ? -1 : 1);
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!in.at_end() || !date.ok()) return std::nullopt;
  const milliseconds since_epoch = std::chrono::sys_days(date).time_since_epoch() +
                                   std::chrono::hours(hour) + std::chrono::minutes(minute - ahead) +
                                   std::chrono::seconds(second) + milliseconds(fraction);
  if (since_epoch < milliseconds::zero()) return std::nullopt;
  return static_cast<uint64_t>(since_epoch.count());
}

std::string time_text(uint64_t wall_ms) {
  const std::chrono::sys_time<milliseconds> time{milliseconds(wall_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string time_text(WallTime time) {
  return time_text(static_cast<uint64_t>(time.time_since_epoch() / milliseconds(1)));
}

}  // namespace holdfast
