#pragma once

// Bytes as they come, cut into lines. Holds no more than the bytes of one piece and of one line.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

struct Line {
  uint64_t number;        // from 1, of all lines, also of empty ones
  std::string_view text;  // without its LF; valid until more is added
  bool too_long;          // the text is not kept
};

class LineCutter {
 public:
  // A line of more than `bytes_max` is too long; its end is looked for within `passed_max`.
  LineCutter(size_t bytes_max, size_t passed_max)
      : bytes_max_(bytes_max), passed_max_(passed_max) {}

  // Once `next` has nothing more.
  void add(std::string bytes);
  void end();  // what is left is a line, too, though nothing ends it
  std::optional<Line> next();
  // A line is so long that nothing is looked for any more.
  bool is_lost() const { return passed_ > passed_max_; }
  size_t held() const { return bytes_.size(); }

 private:
  Line cut(size_t size);

  const size_t bytes_max_;
  const size_t passed_max_;
  std::string bytes_;
  size_t begin_ = 0;     // of the next line
  size_t searched_ = 0;  // up to here there is no LF behind `begin_`
  size_t passed_ = 0;    // of a line that is too long, and not kept
  uint64_t number_ = 1;
  bool ended_ = false;
};

}  // namespace holdfast
