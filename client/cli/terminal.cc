#include "client/cli/terminal.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "client/text_forms.h"
#include "storage/base/check.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

std::string_view escape_of(Color color) {
  switch (color) {
    case Color::kNone:
      return "";
    case Color::kBold:
      return "\x1b[1m";
    case Color::kDim:
      return "\x1b[2m";
    case Color::kRed:
      return "\x1b[31m";
    case Color::kGreen:
      return "\x1b[32m";
    case Color::kYellow:
      return "\x1b[33m";
  }
  return "";
}

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

size_t characters(std::string_view utf8) {
  return static_cast<size_t>(std::ranges::count_if(utf8, begins_character));
}

int milliseconds_of(WallTime time) {
  const auto since = time.time_since_epoch();
  return static_cast<int>((since % std::chrono::seconds(1)) / std::chrono::milliseconds(1));
}

std::time_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

bool is_terminal(std::FILE* stream) {
  return ::isatty(::fileno(stream)) == 1;
}

bool has_colors(std::FILE* stream) {
  const char* const no_color = std::getenv("NO_COLOR");
  return is_terminal(stream) && (no_color == nullptr || *no_color == '\0');
}

Color color_of_role(std::string_view role) {
  if (role == "leader") return Color::kGreen;
  if (role == "candidate" || role == "learner") return Color::kYellow;
  return Color::kNone;
}

std::string painted(std::FILE* stream, Color color, std::string_view text) {
  if (color == Color::kNone || !has_colors(stream)) return std::string(text);
  return fmt::format("{}{}\x1b[0m", escape_of(color), text);
}

size_t terminal_width(std::FILE* stream) {
  winsize size{};
  const bool is_known = ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : 80;
}

std::string spoken(Duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  if (seconds < 0.01) return fmt::format("{:.2g} ms", seconds * 1000);
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) {
    const bool is_whole = duration % std::chrono::seconds(1) == Duration::zero();
    return is_whole ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.1f} s", seconds);
  }
  const auto whole = static_cast<uint64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

std::string clock_time(WallTime time) {
  return fmt::format("{:%H:%M:%S}.{:03}", fmt::localtime(seconds_of(time)), milliseconds_of(time));
}

std::string printable(std::string_view bytes) {
  const bool is_text = is_utf8(bytes);
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\') {
      out += "\\\\";
    } else if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !is_text)) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string shortened(std::string text, size_t columns) {
  if (columns == 0 || characters(text) <= columns) return text;
  size_t seen = 0;
  size_t end = 0;
  while (end < text.size()) {
    if (begins_character(text[end]) && ++seen == columns) break;
    ++end;
  }
  text.resize(end);
  return text + "…";
}

void Table::add(std::vector<Cell> row) {
  CHECK(row.size() == columns_.size());
  rows_.push_back(std::move(row));
}

void Table::print(std::FILE* stream) const {
  std::vector<size_t> widths(columns_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], characters(row[i].text));
    }
  }
  for (size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Cell& cell = rows_[r][i];
      const std::string padding(widths[i] - characters(cell.text), ' ');
      const std::string text = painted(stream, r == 0 ? Color::kBold : cell.color, cell.text);
      line += columns_[i] == Align::kRight ? padding + text : text + padding;
      if (i + 1 < columns_.size()) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print(stream, "{}\n", line);
  }
}

}  // namespace holdfast::cli
