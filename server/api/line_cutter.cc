#include "server/api/line_cutter.h"

#include <utility>

namespace holdfast {

void LineCutter::add(std::string bytes) {
  if (begin_ == bytes_.size()) {
    bytes_ = std::move(bytes);
    searched_ = 0;
  } else {
    bytes_.erase(0, begin_);
    searched_ -= begin_;
    bytes_.append(bytes);
  }
  begin_ = 0;
}

void LineCutter::end() {
  ended_ = true;
}

std::optional<Line> LineCutter::next() {
  if (is_lost()) return std::nullopt;
  const size_t end = bytes_.find('\n', searched_);
  if (end != std::string::npos) {
    const Line line = cut(end - begin_);
    searched_ = ++begin_;
    return line;
  }
  searched_ = bytes_.size();
  const size_t size = bytes_.size() - begin_;
  if (passed_ + size > bytes_max_) {
    passed_ += size;
    begin_ = searched_ = 0;
    bytes_ = std::string();
  }
  if (!ended_ || (passed_ == 0 && begin_ == bytes_.size())) return std::nullopt;
  return cut(bytes_.size() - begin_);
}

Line LineCutter::cut(size_t size) {
  const bool too_long = std::exchange(passed_, 0) + size > bytes_max_;
  const std::string_view text = std::string_view(bytes_).substr(begin_, too_long ? 0 : size);
  begin_ += size;
  searched_ = begin_;
  return {number_++, text, too_long};
}

}  // namespace holdfast
