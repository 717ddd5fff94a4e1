#include "client/event_stream.h"

#include <utility>

namespace holdfast {

std::vector<StreamEvent> EventStream::take(std::string_view bytes) {
  std::vector<StreamEvent> whole;
  for (size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    rest_.append(bytes.substr(0, end));
    take_line(rest_, whole);
    rest_.clear();
    bytes.remove_prefix(end + 1);
  }
  rest_.append(bytes);
  return whole;
}

void EventStream::take_line(std::string_view line, std::vector<StreamEvent>& whole) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    if (!event_.data.empty()) whole.push_back(std::move(event_));
    event_ = {};
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view field = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") event_.name = value;
  if (field == "id") event_.id = value;
  if (field == "data") event_.data = value;
}

}  // namespace holdfast
