#pragma once

// Text for people: tables, colours where they are wanted, numbers that can be read.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/clock.h"

namespace holdfast::cli {

enum class Color { kNone, kBold, kDim, kRed, kGreen, kYellow };

bool is_terminal(std::FILE* stream);
// Colours appear only on a terminal, and not where NO_COLOR is set (no-color.org).
bool has_colors(std::FILE* stream);
Color color_of_role(std::string_view role);  // of a node, as the API names it
std::string painted(std::FILE* stream, Color color, std::string_view text);
// In columns; 80 where it cannot be known.
size_t terminal_width(std::FILE* stream);

std::string spoken(Duration duration);          // "312 ms", "4.2 s", "3 min 20 s"
std::string clock_time(WallTime time);          // 14:03:22.123, local
std::string printable(std::string_view bytes);  // control characters and non-UTF-8 as \xNN
// At most `columns` characters of UTF-8 text, the last of them "…" where something was cut.
std::string shortened(std::string text, size_t columns);

// Columns are as wide as their widest cell; the first row is the heading.
class Table {
 public:
  struct Cell {
    std::string text;
    Color color = Color::kNone;
  };
  enum class Align { kLeft, kRight };

  explicit Table(std::vector<Align> columns) : columns_(std::move(columns)) {}

  void add(std::vector<Cell> row);
  void print(std::FILE* stream) const;

 private:
  const std::vector<Align> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace holdfast::cli
